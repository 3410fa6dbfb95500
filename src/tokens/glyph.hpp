#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace spillway::tokens {

// What the encodings' patterns distinguish. The numbers are those in unicode.bin.
enum class glyph : std::uint8_t {
    other,
    upper,   // capital and title case letters
    lower,   // small letters
    letter,  // letters without case, modifiers
    mark,    // combining marks
    number,
    space,  // white space without the next
    line,   // CR and LF
    end,    // no character any more; never in the table
};

constexpr bool is_letter(glyph g) noexcept { return g >= glyph::upper && g <= glyph::letter; }
constexpr bool is_blank(glyph g) noexcept { return g == glyph::space || g == glyph::line; }
constexpr bool is_symbol(glyph g) noexcept { return g == glyph::other || g == glyph::mark; }

// The class of each code point, in blocks of 256 of which equal ones are kept once.
class glyph_table {
public:
    static const glyph_table& get();

    glyph operator[](char32_t c) const noexcept {
        return blocks_[static_cast<std::size_t>(index_[c >> 8]) << 8 | (c & 255)];
    }
    glyph ascii(unsigned char c) const noexcept { return ascii_[c]; }

private:
    glyph_table();

    std::array<std::uint16_t, 0x1100> index_{};
    std::array<glyph, 128> ascii_{};
    std::vector<glyph> blocks_;
};

}  // namespace spillway::tokens
