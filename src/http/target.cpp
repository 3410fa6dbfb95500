#include <spillway/http/target.hpp>

#include <algorithm>
#include <cstring>

#include <spillway/base/percent.hpp>
#include <spillway/base/text.hpp>
#include <spillway/base/utf8.hpp>

namespace spillway::http {
namespace {

// What stands between two slashes, escaped ones included.
path_error check_piece(std::size_t length, std::size_t dots) noexcept {
    if (length == 0) return path_error::empty_segment;
    return length <= 2 && dots == length ? path_error::dot_segment : path_error::none;
}

// One segment without its slashes; `of_name`: it may hold escaped ones.
path_error check_segment(std::string_view s, bool of_name) noexcept {
    bool escapes = false;
    std::size_t dots = 0, length = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
        const auto c = static_cast<unsigned char>(s[i]);
        ++length;
        if (c != '%') {
            if (c <= 0x20 || c >= 0x7F || c == '\\' || c == '?' || c == '#') return path_error::bad_character;
            dots += c == '.';
            continue;
        }
        const int v = percent::escaped_byte(s, i);
        if (v < 0) return path_error::bad_escape;
        i += 2;
        if (v == '/' && of_name) {
            if (const auto e = check_piece(length - 1, dots); e != path_error::none) return e;
            length = dots = 0;
            continue;
        }
        if (v < 0x20 || v == 0x7F || v == '/' || v == '\\' || v == '%') return path_error::escaped_character;
        dots += v == '.';
        escapes = escapes || v >= 0x80;
    }
    if (const auto e = check_piece(length, dots); e != path_error::none) return e;
    if (!escapes) return path_error::none;
    // Bytes beyond ASCII have to be text, or two readers would disagree on what they say.
    char decoded[256];
    if (s.size() > sizeof decoded) return path_error::bad_escape;
    const auto text = percent::decode(s, decoded);
    return text && utf8::valid(*text) ? path_error::none : path_error::bad_escape;
}

}  // namespace

target_parts split_target(std::string_view target) noexcept {
    const auto mark = target.find('?');
    if (mark == std::string_view::npos) return {target, {}, false};
    return {target.substr(0, mark), target.substr(mark + 1), true};
}

std::string_view trim_slashes(std::string_view path) noexcept {
    if (path.starts_with("//") && !path.starts_with("///")) path.remove_prefix(1);
    if (path.size() > 1 && path.ends_with('/') && !path.ends_with("//")) path.remove_suffix(1);
    return path;
}

path_error check_path(std::string_view path, std::string_view name) noexcept {
    if (path.empty() || path.front() != '/') return path_error::not_absolute;
    const auto is_name = [name](std::string_view s) {
        return !name.empty() && s.data() >= name.data() && s.data() + s.size() <= name.data() + name.size();
    };
    std::string_view rest = path.substr(1);
    while (!rest.empty()) {
        const auto slash = std::min(rest.find('/'), rest.size());
        const auto segment = rest.substr(0, slash);
        if (const auto e = check_segment(segment, is_name(segment)); e != path_error::none) return e;
        if (slash == rest.size()) break;
        rest.remove_prefix(slash + 1);
    }
    return path_error::none;
}

std::string_view describe(path_error e) noexcept {
    switch (e) {
        case path_error::none: return "The path is well formed.";
        case path_error::not_absolute: return "The path does not begin with a slash.";
        case path_error::bad_character: return "The path holds a character that has to be percent-encoded.";
        case path_error::bad_escape: return "The path holds a malformed percent escape.";
        case path_error::escaped_character:
            return "The path holds an escaped slash, backslash, percent sign or control character.";
        case path_error::dot_segment: return "The path holds a '.' or '..' segment.";
        case path_error::empty_segment: return "The path holds two slashes in a row.";
    }
    return "";
}

bool query_cursor::next(query_param& out) noexcept {
    if (!more_) return false;
    const auto end = std::min(rest_.find('&'), rest_.size());
    out.whole = rest_.substr(0, end);
    more_ = end != rest_.size();
    rest_.remove_prefix(more_ ? end + 1 : end);
    const auto equals = out.whole.find('=');
    out.name = out.whole.substr(0, equals);
    out.value = equals == std::string_view::npos ? std::string_view{} : out.whole.substr(equals + 1);
    return true;
}

bool param_is(const query_param& p, std::string_view name) noexcept {
    std::size_t at = 0;
    for (std::size_t i = 0; i < p.name.size(); ++i, ++at) {
        char c = p.name[i];
        if (c == '%') {
            const int v = percent::escaped_byte(p.name, i);
            if (v >= 0) {
                c = static_cast<char>(v);
                i += 2;
            }
        }
        if (at >= name.size() || text::lower(c) != text::lower(name[at])) return false;
    }
    return at == name.size();
}

std::optional<std::string_view> find_param(std::string_view query, std::string_view name,
                                           std::size_t* count) noexcept {
    std::optional<std::string_view> out;
    std::size_t n = 0;
    query_param p;
    for (query_cursor c(query); c.next(p);) {
        if (!param_is(p, name)) continue;
        if (n++ == 0) out = p.value;
    }
    if (count != nullptr) *count = n;
    return out;
}

std::size_t remove_params(std::string_view query, std::span<const std::string_view> names, char* out) noexcept {
    std::size_t n = 0;
    bool first = true;
    query_param p;
    for (query_cursor c(query); c.next(p);) {
        if (std::any_of(names.begin(), names.end(), [&](std::string_view name) { return param_is(p, name); }))
            continue;
        if (!first) out[n++] = '&';
        first = false;
        // `out` may be the query's own memory, where the parameter lies at or behind this place.
        std::memmove(out + n, p.whole.data(), p.whole.size());
        n += p.whole.size();
    }
    return n;
}

std::string remove_params(std::string_view query, std::span<const std::string_view> names) {
    std::string out(query.size(), '\0');
    out.resize(remove_params(query, names, out.data()));
    return out;
}

}  // namespace spillway::http
