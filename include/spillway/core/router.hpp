#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spillway/base/random.hpp>
#include <spillway/config/traffic.hpp>
#include <spillway/http/head.hpp>

namespace spillway::core {

// A route in the form that is matched: names are resolved to indices.
struct route_rule {
    std::vector<std::size_t> clients;  // empty when all_clients
    bool all_clients{false};
    std::string deployment;                                    // exact, or a glob
    std::uint32_t operations{0};                               // bits by operation_index(); 0: all
    std::vector<std::pair<std::string, std::string>> headers;  // name to exact value or glob
    struct share {
        std::size_t pool{0};
        std::uint32_t weight{1};
    };
    std::vector<share> pools;  // one, or the parts of a split
    config::stickiness sticky{config::stickiness::none};
    std::string name;  // salt of sticky choices, so that two splits do not share their halves
};

struct route_query {
    std::size_t client{0};
    std::string_view client_name;
    std::string_view user;  // as the request gave it; may be empty
    std::size_t operation{0};
    std::string_view deployment;
};

struct route_match {
    std::size_t route{0};
    std::size_t pool{0};
};

// What a route does not have of a request.
enum class mismatch : std::uint8_t { none, client, deployment, operation, header };
struct route_miss {
    mismatch what{mismatch::none};
    std::size_t header{0};  // place in the route's headers
};

// First match wins. What is looked at depends on the routes that a client has for a name, not on how many clients or
// routes there are.
class router {
public:
    router() = default;
    router(std::vector<route_rule> rules, std::size_t clients);

    std::optional<route_match> find(const route_query& q, const http::field_table& headers,
                                    random_source& random) const;
    // For a request that names no deployment: the first of the client's routes that has the operation and a pool that
    // fits. `fits`: bool(std::size_t pool).
    std::optional<route_match> find_unnamed(const route_query& q, const http::field_table& headers,
                                            const std::function<bool(std::size_t)>& fits) const;
    // Why find() passes the route over, for people.
    route_miss misses(std::size_t route, const route_query& q, const http::field_table& headers) const noexcept;
    // Whether the client has a route for that name, whatever else the route asks of a request.
    bool reaches(std::size_t client, std::string_view deployment) const noexcept;
    // Whether any client at all has a route for that name.
    bool knows(std::string_view deployment) const noexcept;
    // The routes that a client may use, in their order.
    std::vector<std::size_t> routes_of(std::size_t client) const;
    const std::vector<route_rule>& rules() const noexcept { return rules_; }

private:
    struct name_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
    };
    struct client_index {
        std::unordered_map<std::string, std::vector<std::uint32_t>, name_hash, std::equal_to<>> exact;
        std::vector<std::uint32_t> globs;
    };
    static std::size_t share_of(const route_rule& r, const route_query& q, random_source& random) noexcept;

    std::vector<route_rule> rules_;
    std::vector<client_index> clients_;
};

}  // namespace spillway::core
