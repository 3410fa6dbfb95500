#include "listener_sockets.hpp"

#include <unistd.h>

#include <algorithm>

#include <spillway/net/acceptor.hpp>

namespace spillway::server {

bool listener_sockets::open(const proxy::snapshot& next, const config::tree& tree,
                            const std::set<std::string>& listening, std::size_t workers,
                            std::vector<config::issue>& issues) {
    const auto fail = [&](const std::string& name, const std::string& what) {
        issues.push_back(tree.source.make(config::severity::error, "listeners." + name + ".address", what,
                                          "choose another address, or end the process that uses it"));
        return false;
    };
    for (const auto& l : next.listeners) {
        const std::string address = l->at.to_string(), key = l->name + "@" + address;
        if (listening.contains(key)) continue;
        const bool ours = std::any_of(listening.begin(), listening.end(),
                                      [&](const std::string& k) { return k.ends_with("@" + address); });
        if (!ours && !net::address_is_free(l->at)) return fail(l->name, address + " is in use by another process");
        auto& sockets = opened_[key];
        sockets.listener = l->name;
        for (std::size_t i = 0; i < workers; ++i) {
            const auto fd = net::listen_on(l->at, true);
            if (!fd) return fail(l->name, fd.error().message);
            sockets.fds.push_back(*fd);
        }
    }
    return true;
}

void listener_sockets::close() noexcept {
    for (const auto& [key, sockets] : opened_)
        for (const int fd : sockets.fds) ::close(fd);
    opened_.clear();
}

}  // namespace spillway::server
