#include <openssl/evp.h>

#include <algorithm>
#include <optional>

#include <spillway/base/percent.hpp>
#include <spillway/base/text.hpp>
#include <spillway/http/endpoint_url.hpp>
#include <spillway/net/proxy.hpp>

#include "cleansed_at_end.hpp"

namespace spillway::net {
namespace {

fault bad_url(std::string message) { return {.code = "proxy_url", .message = std::move(message)}; }

std::string normal_host(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    std::string out(host);
    std::transform(out.begin(), out.end(), out.begin(), text::lower);
    return out;
}

// The address that the text is; nothing for names.
std::optional<address> as_address(const std::string& host) {
    const auto a =
        host.find(':') == std::string::npos ? address::parse(host + ":0") : address::parse("[" + host + "]:0");
    if (!a || host == "localhost" || host == "*" || host.empty()) return std::nullopt;
    return *a;
}

}  // namespace

std::string proxy_server::to_string() const {
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

result<proxy_server> parse_proxy(std::string_view url) {
    constexpr std::string_view http = "http://";
    if (text::istarts_with(url, http)) url.remove_prefix(http.size());
    else if (url.find("://") != std::string_view::npos)
        return bad_url(
            "only proxies of the form http://host:port are spoken to; inside it HTTPS is protected anyway");
    proxy_server out;
    const auto slash = std::min(url.find('/'), url.size());
    if (url.find_first_not_of('/', slash) != std::string_view::npos) return bad_url("a proxy's URL has no path");
    url = url.substr(0, slash);
    if (const auto at = url.rfind('@'); at != std::string_view::npos) {
        const auto user_info = url.substr(0, at);
        const auto colon = std::min(user_info.find(':'), user_info.size());
        auto user = percent::decoded(user_info.substr(0, colon));
        auto password = percent::decoded(user_info.substr(std::min(colon + 1, user_info.size())));
        if (!user || !password) return bad_url("user or password of the proxy hold a % that begins no escape");
        const cleansed_at_end wipe_user{*user}, wipe_password{*password};
        out.authorization = basic_authorization(*user, *password);
        url.remove_prefix(at + 1);
    }
    const auto where = http::parse_host_port(url, 80);
    if (!where || where->first.find_first_of(" \t%?#@") != std::string::npos)
        return bad_url("the proxy's URL is not of the form http://host:port");
    out.host = where->first;
    out.port = where->second;
    return out;
}

secret_text basic_authorization(std::string_view user, std::string_view password) {
    std::string plain;
    plain.reserve(user.size() + 1 + password.size());
    plain.append(user).append(":").append(password);
    const cleansed_at_end wipe{plain};
    constexpr std::string_view scheme = "Basic ";
    std::string out(scheme.size() + (plain.size() + 2) / 3 * 4 + 1, '\0');
    std::copy(scheme.begin(), scheme.end(), out.begin());
    const int n =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()) + scheme.size(),
                        reinterpret_cast<const unsigned char*>(plain.data()), static_cast<int>(plain.size()));
    out.resize(scheme.size() + static_cast<std::size_t>(n));
    return secret_text(std::move(out));
}

std::optional<fault> no_proxy_list::add(std::string_view words) {
    constexpr std::string_view between = ", \t";
    for (;;) {
        const auto begin = words.find_first_not_of(between);
        if (begin == std::string_view::npos) return std::nullopt;
        words.remove_prefix(begin);
        const auto one = words.substr(0, words.find_first_of(between));
        words.remove_prefix(one.size());
        if (one == "*") {
            everything_ = true;
            continue;
        }
        const auto wrong = [&](std::string_view why) {
            return fault{.code = "no_proxy", .message = "'" + std::string(one) + "' " + std::string(why)};
        };
        if (one.find("://") != std::string_view::npos) return wrong("is a URL; write the host");
        word w;
        if (const auto range = network::parse(one)) {
            w.range = *range;
        } else if (one.find('/') != std::string_view::npos) {
            return wrong("is no network such as 10.0.0.0/8");
        } else {
            // A bare name has no port, so 0 says that none is told.
            const auto where = http::parse_host_port(one, 0);
            if (!where || where->first == "*") return wrong("is no host, address or network");
            w.port = where->second;
            std::string_view host = where->first;
            if (const auto with_port = network::parse(host)) {
                w.range = *with_port;
            } else {
                if (host.starts_with("*.")) host.remove_prefix(1);
                w.only_below = host.starts_with('.');
                if (w.only_below) host.remove_prefix(1);
                w.domain = normal_host(host);
                if (w.domain.empty() || w.domain.find('*') != std::string::npos)
                    return wrong("is no host, address or network");
            }
        }
        words_.push_back(std::move(w));
    }
}

bool no_proxy_list::contains(std::string_view host, std::uint16_t port) const {
    if (everything_) return true;
    if (words_.empty()) return false;
    const auto name = normal_host(host);
    const auto at = as_address(name);
    return std::any_of(words_.begin(), words_.end(), [&](const word& w) {
        if (w.port != 0 && w.port != port) return false;
        if (w.domain.empty()) return at && w.range.contains(*at);
        if (at) return false;
        if (name == w.domain) return !w.only_below;
        return name.size() > w.domain.size() && name.ends_with(w.domain) &&
               name[name.size() - w.domain.size() - 1] == '.';
    });
}

bool is_near(std::string_view host) {
    static const std::vector<network> near{*network::parse("127.0.0.0/8"), *network::parse("169.254.0.0/16"),
                                           *network::parse("::1"), *network::parse("fe80::/10")};
    const auto name = normal_host(host);
    if (name == "localhost" || name.ends_with(".localhost")) return true;
    const auto at = as_address(name);
    return at && std::any_of(near.begin(), near.end(), [&](const network& n) { return n.contains(*at); });
}

const proxy_server* proxy_rules::choose(bool tls, std::string_view host, std::uint16_t port) const {
    const auto& by = tls ? for_https : for_http;
    if (!by || is_near(host) || direct.contains(host, port)) return nullptr;
    return &by;
}

}  // namespace spillway::net
