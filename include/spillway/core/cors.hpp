#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace spillway::core {

// Pages of which origins a browser may let read the gateway's answers. Who calls is proven by a key all the same:
// this protects the browser's user, not the gateway.
struct cors_rules {
    std::vector<std::string> origins;  // scheme://host[:port], scheme://*.domain[:port], or "*" alone
    bool credentials{false};           // a page may have the browser send cookies and certificates along
    std::string max_age;               // seconds, for which a browser may keep the answer to a preflight

    bool any() const noexcept { return origins.size() == 1 && origins.front() == "*"; }
    // `origin` as the browser sent it.
    bool admits(std::string_view origin) const noexcept;
};

// What of a preflight's Access-Control-Request-Headers may be answered as allowed: the list itself when it is one,
// else nothing.
std::string_view allowed_headers(std::string_view requested) noexcept;

}  // namespace spillway::core
