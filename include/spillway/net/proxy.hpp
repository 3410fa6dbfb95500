#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/secret_text.hpp>
#include <spillway/net/address.hpp>

// HTTP proxies between the gateway and the world. Every connection goes through a tunnel (CONNECT), whether TLS runs
// inside or not: so no request ever carries the proxy's credential, and a connection always leads to one server.
namespace spillway::net {

// Without a host: none.
struct proxy_server {
    std::string host;
    std::uint16_t port{0};
    secret_text authorization;  // value of Proxy-Authorization; empty: none

    explicit operator bool() const noexcept { return !host.empty(); }
    std::string to_string() const;  // host:port, for people
    friend bool operator==(const proxy_server&, const proxy_server&) = default;
};

// [http://][user[:password]@]host[:port], as environment variables spell it; user and password are percent-decoded.
// Fault: `proxy_url`, whose message never holds the text.
result<proxy_server> parse_proxy(std::string_view url);

// Basic (RFC 7617).
secret_text basic_authorization(std::string_view user, std::string_view password);

// Targets that are reached without a proxy, by the words of NO_PROXY: `*`; an address or a network; a domain with all
// below it; `.domain` or `*.domain`, which is only what lies below. Domains and addresses may end with `:port`.
class no_proxy_list {
public:
    // Takes one word or several with commas or blanks between them. Fault: `no_proxy`.
    std::optional<fault> add(std::string_view words);
    bool contains(std::string_view host, std::uint16_t port) const;

    friend bool operator==(const no_proxy_list&, const no_proxy_list&) = default;

private:
    struct word {
        std::string domain;      // small letters; empty: `range` counts
        bool only_below{false};  // not the domain itself
        network range;
        std::uint16_t port{0};  // 0: every port

        friend bool operator==(const word&, const word&) = default;
    };
    bool everything_{false};
    std::vector<word> words_;
};

// Loopback and link-local addresses, where no proxy could reach what is meant: metadata services, sidecars.
bool is_near(std::string_view host);

// Which proxy a connection goes through.
struct proxy_rules {
    proxy_server for_https, for_http;
    no_proxy_list direct;

    // Null: none.
    const proxy_server* choose(bool tls, std::string_view host, std::uint16_t port) const;
    friend bool operator==(const proxy_rules&, const proxy_rules&) = default;
};

}  // namespace spillway::net
