#pragma once

namespace spillway::cli {

// The program's command line. Exit codes: 0 done, 1 it did not work (bad configuration, no answer), 2 wrong usage.
int run_cli(int argc, char** argv);

}  // namespace spillway::cli
