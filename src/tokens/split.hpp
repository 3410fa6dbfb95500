#pragma once

#include <cstddef>
#include <string_view>

#include <spillway/tokens/estimator.hpp>

namespace spillway::tokens {

// Where the piece ends that begins at `at` < text.size(). Pieces are what the encoding's pattern matches one after
// the other; a token never reaches across. `text` must be UTF-8. All pieces of a text together take time linear in
// it.
std::size_t piece_end(std::string_view text, std::size_t at, encoding e);

}  // namespace spillway::tokens
