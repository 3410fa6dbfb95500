#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>

#include <spillway/base/fault.hpp>
#include <spillway/config/tree.hpp>
#include <spillway/server/file_rule.hpp>
#include <spillway/server/process.hpp>
#include <spillway/server/server.hpp>

namespace spillway::server {

// The operators' listener: the live page with its events, /status, /metrics, /config, POST /config/reload, health.
// Runs on the main thread's io_context, away from the request path.
class admin {
public:
    // `reserve`: descriptors for operators when all others are taken.
    admin(boost::asio::io_context& io, state& of, descriptor_reserve& reserve);
    ~admin();
    admin(const admin&) = delete;
    admin& operator=(const admin&) = delete;

    // Reads the keys, and listens anew when the address changes; nothing is served by it yet. A fault says what to
    // mend.
    struct prepared;
    result<std::shared_ptr<prepared>> prepare(const config::admin& from);
    void adopt(std::shared_ptr<prepared> next);
    static std::optional<fault> trouble_with_keys(const config::admin& from, file_rule files);
    void stop() noexcept;

private:
    struct listening;
    boost::asio::io_context& io_;
    state& state_;
    descriptor_reserve& reserve_;
    std::shared_ptr<listening> listening_;
};

}  // namespace spillway::server
