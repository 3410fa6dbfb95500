#include <spillway/http/head.hpp>

#include <iterator>

namespace spillway::http {

namespace {

struct error_info {
    int status;
    std::string_view name, text;
};

// In the order of head_error.
constexpr error_info errors[] = {
    {200, "none", "The head is well formed."},
    {400, "incomplete", "The head does not end with an empty line; send CRLF CRLF after the last field."},
    {431, "too_large", "The request head is too large; send fewer or shorter header fields."},
    {431, "too_many_fields", "There are too many header fields; send fewer of them."},
    {414, "target_too_long", "The request target is too long; shorten the URL."},
    {400, "bad_start_line", "The start line is malformed; send METHOD SP TARGET SP HTTP/1.1."},
    {400, "bad_method", "The method is not a token; send a method such as GET or POST."},
    {501, "unsupported_method", "CONNECT and TRACE are not served here; use another method."},
    {400, "bad_target", "The request target holds a forbidden character; percent-encode it and send no fragment."},
    {400, "target_form", "Send the request target as an absolute path, or as a URL that agrees with Host."},
    {400, "bad_version", "The protocol version is malformed; send HTTP/1.1."},
    {505, "unsupported_version", "This protocol version is not served here; use HTTP/1.1."},
    {505, "http2_preface", "HTTP/2 is not served on this listener; use HTTP/1.1."},
    {400, "bad_status", "The status line is malformed."},
    {400, "bare_line_end", "A line ends with CR or LF alone; end every line of the head with CRLF."},
    {400, "folded_field", "A header field is folded over lines; send it in one line."},
    {400, "bad_field_name", "A header field name is empty or holds a forbidden character; send a token."},
    {400, "space_before_colon", "There is a blank before the colon of a header field; remove it."},
    {400, "bad_field_value", "A header field value holds a control character; remove it."},
    {400, "missing_host", "The Host header field is missing; send exactly one."},
    {400, "repeated_host", "There is more than one Host header field; send exactly one."},
    {400, "bad_host", "The Host header field is malformed; send a host name with an optional port."},
    {400, "bad_content_length", "Content-Length is malformed; send one number in decimal digits."},
    {400, "repeated_content_length", "There is more than one Content-Length header field; send one."},
    {400, "length_and_encoding", "Content-Length and Transfer-Encoding exclude each other; send one of them."},
    {501, "bad_transfer_encoding", "This Transfer-Encoding is not served here; send `chunked` alone, once."},
    {400, "encoding_in_http10", "HTTP/1.0 knows no Transfer-Encoding; send Content-Length or use HTTP/1.1."},
    {400, "bad_connection", "Connection is malformed or names a field that every recipient needs; remove it."},
    {417, "bad_expect", "Only `Expect: 100-continue` is served here; remove the field or send that."},
};
static_assert(std::size(errors) == static_cast<std::size_t>(head_error::bad_expect) + 1);

const error_info& info_of(head_error e) noexcept { return errors[static_cast<std::size_t>(e)]; }

// Leading CRLFs that RFC 9112 2.2 wants forgiven, two at most.
std::size_t leading_empty_lines(std::string_view buffer) noexcept {
    std::size_t n = 0;
    while (n < 4 && buffer.substr(n, 2) == "\r\n") n += 2;
    return n;
}

}  // namespace

int status_of(head_error e) noexcept { return info_of(e).status; }
std::string_view describe(head_error e) noexcept { return info_of(e).text; }
std::string_view name_of(head_error e) noexcept { return info_of(e).name; }

const field* field_table::find(std::string_view name) const noexcept {
    const auto id = identify(name);
    if (id != field_id::unknown) return find(id);
    for (const auto& f : *this)
        if (f.id == field_id::unknown && text::iequals(f.name, name)) return &f;
    return nullptr;
}

std::size_t field_table::count(field_id id) const noexcept {
    std::size_t n = 0;
    for (const auto& f : *this) n += f.id == id;
    return n;
}

std::size_t find_head_end(std::string_view buffer, std::size_t from) noexcept {
    const std::size_t start = leading_empty_lines(buffer);
    const auto empty_line = [&](std::size_t at) -> std::size_t {
        if (at < buffer.size() && buffer[at] == '\n') return at + 1;
        if (at + 1 < buffer.size() && buffer[at] == '\r' && buffer[at + 1] == '\n') return at + 2;
        return npos;
    };
    if (const auto end = empty_line(start); end != npos) return end;
    // A line end within the last two bytes may have been waiting for its successor.
    std::size_t at = from > 2 ? from - 2 : 0;
    if (at < start) at = start;
    while (at < buffer.size()) {
        const auto* lf = static_cast<const char*>(std::memchr(buffer.data() + at, '\n', buffer.size() - at));
        if (lf == nullptr) return npos;
        at = static_cast<std::size_t>(lf - buffer.data()) + 1;
        if (const auto end = empty_line(at); end != npos) return end;
    }
    return npos;
}

head_error oversize_error(std::string_view partial) noexcept {
    partial.remove_prefix(leading_empty_lines(partial));
    return partial.find('\n') == std::string_view::npos ? head_error::target_too_long : head_error::too_large;
}

bool message_head::connection_names(std::string_view name) const noexcept {
    for (const auto& f : fields) {
        if (f.id != field_id::connection) continue;
        for (std::string_view rest = f.value; !rest.empty();) {
            const auto comma = rest.find(',');
            if (text::iequals(text::trim(rest.substr(0, comma)), name)) return true;
            if (comma == std::string_view::npos) break;
            rest.remove_prefix(comma + 1);
        }
    }
    return false;
}

}  // namespace spillway::http
