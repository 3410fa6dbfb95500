#pragma once

#include <span>
#include <string_view>

#include <spillway/core/operation.hpp>

namespace spillway::core {

// Operations on objects that an instance keeps, of one generation; where two fit a path, the first one is meant.
std::span<const operation> object_operations(generation g) noexcept;

// Whether a path fits a suffix with `{}` for ids; they are noted in `out`.
bool match_suffix(std::string_view pattern, std::string_view path, classified& out) noexcept;
// The suffix with the ids that are to stand in it.
void append_suffix(std::string& out, const classified& what);

// Methods as bits, and as the field Allow lists them.
unsigned method_bit(std::string_view method) noexcept;
std::string_view methods_of(unsigned bits) noexcept;

}  // namespace spillway::core
