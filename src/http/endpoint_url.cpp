#include <spillway/http/endpoint_url.hpp>

#include <spillway/base/text.hpp>

namespace spillway::http {

std::optional<std::pair<std::string, std::uint16_t>> parse_host_port(std::string_view s, std::uint16_t port) {
    std::string_view host = s, rest;
    if (s.substr(0, 1) == "[") {
        const auto end = s.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        host = s.substr(1, end - 1);
        rest = s.substr(end + 1);
    } else if (const auto colon = s.rfind(':'); colon != std::string_view::npos) {
        host = s.substr(0, colon);
        rest = s.substr(colon);
    }
    if (host.empty()) return std::nullopt;
    if (!rest.empty()) {
        const auto number = text::parse_unsigned(rest.substr(1));
        if (rest[0] != ':' || !number || *number == 0 || *number > 65535) return std::nullopt;
        port = static_cast<std::uint16_t>(*number);
    }
    return std::pair{std::string(host), port};
}

std::optional<endpoint_url> parse_endpoint_url(std::string_view url) {
    endpoint_url out;
    constexpr std::string_view https = "https://", http = "http://";
    if (text::istarts_with(url, https)) {
        url.remove_prefix(https.size());
    } else if (text::istarts_with(url, http)) {
        url.remove_prefix(http.size());
        out.tls = false;
    } else {
        return std::nullopt;
    }
    const auto slash = std::min(url.find('/'), url.size());
    out.prefix = url.substr(slash);
    while (!out.prefix.empty() && out.prefix.back() == '/') out.prefix.pop_back();
    const std::uint16_t usual = out.tls ? 443 : 80;
    const auto at = parse_host_port(url.substr(0, slash), usual);
    if (!at || out.prefix.find_first_of("?#") != std::string::npos) return std::nullopt;
    out.host = at->first;
    out.port = at->second;
    const bool v6 = out.host.find(':') != std::string::npos;
    out.host_field = v6 ? "[" + out.host + "]" : out.host;
    if (out.port != usual) out.host_field += ":" + std::to_string(out.port);
    return out;
}

}  // namespace spillway::http
