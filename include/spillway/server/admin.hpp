#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>

#include <spillway/base/fault.hpp>
#include <spillway/config/tree.hpp>
#include <spillway/server/server.hpp>

namespace spillway::server {

// The operators' listener: the live page with its events, /status, /metrics, /config, POST /config/reload, health.
// Runs on the main thread's io_context, away from the request path.
class admin {
public:
    admin(boost::asio::io_context& io, state& of);
    ~admin();
    admin(const admin&) = delete;
    admin& operator=(const admin&) = delete;

    // Takes address and keys; listens anew when the address changed. A fault says what to mend; what ran before
    // stays.
    std::optional<fault> configure(const config::admin& from);
    void stop() noexcept;

private:
    struct listening;
    boost::asio::io_context& io_;
    state& state_;
    std::shared_ptr<listening> listening_;
};

}  // namespace spillway::server
