#pragma once

#include <cstddef>
#include <string_view>

#include <spillway/config/traffic.hpp>
#include <spillway/http/fields.hpp>

namespace spillway::core {

// Whether a name, of a header, a parameter or a member, speaks of deployments.
bool speaks_of_deployments(std::string_view name) noexcept;

// Whether a request field of that name chooses a deployment, as x-ms-spillover-deployment does: of those that Azure
// reads, all that speak of a deployment, a model or an engine.
bool names_deployment(std::string_view name) noexcept;

// Whether a query parameter of that name does; percent-encoded, as spelled.
bool param_names_deployment(std::string_view raw_name) noexcept;

// Whether a field of the backend's answer is the client's. Fields that frame the message are written anew; what
// leads to the instance (Location, Link, Alt-Svc ...) or gives orders to browsers and proxies stays here.
bool relayed_to_client(http::field_id id, std::string_view name) noexcept;

// Whether a field of the backend's answer tells of its own rate limits: a client with a quota is told of that
// instead.
bool tells_rate(http::field_id id) noexcept;

// Which of the client's fields a backend gets to see: an allow-list. Credentials, front door fields, SDK telemetry,
// cookies, the coding of a body (which goes out decoded) and everything that would choose another deployment stay
// here. Azure refuses more than ten custom fields, so those that come after are dropped; one place is kept for the
// correlation id. An instance of kind openai gets none of Azure's own fields.
class outgoing_fields {
public:
    static constexpr std::size_t most_custom = 10;

    explicit outgoing_fields(config::instance_kind to = config::instance_kind::azure) noexcept
        : azure_(to == config::instance_kind::azure) {}
    bool admits(http::field_id id, std::string_view name) noexcept;
    std::size_t dropped_for_number() const noexcept { return dropped_; }

private:
    bool custom() noexcept;
    bool azure_;
    std::size_t custom_{1};
    std::size_t dropped_{0};
};

}  // namespace spillway::core
