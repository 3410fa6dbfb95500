#include <spillway/sim/simulator.hpp>

int main(int argc, char** argv) { return spillway::sim::run_simulator(argc, argv); }
