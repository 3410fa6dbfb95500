#pragma once

#include "answer.hpp"

namespace spillway::sim {

// Compresses the answer piece by piece, so that a stream stays one, and says so in its head.
void compress(answer& a);

}  // namespace spillway::sim
