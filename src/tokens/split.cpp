#include "split.hpp"

#include <spillway/base/text.hpp>
#include <spillway/base/utf8.hpp>

#include "glyph.hpp"

// Written by hand from the patterns that tiktoken publishes: P stands for [^\r\n\p{L}\p{N}], U for
// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], W for [\p{Ll}\p{Lm}\p{Lo}\p{M}], C for (?i:'s|'t|'re|'ve|'m|'ll|'d).
//
//   o200k:  P?U*W+C? | P?U+W*C? | \p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//   cl100k: C | P?+\p{L}++ | \p{N}{1,3}+ |  ?[^\s\p{L}\p{N}]++[\r\n]*+ | \s++$ | \s*[\r\n] | \s+(?!\S) | \s
//
// A regular expression would take the Unicode version of its library, backtrack, and be several times slower.
namespace spillway::tokens {
namespace {

class splitter {
public:
    splitter(std::string_view text, const glyph_table& table) noexcept : text_(text), table_(table) {}

    std::size_t o200k(std::size_t at) const noexcept {
        std::size_t size = 0;
        const auto first = look(at, size);
        if (is_letter(first)) return with_contraction(cased(at, true));
        if (first == glyph::number) return numbers(at);
        if (first != glyph::line) {
            // The optional P is tried first with the character. A mark is in P, U and W, so the attempt without P
            // comes before the second alternative and succeeds by the mark alone.
            auto end = cased(at + size, first != glyph::mark);
            if (end == 0 && first == glyph::mark) end = cased(at, false);
            if (end != 0) return with_contraction(end);
        }
        if (const auto end = symbols(at, first, size); end != 0) {
            std::size_t after = end;
            while (after < text_.size() && (is_line(after) || text_[after] == '/')) ++after;
            return after;
        }
        return blanks(at, false);
    }

    std::size_t cl100k(std::size_t at) const noexcept {
        std::size_t size = 0;
        const auto first = look(at, size);
        if (const auto n = contraction(at); n != 0) return at + n;
        if (is_letter(first)) return letters(at);
        if (first == glyph::number) return numbers(at);
        if (first != glyph::line)
            if (const auto end = letters(at + size); end != at + size) return end;
        if (auto end = symbols(at, first, size); end != 0) {
            while (end < text_.size() && is_line(end)) ++end;
            return end;
        }
        return blanks(at, true);
    }

private:
    glyph look(std::size_t at, std::size_t& size) const noexcept {
        if (at >= text_.size()) return size = 0, glyph::end;
        const auto lead = static_cast<unsigned char>(text_[at]);
        if (lead < 0x80) return size = 1, table_.ascii(lead);
        return table_[utf8::decode(text_, at, size)];
    }

    bool is_line(std::size_t at) const noexcept { return text_[at] == '\n' || text_[at] == '\r'; }

    std::size_t letters(std::size_t at) const noexcept {
        std::size_t size = 0;
        while (is_letter(look(at, size))) at += size;
        return at;
    }

    std::size_t numbers(std::size_t at) const noexcept {
        std::size_t size = 0;
        for (int i = 0; i < 3 && look(at, size) == glyph::number; ++i) at += size;
        return at;
    }

    // ` ?[^\s\p{L}\p{N}]+`; 0 when it does not match.
    std::size_t symbols(std::size_t at, glyph first, std::size_t size) const noexcept {
        if (first == glyph::space) {
            if (text_[at] != ' ') return 0;
            ++at;
        }
        const std::size_t begin = at;
        while (is_symbol(look(at, size))) at += size;
        return at == begin ? 0 : at;
    }

    // U*W+, or with `second` U+W* when that fails; 0 when none matches. U* takes all it can. If no W follows there,
    // it gives back up to its last character that is a W, too, and W+ takes that one alone, for the next one is not a
    // W.
    std::size_t cased(std::size_t at, bool second) const noexcept {
        const std::size_t begin = at;
        std::size_t size = 0, last_both = 0;
        glyph g;
        for (;;) {
            g = look(at, size);
            if (g == glyph::lower || !(is_letter(g) || g == glyph::mark)) break;
            at += size;
            if (g != glyph::upper) last_both = at;
        }
        if (g == glyph::lower) {
            do at += size;
            while ((g = look(at, size)) == glyph::lower || g == glyph::letter || g == glyph::mark);
            return at;
        }
        if (last_both != 0) return last_both;
        return second && at != begin ? at : 0;
    }

    std::size_t with_contraction(std::size_t at) const noexcept { return at + contraction(at); }

    // Length of the contraction at `at`, 0 when there is none. The long s is an s when case does not matter.
    std::size_t contraction(std::size_t at) const noexcept {
        if (at + 1 >= text_.size() || text_[at] != '\'') return 0;
        const char a = text::lower(text_[at + 1]);
        if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
        if (at + 2 >= text_.size()) return 0;
        if (text_.substr(at + 1, 2) == "\u017F") return 3;
        const char b = text::lower(text_[at + 2]);
        return (a == 'l' && b == 'l') || (a == 'v' && b == 'e') || (a == 'r' && b == 'e') ? 3 : 0;
    }

    // A run of white space ends after its last line end; else it leaves its last character to what follows, if it has
    // two. At the end of the text cl100k takes the whole run.
    std::size_t blanks(std::size_t at, bool whole_at_end) const noexcept {
        const std::size_t begin = at;
        std::size_t size = 0, after_line = 0, last = at;
        for (glyph g; is_blank(g = look(at, size));) {
            last = at;
            at += size;
            if (g == glyph::line) after_line = at;
        }
        const bool at_end = at == text_.size();
        if (after_line != 0 && !(whole_at_end && at_end)) return after_line;
        return at_end || last == begin ? at : last;
    }

    std::string_view text_;
    const glyph_table& table_;
};

}  // namespace

std::size_t piece_end(std::string_view text, std::size_t at, encoding e) {
    const splitter s(text, glyph_table::get());
    return e == encoding::o200k ? s.o200k(at) : s.cl100k(at);
}

}  // namespace spillway::tokens
