#pragma once

#include "visit.hpp"

namespace spillway::sim {

// A file that somebody else's work made.
stored make_file(visit& v, std::string_view name, std::string_view purpose, std::shared_ptr<const blob> content);
// The content of the part of that name in the request's form. Null: there is none.
std::shared_ptr<const blob> content_in(const visit& v, std::string_view part);

}  // namespace spillway::sim
