#pragma once

#include <cstddef>
#include <string_view>

#include <spillway/http/fields.hpp>

namespace spillway::core {

// Whether a request field of that name chooses a deployment, as x-ms-spillover-deployment does.
bool names_deployment(std::string_view name) noexcept;

// Query parameters that do.
inline constexpr std::string_view deployment_params[] = {"deployment", "deployment-id", "model"};

// Whether a field of the backend's answer is the client's. Fields that frame the message are written anew; what
// leads to the instance (Location, Link, Alt-Svc ...) or gives orders to browsers and proxies stays here.
bool relayed_to_client(http::field_id id, std::string_view name) noexcept;

// Whether a field of the backend's answer tells of its own rate limits: a client with a quota is told of that
// instead.
bool tells_rate(http::field_id id) noexcept;

// Which of the client's fields a backend gets to see: an allow-list. Credentials, front door fields, SDK telemetry,
// cookies and everything that would choose another deployment stay here. Azure refuses more than ten custom fields,
// so those that come after are dropped; one place is kept for the correlation id.
class outgoing_fields {
public:
    static constexpr std::size_t most_custom = 10;

    bool admits(http::field_id id, std::string_view name) noexcept;
    std::size_t dropped_for_number() const noexcept { return dropped_; }

private:
    bool custom() noexcept;
    std::size_t custom_{1};
    std::size_t dropped_{0};
};

}  // namespace spillway::core
