#pragma once

#include <string>
#include <string_view>

#include <spillway/base/fault.hpp>

namespace spillway::quota {

// redis[s]://[user@]host[:port][/database]; an IPv6 address stands in brackets. A password has no place in it.
struct redis_url {
    std::string user, host;
    int port{6379};
    int database{0};
    bool tls{false};  // rediss

    std::string name() const { return host + ':' + std::to_string(port); }  // for people
};
result<redis_url> parse_redis_url(std::string_view text);

}  // namespace spillway::quota
