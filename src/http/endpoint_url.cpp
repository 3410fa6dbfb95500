#include <spillway/http/endpoint_url.hpp>

#include <algorithm>

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

namespace {

constexpr std::string_view https = "https://", http = "http://";

bool any_of(std::string_view s, bool (*is)(unsigned char)) noexcept {
    return std::any_of(s.begin(), s.end(), [=](char c) { return is(static_cast<unsigned char>(c)); });
}

// What no request line and no Host field can carry as it stands.
bool needs_encoding(unsigned char c) noexcept {
    return c <= 0x20 || c >= 0x7F || c == '"' || c == '<' || c == '>' || c == '\\' || c == '^' || c == '`' ||
           c == '{' || c == '|' || c == '}';
}

bool is_host_byte(unsigned char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
           c == '_';
}

// Of a host without the brackets of an IPv6 address, whose zone may follow a %.
bool is_host(std::string_view host, bool bracketed) noexcept {
    if (host.empty()) return false;
    return std::all_of(host.begin(), host.end(), [=](char c) {
        return is_host_byte(static_cast<unsigned char>(c)) || (bracketed && (c == ':' || c == '%'));
    });
}

}  // namespace

url_trouble endpoint_trouble(std::string_view url) noexcept {
    if (url.empty()) return {"there is no endpoint", "write https://host[:port][/prefix]"};
    if (url.front() == ' ' || url.back() == ' ') return {"a blank stands at an end of the URL", "take it away"};
    const bool tls = text::istarts_with(url, https);
    if (!tls && !text::istarts_with(url, http))
        return {"the endpoint is no URL", "write https://host[:port][/prefix]"};
    url.remove_prefix(tls ? https.size() : http.size());
    const auto authority = url.substr(0, url.find_first_of("/?#"));
    if (authority.find('@') != std::string_view::npos)
        return {"a user name or password stands in the URL, where logs would show it",
                "take it out; what proves the gateway belongs under credentials"};
    if (url.find('?') != std::string_view::npos)
        return {"the endpoint has a query", "end it before the ?; an api-version belongs into api_version"};
    if (url.find('#') != std::string_view::npos) return {"the endpoint has a fragment", "end it before the #"};
    if (any_of(url, needs_encoding))
        return {"the URL holds a character that no request can carry",
                "write plain ASCII, a name as xn--..., others as %XX"};
    const auto at = parse_host_port(authority, tls ? 443 : 80);
    if (!at) return {"the URL has no host, or a port that is none", "write https://host[:port][/prefix]"};
    if (!is_host(at->first, authority.starts_with('[')))
        return {"the host's name has characters that no name has", "write letters, digits, - and ."};
    return {};
}

url_trouble api_endpoint_trouble(std::string_view url) noexcept {
    if (const auto t = endpoint_trouble(url); !t.what.empty()) return t;
    const auto slash = url.find('/', url.find("://") + 3);
    auto prefix = slash == std::string_view::npos ? std::string_view{} : url.substr(slash);
    while (prefix.ends_with('/')) prefix.remove_suffix(1);
    constexpr std::string_view ends[] = {"/openai",      "/openai/v1",         "/models", "/embeddings", "/responses",
                                         "/completions", "/openai/deployments"};
    const bool api = std::any_of(std::begin(ends), std::end(ends), [&](auto e) { return prefix.ends_with(e); }) ||
                     prefix.find("/openai/deployments/") != std::string_view::npos;
    if (api)
        return {"the endpoint holds a part of the API's path, which the gateway adds itself",
                "end it before /openai (or /models): https://NAME.openai.azure.com"};
    return {};
}

std::optional<endpoint_url> parse_endpoint_url(std::string_view url) {
    if (!endpoint_trouble(url).what.empty()) return std::nullopt;
    endpoint_url out;
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
