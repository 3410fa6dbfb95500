#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spillway::http {

// https://host[:port][/prefix] in its parts.
struct endpoint_url {
    bool tls{true};
    std::string host;  // without the brackets of an IPv6 address
    std::uint16_t port{443};
    std::string prefix;      // without a slash at its end
    std::string host_field;  // as the Host field wants it: with the port unless it is the usual one
};

// Nothing when it is no such URL; endpoint_trouble() then says why.
std::optional<endpoint_url> parse_endpoint_url(std::string_view url);

// What is wrong with it, in words that repeat nothing of it: a password may stand there.
struct url_trouble {
    std::string_view what, remedy;  // static storage; empty: nothing is wrong
};
url_trouble endpoint_trouble(std::string_view url) noexcept;
// The same, and whether it holds a part of the API's own path, which the gateway adds itself.
url_trouble api_endpoint_trouble(std::string_view url) noexcept;

// "host:port", "[::1]:8443", "host": the host and the port, `port` when none is named.
std::optional<std::pair<std::string, std::uint16_t>> parse_host_port(std::string_view s, std::uint16_t port);

}  // namespace spillway::http
