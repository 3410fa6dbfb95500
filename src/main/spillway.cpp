#include <spillway/cli/cli.hpp>

int main(int argc, char** argv) { return spillway::cli::run_cli(argc, argv); }
