#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace spillway::http {

inline constexpr std::size_t longest_folded = 32;

// A name as a careless reader may compare it: letters in lower case and digits alone, without separators and without
// what cannot be seen; full-width forms and the few other characters that fold to ASCII letters are those letters.
// Empty when the name is longer than `out`, or holds a character that no reader takes for ASCII.
std::string_view fold_name(std::string_view name, std::span<char, longest_folded> out) noexcept;

// Lower case letters, digits and underscores, as the API writes its names: such a name is taken for another one only
// by a reader who ignores the case of letters.
bool is_plain_name(std::string_view name) noexcept;

// Whether this is the folded form of a plain ASCII name, as a program asks for it.
bool is_folded_form(std::string_view folded, std::string_view name) noexcept;

}  // namespace spillway::http
