#pragma once

#include "generator.hpp"

namespace spillway::bench {

// One line of JSON each, on standard output, at once.
void print_stage(const char* stage);
void print_result(const load_options& o, const generator& g);

}  // namespace spillway::bench
