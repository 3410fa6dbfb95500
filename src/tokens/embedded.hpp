#pragma once

#include <string_view>

// The files of src/tokens/data, which lie inside the program. Their form is told in scripts/make-vocabulary.
namespace spillway::tokens::embedded {

std::string_view o200k() noexcept;
std::string_view cl100k() noexcept;
std::string_view unicode() noexcept;

}  // namespace spillway::tokens::embedded
