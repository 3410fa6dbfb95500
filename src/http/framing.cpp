#include <spillway/http/framing.hpp>

#include <limits>

#include <spillway/base/text.hpp>

#include "bytes.hpp"

namespace spillway::http {

std::string_view describe(framing_error e) noexcept {
    switch (e) {
        case framing_error::none: return "The framing is well formed.";
        case framing_error::bad_chunk_size: return "A chunk size is not a hexadecimal number of at most 16 digits.";
        case framing_error::chunk_too_large: return "A chunk is too large; send smaller chunks.";
        case framing_error::bad_extension: return "A chunk extension holds a control character.";
        case framing_error::extension_too_long: return "A chunk extension is too long; send none.";
        case framing_error::missing_crlf: return "A chunk does not end with CRLF.";
        case framing_error::bad_trailer: return "A trailer field is malformed.";
        case framing_error::trailer_too_long: return "The trailer fields are too long; send fewer of them.";
    }
    return "";
}

body_scanner::body_scanner(body_kind kind, std::uint64_t content_length) noexcept : kind_(kind) {
    switch (kind) {
        case body_kind::none: break;
        case body_kind::length:
            left_ = content_length;
            state_ = content_length == 0 ? state::done : state::payload;
            break;
        case body_kind::chunked: state_ = state::size_start; break;
        case body_kind::until_close:
            left_ = std::numeric_limits<std::uint64_t>::max();
            state_ = state::payload;
            break;
    }
}

void body_scanner::take(std::size_t n) noexcept {
    payload_ += n;
    if (kind_ == body_kind::until_close) return;
    left_ -= n;
    if (left_ == 0) state_ = kind_ == body_kind::chunked ? state::chunk_cr : state::done;
}

bool body_scanner::fail(framing_error e) noexcept {
    error_ = e;
    state_ = state::failed;
    return false;
}

std::size_t body_scanner::frame(std::string_view bytes, std::size_t at) noexcept {
    while (at < bytes.size() && state_ != state::payload && state_ != state::done) {
        if (!step(static_cast<unsigned char>(bytes[at]))) return at;
        ++at;
        if (!trailers_) forward_ = at;
    }
    return at;
}

bool body_scanner::step(unsigned char c) noexcept {
    switch (state_) {
        case state::size_start:
            left_ = 0;
            digits_ = 0;
            state_ = state::size;
            [[fallthrough]];
        case state::size:
            if (const int v = text::hex_value(static_cast<char>(c)); v >= 0) {
                if (++digits_ > 16) return fail(framing_error::bad_chunk_size);
                left_ = left_ << 4 | static_cast<unsigned>(v);
                return true;
            }
            if (digits_ == 0) return fail(framing_error::bad_chunk_size);
            if (left_ >> 62 != 0) return fail(framing_error::chunk_too_large);
            counted_ = 0;
            if (c == '\r') state_ = state::size_lf;
            else if (c == ';') state_ = state::extension;
            else return fail(framing_error::bad_chunk_size);
            return true;
        case state::extension:
            if (c == '\r') state_ = state::size_lf;
            else if (bytes::control{}(c)) return fail(framing_error::bad_extension);
            else if (++counted_ > max_extension) return fail(framing_error::extension_too_long);
            return true;
        case state::size_lf:
            if (c != '\n') return fail(framing_error::missing_crlf);
            counted_ = 0;
            state_ = left_ == 0 ? state::last_start : state::payload;
            return true;
        case state::chunk_cr:
            if (c != '\r') return fail(framing_error::missing_crlf);
            state_ = state::chunk_lf;
            return true;
        case state::chunk_lf:
            if (c != '\n') return fail(framing_error::missing_crlf);
            state_ = state::size_start;
            return true;
        default: return step_trailer(c);
    }
}

bool body_scanner::step_trailer(unsigned char c) noexcept {
    switch (state_) {
        case state::last_start:
        case state::trailer_start:
            if (c == '\r') {
                state_ = state::last_lf;
                return true;
            }
            if (!bytes::token_table[c]) return fail(framing_error::bad_trailer);
            trailers_ = true;
            state_ = state::trailer_name;
            [[fallthrough]];
        case state::trailer_name:
            if (c == ':') state_ = state::trailer;
            else if (!bytes::token_table[c]) return fail(framing_error::bad_trailer);
            if (++counted_ > max_trailer) return fail(framing_error::trailer_too_long);
            return true;
        case state::trailer:
            if (c == '\r') state_ = state::trailer_lf;
            else if (bytes::control{}(c)) return fail(framing_error::bad_trailer);
            if (++counted_ > max_trailer) return fail(framing_error::trailer_too_long);
            return true;
        case state::trailer_lf:
            if (c != '\n') return fail(framing_error::bad_trailer);
            if (++counted_ > max_trailer) return fail(framing_error::trailer_too_long);
            state_ = state::trailer_start;
            return true;
        case state::last_lf:
            if (c != '\n') return fail(framing_error::missing_crlf);
            state_ = state::done;
            return true;
        default: return fail(framing_error::missing_crlf);
    }
}

bool body_scanner::finish() noexcept {
    if (state_ == state::payload && kind_ == body_kind::until_close) state_ = state::done;
    if (state_ != state::done) state_ = state::failed;
    return state_ == state::done;
}

std::size_t write_chunk_header(char* out, std::uint64_t n) noexcept {
    constexpr char digits[] = "0123456789abcdef";
    int shift = 60;
    while (shift > 0 && (n >> shift) == 0) shift -= 4;
    std::size_t size = 0;
    for (; shift >= 0; shift -= 4) out[size++] = digits[(n >> shift) & 15];
    out[size++] = '\r';
    out[size++] = '\n';
    return size;
}

void append_chunk_header(std::string& out, std::uint64_t n) {
    char line[max_chunk_header];
    out.append(line, write_chunk_header(line, n));
}

}  // namespace spillway::http
