#include "outbound.hpp"

namespace spillway::server {
namespace {

// Empty counts as not set, as everywhere.
std::string variable(const config::environment& env, const char* small, const char* capital) {
    auto value = env(small).value_or("");
    return value.empty() ? env(capital).value_or("") : value;
}

fault of(std::string_view where, const fault& f) {
    return {.code = f.code, .message = std::string(where) + ": " + f.message};
}

result<net::proxy_rules> from_environment(const config::environment& env) {
    net::proxy_rules out;
    const auto take = [&](const char* small, const char* capital, net::proxy_server& to) -> std::optional<fault> {
        auto url = variable(env, small, capital);
        if (url.empty()) return std::nullopt;
        auto made = net::parse_proxy(url);
        cleanse(url);
        if (!made) return of("the environment variable " + std::string(capital), made.error());
        to = std::move(*made);
        return std::nullopt;
    };
    if (auto f = take("https_proxy", "HTTPS_PROXY", out.for_https)) return *f;
    if (auto f = take("http_proxy", "HTTP_PROXY", out.for_http)) return *f;
    if (!out.for_https && !out.for_http) return out;
    if (const auto f = out.direct.add(variable(env, "no_proxy", "NO_PROXY")))
        return of("the environment variable NO_PROXY", *f);
    return out;
}

}  // namespace

result<net::proxy_rules> outbound_rules(const config::outbound& from, const config::environment& env,
                                        const secret_reader& read) {
    if (!from.proxy) return from_environment(env);
    const auto& p = *from.proxy;
    net::proxy_rules out;
    if (p.none) return out;
    auto made = net::parse_proxy(p.url);
    if (!made) return of("url", made.error());
    if (!p.user.empty()) {
        result<std::string> password;
        if (!p.password.empty()) password = read(p.password);
        if (!password) return of("password", password.error());
        made->authorization = net::basic_authorization(p.user, *password);
        cleanse(*password);
    }
    out.for_http = *made;
    out.for_https = std::move(*made);
    for (const auto& word : p.no_proxy)
        if (const auto f = out.direct.add(word)) return of("no_proxy", *f);
    return out;
}

net::proxy_server proxy_for(const net::proxy_rules& rules, const config::instance& of, const http::endpoint_url& url,
                            const net::endpoint& to) {
    if (of.proxy == config::instance_proxy::none || rules.direct.contains(url.host, url.port)) return {};
    const auto* through = rules.choose(url.tls, to.host, to.port);
    return through == nullptr ? net::proxy_server{} : *through;
}

}  // namespace spillway::server
