#include <spillway/identity/discovery.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include <spillway/base/text.hpp>
#include <spillway/http/endpoint_url.hpp>

#include "documents.hpp"

namespace spillway::identity {
namespace {

constexpr std::size_t longest_url = 2048;

// Hosts that publish keys for each other: those of one cloud of Entra, and Google's.
constexpr std::string_view public_cloud[] = {"login.microsoftonline.com", "login.windows.net", "login.microsoft.com",
                                             "sts.windows.net"};
constexpr std::string_view us_government[] = {"login.microsoftonline.us", "login-us.microsoftonline.com"};
constexpr std::string_view china[] = {"login.partner.microsoftonline.cn", "login.chinacloudapi.cn",
                                      "sts.chinacloudapi.cn"};
constexpr std::string_view google[] = {"accounts.google.com", "securetoken.google.com", "www.googleapis.com"};

template <std::size_t N>
bool holds_both(const std::string_view (&group)[N], std::string_view a, std::string_view b) noexcept {
    const auto holds = [&](std::string_view host) {
        return std::any_of(std::begin(group), std::end(group),
                           [&](std::string_view one) { return text::iequals(one, host); });
    };
    return holds(a) && holds(b);
}

bool belong_together(std::string_view a, std::string_view b) noexcept {
    return holds_both(public_cloud, a, b) || holds_both(us_government, a, b) || holds_both(china, a, b) ||
           holds_both(google, a, b);
}

bool may_hold_keys(const http::endpoint_url& keys, const config::token_provider& of) {
    const auto asked = http::parse_endpoint_url(of.tenant.empty() ? of.issuer : of.authority);
    // The port counts, too: on the same machine something else may listen, the gateway's own admin address say.
    if (asked && text::iequals(asked->host, keys.host) && asked->port == keys.port) return true;
    const bool usual_port = keys.port == (keys.tls ? 443 : 80);
    if (asked && usual_port && belong_together(asked->host, keys.host)) return true;
    return std::any_of(of.jwks_hosts.begin(), of.jwks_hosts.end(), [&](const std::string& listed) {
        const auto at = http::parse_host_port(listed, keys.tls ? 443 : 80);
        return at && text::iequals(at->first, keys.host) && at->second == keys.port;
    });
}

// The address without its query, which may be there and is looked at for what no request line can carry.
std::optional<http::endpoint_url> parse_keys_url(std::string_view url) {
    if (url.size() > longest_url) return std::nullopt;
    const auto visible = [](char c) { return c > 0x20 && c < 0x7F && c != '#'; };
    if (!std::all_of(url.begin(), url.end(), visible)) return std::nullopt;
    return http::parse_endpoint_url(url.substr(0, url.find('?')));
}

}  // namespace

result<discovery> read_discovery(std::string_view document, const config::token_provider& of) {
    const auto from = nlohmann::json::parse(document, nullptr, false);
    discovery out;
    if (from.is_object()) {
        out.issuer = text_of(from, "issuer");
        out.keys_url = text_of(from, "jwks_uri");
    }
    const bool right = of.tenant.empty() ? out.issuer == of.issuer : text::icontains(out.issuer, of.tenant);
    if (!right) return unusable("names another issuer");
    const auto keys = parse_keys_url(out.keys_url);
    if (!keys || (!keys->tls && !of.insecure)) return unusable("names no usable jwks_uri");
    if (!may_hold_keys(*keys, of))
        return unusable("names a jwks_uri on another host, " + keys->host_field +
                        "; if the provider publishes its keys there, list it under jwks_hosts");
    return result<discovery>(std::move(out));
}

}  // namespace spillway::identity
