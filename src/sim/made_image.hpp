#pragma once

#include <cstdint>
#include <string>

namespace spillway::sim {

// A PNG of one pixel, followed by bytes that follow from the seed until it is so long: readers pass over them.
std::string made_image(std::uint64_t bytes, std::uint64_t seed);

}  // namespace spillway::sim
