#include "redis_url.hpp"

#include <spillway/base/text.hpp>

namespace spillway::quota {
namespace {

// The text itself is not repeated: it may contain a password.
fault wrong(std::string_view what) {
    return {
        "QuotaStoreInvalid", origin::gateway, 500,
        "quotas.store: " + std::string(what) + ", write redis://[user@]host[:port][/database], or rediss:// for TLS"};
}

bool read_number(std::string_view text, std::uint64_t most, int& out) {
    const auto n = text::parse_unsigned(text);
    if (!n || *n > most) return false;
    out = static_cast<int>(*n);
    return true;
}

}  // namespace

result<redis_url> parse_redis_url(std::string_view text) {
    redis_url url;
    url.tls = text.starts_with("rediss://");
    if (!url.tls && !text.starts_with("redis://")) return wrong("no URL of Redis");
    text.remove_prefix(text.find("//") + 2);
    if (const auto slash = text.find('/'); slash != std::string_view::npos) {
        const auto database = text.substr(slash + 1);
        if (!database.empty() && !read_number(database, 65'535, url.database))
            return wrong("the database is no number");
        text = text.substr(0, slash);
    }
    if (const auto at = text.rfind('@'); at != std::string_view::npos) {
        url.user = std::string(text.substr(0, at));
        if (url.user.find(':') != std::string::npos) return wrong("a password stands in the URL");
        text.remove_prefix(at + 1);
    }
    std::string_view port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return wrong("the address has no end");
        url.host = std::string(text.substr(1, end - 1));
        port = text.substr(end + 1);
    } else {
        const auto colon = text.find(':');
        url.host = std::string(text.substr(0, colon));
        port = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
    }
    if (url.host.empty()) return wrong("there is no host");
    if (!port.empty() && (!port.starts_with(':') || !read_number(port.substr(1), 65'535, url.port) || url.port == 0))
        return wrong("the port is no number");
    return url;
}

}  // namespace spillway::quota
