#include <spillway/http/multipart.hpp>

#include <algorithm>

#include <spillway/base/text.hpp>

#include "bytes.hpp"
#include "parameters.hpp"

namespace spillway::http {
namespace {

using parameters::parameter, parameters::take, parameters::take_parameter, parameters::take_token;

constexpr std::size_t longest_boundary = 70, nowhere = std::string_view::npos;

// RFC 2046's bchars. A blank at the end would be lost on the way.
bool is_boundary(std::string_view s) noexcept {
    return !s.empty() && s.size() <= longest_boundary && s.back() != ' ' &&
           std::all_of(s.begin(), s.end(), [](char c) {
               const char l = text::lower(c);
               return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
                      std::string_view("'()+_,-./:=? ").find(c) != nowhere;
           });
}

// Browsers write %22, %0D and %0A, curl once wrote backslashes. A name with any other backslash is read by some as it
// stands and by others without it; in names of files, which decide nothing, it stays. False: ambiguous.
bool decode(const parameter& p, bool is_name, std::string& out) {
    out.clear();
    const auto s = p.value;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (p.quoted && s[i] == '\\' && i + 1 < s.size()) {
            if (s[i + 1] == '"' || s[i + 1] == '\\') ++i;
            else if (is_name) return false;
        } else if (p.quoted && s[i] == '%') {
            const auto code = s.substr(i, 3);
            const char c = code == "%22"                ? '"'
                           : text::iequals(code, "%0d") ? '\r'
                           : text::iequals(code, "%0a") ? '\n'
                                                        : '%';
            out += c;
            if (c != '%') i += 2;
            continue;
        }
        out += s[i];
    }
    return true;
}

bool changes_bytes(std::string_view transfer_encoding) noexcept {
    for (const std::string_view plain : {"7bit", "8bit", "binary"})
        if (text::iequals(transfer_encoding, plain)) return false;
    return true;
}

}  // namespace

std::string_view describe(multipart_error e) noexcept {
    switch (e) {
        case multipart_error::none: return "It is well formed.";
        case multipart_error::bad_boundary: return "Its boundary is none.";
        case multipart_error::unterminated: return "It ends before its last boundary.";
        case multipart_error::line_feed_only: return "A line of a head or a boundary does not end in CR LF.";
        case multipart_error::ambiguous_delimiter: return "Something in it may be taken for a boundary, or may not.";
        case multipart_error::too_many_parts: return "It has too many parts.";
        case multipart_error::head_too_long: return "The head of a part is too long.";
        case multipart_error::bad_head: return "The head of a part is not well formed.";
        case multipart_error::no_disposition: return "A part has no single Content-Disposition of form-data.";
        case multipart_error::no_name: return "A part has no name.";
        case multipart_error::ambiguous_name: return "The name of a part may be read in two ways.";
        case multipart_error::encoded: return "A part has a transfer encoding; send its bytes as they are.";
    }
    return "";
}

std::optional<std::string_view> multipart_boundary(std::string_view s) noexcept {
    s = text::trim(s);
    if (!text::iequals(take_token(s), "multipart") || !take(s, '/') || !text::iequals(take_token(s), "form-data"))
        return std::nullopt;
    std::optional<std::string_view> out;
    for (s = text::trim(s); !s.empty(); s = text::trim(s)) {
        parameter p;
        if (!take_parameter(s, p)) return std::nullopt;
        if (!text::istarts_with(p.name, "boundary")) continue;
        if (out || p.name.size() != 8 || !is_boundary(p.value)) return std::nullopt;
        out = p.value;
    }
    return out;
}

// The two as one text, without a copy.
struct multipart_scanner::joined {
    std::string_view held, in;
    std::uint64_t offset;  // of the first byte

    std::size_t size() const noexcept { return held.size() + in.size(); }
    char operator[](std::size_t i) const noexcept { return i < held.size() ? held[i] : in[i - held.size()]; }
};

multipart_scanner::multipart_scanner(std::string_view boundary, multipart_limits limits)
    : dashes_("--"), limits_(limits) {
    if (!is_boundary(boundary)) fail(multipart_error::bad_boundary, 0);
    dashes_ += boundary;
}

multipart_error multipart_scanner::feed(std::string_view in, multipart_visitor& visitor) {
    while (!in.empty() && error_ == multipart_error::none) {
        if (state_ == state::head) {
            take_head(in, visitor);
        } else if (state_ == state::delimiter) {
            take_delimiter(in.front());
            in.remove_prefix(1);
            ++offset_;
        } else {
            search(in, visitor);
        }
    }
    return error_;
}

multipart_error multipart_scanner::finish() noexcept {
    if (error_ == multipart_error::none && !final_) fail(multipart_error::unterminated, offset_);
    return error_;
}

// For the next boundary. Where it is not in the slice, as many bytes are held as one may have begun in, and the line
// end before it.
void multipart_scanner::search(std::string_view& in, multipart_visitor& visitor) {
    const std::size_t held = held_.size(), more = dashes_.size() - 1;
    const joined text{held_, in, offset_ - held};
    std::size_t from = held > more ? held - more : 0, at = nowhere;
    if (from < held) window_.assign(held_).append(in.substr(0, more));
    for (;; from = at + 1) {
        at = from < held ? bytes::find_text(std::string_view(window_).substr(from), dashes_) : nowhere;
        if (at != nowhere) {
            at += from;
        } else {
            from = std::max(from, held);
            at = bytes::find_text(in.substr(from - held), dashes_);
            if (at == nowhere) break;
            at += from;
        }
        bool is_delimiter = false;
        if (const auto e = judge(text, at, is_delimiter); e != multipart_error::none)
            return fail(e, text.offset + at);
        if (!is_delimiter) continue;
        end_of_section(text, at, visitor);
        const std::size_t taken = at + dashes_.size() - held;
        offset_ += taken;
        in.remove_prefix(taken);
        held_.clear();
        return;
    }
    const std::size_t kept = std::min(text.size(), more + 2);
    tell_value(text, text.size() - kept, visitor);
    offset_ += in.size();
    if (in.size() >= kept) {
        held_.assign(in.substr(in.size() - kept));
    } else {
        held_.erase(0, text.size() - kept);
        held_.append(in);
    }
    in = {};
}

// Whether the dashes and the boundary at `at` are a delimiter: they are where they begin a line.
multipart_error multipart_scanner::judge(const joined& text, std::size_t at, bool& is_delimiter) const noexcept {
    const bool first = text.offset + at == 0;
    const char before = at == 0 ? '\n' : text[at - 1];
    if (before != '\n' && before != '\r') return multipart_error::none;
    // Directly behind a head or behind the last boundary's line: some would take the line end there for its own.
    if (at == 0 && !first) return multipart_error::ambiguous_delimiter;
    if (!first && (before == '\r' || at == 1 || text[at - 2] != '\r')) return multipart_error::line_feed_only;
    if (state_ == state::epilogue) return multipart_error::ambiguous_delimiter;
    is_delimiter = true;
    return multipart_error::none;
}

void multipart_scanner::end_of_section(const joined& text, std::size_t at, multipart_visitor& visitor) {
    if (state_ == state::value) {
        tell_value(text, at - 2, visitor);
        visitor.on_part_end(value_, text.offset + at - 2 - value_);
    }
    state_ = state::delimiter;
    behind_ = behind::nothing;
}

// The first `size` bytes.
void multipart_scanner::tell_value(const joined& text, std::size_t size, multipart_visitor& visitor) {
    if (state_ != state::value) return;
    const std::size_t held = std::min(size, text.held.size());
    if (held != 0) visitor.on_value(text.offset, text.held.substr(0, held));
    if (size > held) visitor.on_value(text.offset + held, text.in.substr(0, size - held));
}

// What follows the boundary on its line.
void multipart_scanner::take_delimiter(char c) {
    const auto wrong =
        c == '\n' || behind_ == behind::cr ? multipart_error::line_feed_only : multipart_error::ambiguous_delimiter;
    if (c == '\n' && behind_ == behind::cr) {
        state_ = final_ ? state::epilogue : state::head;
        if (!final_ && parts_ == limits_.parts) fail(multipart_error::too_many_parts, offset_);
    } else if (c == '-' && behind_ == behind::nothing) {
        behind_ = behind::dash;
    } else if (c == '-' && behind_ == behind::dash) {
        final_ = true;
        behind_ = behind::padding;
    } else if (behind_ == behind::dash || behind_ == behind::cr) {
        fail(wrong, offset_);
    } else if (c == ' ' || c == '\t') {
        behind_ = behind::padding;
    } else if (c == '\r') {
        behind_ = behind::cr;
    } else {
        fail(wrong, offset_);
    }
}

void multipart_scanner::take_head(std::string_view& in, multipart_visitor& visitor) {
    while (!in.empty()) {
        const char c = in.front(), before = head_.empty() ? '\0' : head_.back();
        if ((c == '\n') != (before == '\r')) return fail(multipart_error::line_feed_only, offset_);
        if (head_.size() == limits_.head_bytes) return fail(multipart_error::head_too_long, offset_);
        head_ += c;
        in.remove_prefix(1);
        ++offset_;
        if (c == '\n' && (head_.size() == 2 || head_.ends_with("\n\r\n"))) return end_head(visitor);
    }
}

void multipart_scanner::end_head(multipart_visitor& visitor) {
    multipart_part part;
    part.index = parts_++;
    if (const auto e = read_head(part); e != multipart_error::none) return fail(e, offset_);
    visitor.on_part(part);
    head_.clear();
    value_ = offset_;
    state_ = state::value;
}

// All lines end in CR LF, and no CR or LF stands elsewhere.
multipart_error multipart_scanner::read_head(multipart_part& part) {
    bool disposed = false, typed = false;
    std::string_view rest = head_;
    for (; rest.size() > 2; rest.remove_prefix(rest.find('\n') + 1)) {
        auto line = rest.substr(0, rest.find('\r'));
        const char* const end = line.data() + line.size();
        if (bytes::find(line.data(), end, bytes::control{}) != end) return multipart_error::bad_head;
        const auto name = take_token(line);
        if (name.empty() || !take(line, ':')) return multipart_error::bad_head;  // a folded line, too
        const auto value = text::trim(line);
        if (text::iequals(name, "content-disposition")) {
            if (disposed) return multipart_error::no_disposition;
            disposed = true;
            if (const auto e = read_disposition(value, part); e != multipart_error::none) return e;
        } else if (text::iequals(name, "content-type")) {
            if (typed) return multipart_error::bad_head;
            typed = true;
            part.content_type = value;
        } else if (text::iequals(name, "content-transfer-encoding") && changes_bytes(value)) {
            return multipart_error::encoded;
        }
    }
    return disposed ? multipart_error::none : multipart_error::no_disposition;
}

multipart_error multipart_scanner::read_disposition(std::string_view s, multipart_part& part) {
    if (!text::iequals(take_token(s), "form-data")) return multipart_error::no_disposition;
    bool named = false;
    for (s = text::trim(s); !s.empty(); s = text::trim(s)) {
        parameter p;
        if (!take_parameter(s, p)) return multipart_error::bad_head;
        if (text::iequals(p.name, "name")) {
            if (named || !decode(p, true, name_)) return multipart_error::ambiguous_name;
            named = true;
        } else if (text::iequals(p.name, "filename")) {
            if (part.filename) return multipart_error::bad_head;
            decode(p, false, filename_);
            part.filename = filename_;
        } else if (text::istarts_with(p.name, "name*")) {
            return multipart_error::ambiguous_name;
        }
    }
    part.name = name_;
    return named ? multipart_error::none : multipart_error::no_name;
}

}  // namespace spillway::http
