#include <spillway/base/text.hpp>
#include <spillway/http/head.hpp>

#include "bytes.hpp"

namespace spillway::http {

namespace {

// A head is read behind a guard: it ends with LF, and every search below stops at a control character, so none of
// them can run past the end.
struct cursor {
    const char* p;
    const char* end;
};

bool ends_with_empty_line(std::string_view head) noexcept {
    return head.ends_with("\n\r\n") || head.ends_with("\n\n");
}

// Takes CRLF off the front; bare CR and LF are told apart from other characters.
head_error take_line_end(cursor& c, head_error otherwise) noexcept {
    if (c.end - c.p >= 2 && c.p[0] == '\r' && c.p[1] == '\n') {
        c.p += 2;
        return head_error::none;
    }
    return c.p != c.end && (*c.p == '\r' || *c.p == '\n') ? head_error::bare_line_end : otherwise;
}

head_error name_error(std::string_view name) noexcept {
    return !name.empty() && (name.back() == ' ' || name.back() == '\t') ? head_error::space_before_colon
                                                                        : head_error::bad_field_name;
}

head_error parse_field(cursor& c, field& out) noexcept {
    if (*c.p == ' ' || *c.p == '\t') return head_error::folded_field;
    const char* colon = bytes::find(c.p, c.end, bytes::colon_or_control{});
    out.name = {c.p, static_cast<std::size_t>(colon - c.p)};
    if (colon == c.end || *colon != ':')
        return colon != c.end && (*colon == '\n' || (*colon == '\r' && colon[1] != '\n')) ? head_error::bare_line_end
                                                                                          : name_error(out.name);
    out.id = identify(out.name);
    // A known name is a token by being known.
    if (out.id == field_id::unknown && !bytes::is_token(out.name)) return name_error(out.name);

    const char* value = colon + 1;
    while (*value == ' ' || *value == '\t') ++value;
    c.p = bytes::find(value, c.end, bytes::control{});
    const char* last = c.p;
    while (last > value && (last[-1] == ' ' || last[-1] == '\t')) --last;
    out.value = {value, static_cast<std::size_t>(last - value)};
    return take_line_end(c, head_error::bad_field_value);
}

// A second field of these would leave it to the reader which one counts.
head_error repeated(field_id id) noexcept {
    switch (id) {
        case field_id::content_length: return head_error::repeated_content_length;
        case field_id::transfer_encoding: return head_error::bad_transfer_encoding;
        case field_id::host: return head_error::repeated_host;
        default: return head_error::none;
    }
}

head_error parse_fields(cursor& c, const head_limits& limits, field_table& table) noexcept {
    table.clear();
    field f;
    while (c.p != c.end && *c.p != '\r' && *c.p != '\n') {
        if (const auto e = parse_field(c, f); e != head_error::none) return e;
        if (table.has(f.id))
            if (const auto e = repeated(f.id); e != head_error::none) return e;
        if (table.size() >= limits.fields || !table.add(f)) return head_error::too_many_fields;
    }
    if (const auto e = take_line_end(c, head_error::incomplete); e != head_error::none) return e;
    return c.p == c.end ? head_error::none : head_error::incomplete;
}

head_error read_connection_value(std::string_view rest, message_head& out, bool& close, bool& keep) noexcept {
    while (!rest.empty()) {
        const auto comma = rest.find(',');
        const auto option = text::trim(rest.substr(0, comma));
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
        if (option.empty()) continue;
        if (!bytes::is_token(option)) return head_error::bad_connection;
        const auto id = identify(option);
        if (text::iequals(option, "close")) close = true;
        else if (id == field_id::keep_alive) keep = true;
        else if (id == field_id::upgrade) out.connection_upgrade = true;
        else if (id == field_id::host || id == field_id::content_length || id == field_id::transfer_encoding)
            return head_error::bad_connection;
        else if ((flags_of(id) & field_flag::hop_by_hop) == 0) out.connection_lists_others = true;
    }
    return head_error::none;
}

head_error read_connection(message_head& out) noexcept {
    bool close = false, keep = false;
    out.connection_upgrade = out.connection_lists_others = false;
    if (out.fields.has(field_id::connection))
        for (const auto& f : out.fields) {
            if (f.id != field_id::connection) continue;
            if (const auto e = read_connection_value(f.value, out, close, keep); e != head_error::none) return e;
        }
    out.keep_alive = !close && (out.minor_version == 1 || keep);
    return head_error::none;
}

// Sets body and content_length from the fields; body is none when neither field is there.
head_error read_framing(message_head& out) noexcept {
    out.body = body_kind::none;
    out.content_length = 0;
    const auto* encoding = out.fields.find(field_id::transfer_encoding);
    const auto* length = out.fields.find(field_id::content_length);
    if (encoding) {
        if (length) return head_error::length_and_encoding;
        if (out.minor_version == 0) return head_error::encoding_in_http10;
        if (!text::iequals(encoding->value, "chunked")) return head_error::bad_transfer_encoding;
        out.body = body_kind::chunked;
    } else if (length) {
        const auto n = text::parse_unsigned(length->value);
        if (!n) return head_error::bad_content_length;
        out.body = body_kind::length;
        out.content_length = *n;
    }
    return head_error::none;
}

bool digit(char c) noexcept { return c >= '0' && c <= '9'; }

// "HTTP/1.x" at the front of the rest of the line.
head_error take_version(cursor& c, int& minor) noexcept {
    const auto left = static_cast<std::size_t>(c.end - c.p);
    const std::string_view v(c.p, left < 8 ? left : 8);
    if (v.size() < 8 || v.substr(0, 5) != "HTTP/" || !digit(v[5]) || v[6] != '.' || !digit(v[7]))
        return head_error::bad_version;
    if (v[5] != '1' || v[7] > '1') return head_error::unsupported_version;
    minor = v[7] - '0';
    c.p += 8;
    return head_error::none;
}

head_error take_request_line(cursor& c, const head_limits& limits, request_head& out) noexcept {
    const char* space = bytes::find(c.p, c.end, bytes::not_visible{});
    out.method = {c.p, static_cast<std::size_t>(space - c.p)};
    if (space == c.end || *space != ' ') {
        // A line of one word, or one that ends wrongly: never the end of a good line.
        c.p = space;
        const auto e = take_line_end(c, head_error::bad_start_line);
        return e == head_error::none ? head_error::bad_start_line : e;
    }
    if (out.method.size() > 32 || !bytes::is_token(out.method)) return head_error::bad_method;
    if (out.method == "PRI") return head_error::http2_preface;
    if (out.method == "CONNECT" || out.method == "TRACE") return head_error::unsupported_method;

    const char* target = space + 1;
    c.p = bytes::find(target, c.end, bytes::not_visible{});
    out.target = {target, static_cast<std::size_t>(c.p - target)};
    if (c.p == c.end || *c.p != ' ') {
        if (*c.p == '\r' || *c.p == '\n') return head_error::bad_start_line;
        return head_error::bad_target;
    }
    if (out.target.empty()) return head_error::bad_start_line;
    if (out.target.size() > limits.target) return head_error::target_too_long;
    if (out.target.find('#') != std::string_view::npos) return head_error::bad_target;
    ++c.p;
    if (const auto e = take_version(c, out.minor_version); e != head_error::none) return e;
    return take_line_end(c, head_error::bad_version);
}

// host or [address], each with an optional port.
bool good_host(std::string_view host) noexcept {
    if (host.empty() || host.size() > 260) return false;
    std::size_t name = 0;
    if (host.front() == '[') {
        name = host.find(']');
        if (name == std::string_view::npos || name < 3) return false;
        for (const char ch : host.substr(1, name - 1))
            if (text::hex_value(ch) < 0 && ch != ':' && ch != '.') return false;
        ++name;
    } else {
        constexpr std::string_view others = "-._~!$&'()*+;=%";
        while (name < host.size() && host[name] != ':') {
            const char ch = text::lower(host[name]);
            if (!digit(ch) && !(ch >= 'a' && ch <= 'z') && others.find(ch) == std::string_view::npos) return false;
            ++name;
        }
        if (name == 0) return false;
    }
    if (name == host.size()) return true;
    if (host[name] != ':' || host.size() - name > 6) return false;
    for (const char ch : host.substr(name + 1))
        if (!digit(ch)) return false;
    return true;
}

head_error read_host(request_head& out) noexcept {
    out.host = {};
    const auto* host = out.fields.find(field_id::host);
    if (!host) return out.minor_version == 0 ? head_error::none : head_error::missing_host;
    if (!good_host(host->value)) return head_error::bad_host;
    out.host = host->value;
    return head_error::none;
}

// An absolute URL that agrees with Host is cut down to its path; every other form than "/..." is refused.
head_error normalise_target(request_head& out) noexcept {
    if (out.target.front() == '/') return head_error::none;
    std::size_t scheme = 0;
    if (text::istarts_with(out.target, "http://")) scheme = 7;
    else if (text::istarts_with(out.target, "https://")) scheme = 8;
    else return head_error::target_form;
    const auto rest = out.target.substr(scheme);
    const auto slash = rest.find('/');
    const auto authority = rest.substr(0, slash);
    if (out.host.empty() || !text::iequals(authority, out.host)) return head_error::target_form;
    out.target = slash == std::string_view::npos ? std::string_view("/") : rest.substr(slash);
    return head_error::none;
}

head_error read_expect(request_head& out) noexcept {
    out.expect_continue = false;
    // HTTP/1.0 knows no interim answers, so its Expect is to be ignored.
    if (out.minor_version == 0 || !out.fields.has(field_id::expect)) return head_error::none;
    for (const auto& f : out.fields)
        if (f.id == field_id::expect && !text::iequals(f.value, "100-continue")) return head_error::bad_expect;
    out.expect_continue = out.body != body_kind::none;
    return head_error::none;
}

head_error take_status_line(cursor& c, response_head& out) noexcept {
    if (const auto e = take_version(c, out.minor_version); e != head_error::none) return e;
    if (c.end - c.p < 6 || c.p[0] != ' ' || !digit(c.p[1]) || !digit(c.p[2]) || !digit(c.p[3]) || c.p[1] == '0')
        return head_error::bad_status;
    out.status = (c.p[1] - '0') * 100 + (c.p[2] - '0') * 10 + (c.p[3] - '0');
    c.p += 4;
    out.reason = {};
    if (*c.p == ' ') {
        const char* reason = c.p + 1;
        c.p = bytes::find(reason, c.end, bytes::control{});
        out.reason = {reason, static_cast<std::size_t>(c.p - reason)};
    }
    return take_line_end(c, head_error::bad_status);
}

void settle_response_body(bool answers_head, response_head& out) noexcept {
    const bool never = out.status < 200 || out.status == 204;
    if (never || answers_head || out.status == 304) {
        // A peer that announces a body where none can be may well send one: its connection is not used again.
        const bool announced = out.body == body_kind::chunked || out.content_length != 0;
        if (never && announced) out.keep_alive = false;
        out.body = body_kind::none;
    } else if (out.body == body_kind::none) {
        out.body = body_kind::until_close;
        out.keep_alive = false;
    }
}

}  // namespace

head_error parse_request(std::string_view head, const head_limits& limits, request_head& out) noexcept {
    if (head.size() > limits.bytes) return head_error::too_large;
    if (!ends_with_empty_line(head)) return head_error::incomplete;
    for (int i = 0; i < 2 && head.starts_with("\r\n"); ++i) head.remove_prefix(2);
    cursor c{head.data(), head.data() + head.size()};
    auto e = take_request_line(c, limits, out);
    if (e == head_error::none) e = parse_fields(c, limits, out.fields);
    if (e == head_error::none) e = read_connection(out);
    if (e == head_error::none) e = read_framing(out);
    if (e == head_error::none) e = read_host(out);
    if (e == head_error::none) e = normalise_target(out);
    if (e == head_error::none) e = read_expect(out);
    return e;
}

head_error parse_response(std::string_view head, const head_limits& limits, bool answers_head,
                          response_head& out) noexcept {
    if (head.size() > limits.bytes) return head_error::too_large;
    if (!ends_with_empty_line(head)) return head_error::incomplete;
    cursor c{head.data(), head.data() + head.size()};
    auto e = take_status_line(c, out);
    if (e == head_error::none) e = parse_fields(c, limits, out.fields);
    if (e == head_error::none) e = read_connection(out);
    if (e == head_error::none) e = read_framing(out);
    if (e == head_error::none) settle_response_body(answers_head, out);
    return e;
}

}  // namespace spillway::http
