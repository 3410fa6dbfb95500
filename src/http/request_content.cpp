#include <spillway/http/request_content.hpp>

#include <algorithm>

#include <spillway/base/text.hpp>

#include "parameters.hpp"

namespace spillway::http {
namespace {

bool is_json(std::string_view type, std::string_view subtype) noexcept {
    constexpr std::string_view suffix = "+json";
    if (text::iequals(subtype, "json")) return text::iequals(type, "application") || text::iequals(type, "text");
    return subtype.size() > suffix.size() && text::iequals(subtype.substr(subtype.size() - suffix.size()), suffix);
}

}  // namespace

content_error check_json_type(std::string_view s) noexcept {
    using namespace parameters;
    if (s == "application/json") return content_error::none;  // what nearly every client writes
    s = text::trim(s);
    const auto type = take_token(s);
    if (type.empty() || !take(s, '/')) return content_error::malformed;
    const auto subtype = take_token(s);
    if (subtype.empty()) return content_error::malformed;
    bool has_charset = false, utf8 = true;
    for (s = text::trim(s); !s.empty(); s = text::trim(s)) {
        parameter p;
        if (!take_parameter(s, p) || p.escaped) return content_error::malformed;
        if (!text::iequals(p.name, "charset")) continue;
        utf8 =
            utf8 && !has_charset &&
            (text::iequals(p.value, "utf-8") || text::iequals(p.value, "utf8") || text::iequals(p.value, "us-ascii"));
        has_charset = true;
    }
    if (!is_json(type, subtype)) return content_error::not_json;
    return utf8 ? content_error::none : content_error::charset;
}

content_coding coding_of(std::string_view s) noexcept {
    s = text::trim(s);
    if (text::iequals(s, "identity")) return content_coding::identity;
    if (text::iequals(s, "gzip") || text::iequals(s, "x-gzip")) return content_coding::gzip;
    if (text::iequals(s, "zstd")) return content_coding::zstd;
    return content_coding::unknown;
}

}  // namespace spillway::http
