#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>

#include <spillway/proxy/snapshot.hpp>

// Counts that go on over reloads, so that connections and requests under way still count. Listeners and clients are
// in the order of their names.
namespace spillway::server {

using shared_count = std::shared_ptr<std::atomic<std::size_t>>;

// Open connections of a listener.
inline shared_count open_of(const proxy::snapshot* before, const std::string& listener) {
    if (before != nullptr)
        for (const auto& old : before->listeners)
            if (old->name == listener) return old->open;
    return std::make_shared<std::atomic<std::size_t>>(0);
}

// What the bodies of a client's requests hold.
inline shared_count body_bytes_of(const proxy::snapshot* before, const std::string& client) {
    if (before != nullptr) {
        const auto by_name = [](const proxy::client& c, const std::string& name) { return c.name < name; };
        const auto old = std::lower_bound(before->clients.begin(), before->clients.end(), client, by_name);
        if (old != before->clients.end() && old->name == client) return old->body_bytes;
    }
    return std::make_shared<std::atomic<std::size_t>>(0);
}

}  // namespace spillway::server
