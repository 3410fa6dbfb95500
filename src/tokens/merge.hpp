#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "vocabulary.hpp"

namespace spillway::tokens {

// Counts the tokens of single pieces: of all neighbours that are a token together, those of the lowest rank are
// joined first, of equal ones the leftmost. One for each thread; keeps its memory between pieces.
class merger {
public:
    // A longer piece is counted in parts, so that hostile text cannot ask for more than some 24 MB.
    static constexpr std::size_t longest_piece = std::size_t{1} << 20;

    explicit merger(const vocabulary& v) noexcept : vocabulary_(v) {}

    std::size_t count(std::string_view piece);

private:
    std::size_t count_short(std::string_view piece) noexcept;
    std::size_t count_long(std::string_view piece);

    // Part of a long piece, in a list by position; `joined` is the rank that it has with the next one.
    struct part {
        std::uint32_t previous, next;
        rank joined;
    };
    const vocabulary& vocabulary_;
    std::vector<part> parts_;
    std::vector<std::uint64_t> heap_;  // rank << 32 | position; what has changed since is skipped
};

}  // namespace spillway::tokens
