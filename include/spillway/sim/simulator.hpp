#pragma once

namespace spillway::sim {

// The whole program `spillway-sim`: reads its command line, listens as the instances of a YAML file and answers as
// Azure OpenAI does, faults included (docs/simulator.md). Returns the exit code: 0 after an orderly end, 1 for
// settings that cannot work, 2 when it cannot listen. A wrong command line gives the code of the parser, above 100.
int run_simulator(int argc, char** argv);

}  // namespace spillway::sim
