#pragma once

#include "answer.hpp"
#include "simulation.hpp"

namespace spillway::sim {

// The part of the control endpoint below /identity.
answer control_identity(simulation& all, const request& r);

}  // namespace spillway::sim
