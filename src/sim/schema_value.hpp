#pragma once

#include "json_tools.hpp"

namespace spillway::sim {

// A value that the JSON schema allows, as a model with structured outputs would give it. Follows `$ref` inside the
// schema; the same schema and seed give the same value. Knows the part of JSON Schema that Azure takes for structured
// outputs and tools; what else a schema demands is not looked at.
json value_for(const json& schema, std::uint64_t seed);

}  // namespace spillway::sim
