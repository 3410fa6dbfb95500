#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <spillway/config/tree.hpp>
#include <spillway/proxy/snapshot.hpp>

namespace spillway::server {

// The sockets of listeners that are new in a configuration, open but not yet with the workers. Closed unless they are
// handed over.
class listener_sockets {
public:
    struct one {
        std::string listener;
        std::vector<int> fds;  // one a worker
    };

    listener_sockets() = default;
    ~listener_sockets() { close(); }
    listener_sockets(const listener_sockets&) = delete;
    listener_sockets& operator=(const listener_sockets&) = delete;
    listener_sockets(listener_sockets&& other) noexcept { opened_.swap(other.opened_); }
    listener_sockets& operator=(listener_sockets&& other) noexcept {
        opened_.swap(other.opened_);
        return *this;
    }

    // `listening`: name@address of those that accept already. False: an issue says why.
    bool open(const proxy::snapshot& next, const config::tree& tree, const std::set<std::string>& listening,
              std::size_t workers, std::vector<config::issue>& issues);
    std::map<std::string, one> hand_over() { return std::exchange(opened_, {}); }  // by name@address

private:
    void close() noexcept;
    std::map<std::string, one> opened_;
};

}  // namespace spillway::server
