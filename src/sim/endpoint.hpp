#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include <spillway/net/acceptor.hpp>
#include <spillway/net/tls_context.hpp>

#include "simulation.hpp"

namespace spillway::sim {

// The listening address of one instance and its connections.
class endpoint {
public:
    endpoint(simulation& all, instance& at, net::ssl_ctx_ptr tls) : all_(all), at_(at), tls_(std::move(tls)) {}

    // Binds the address; the port stays the same for the life of the process, also when a fault closes it meanwhile.
    result<void> open();
    // Faults came or went: listens or not, and lets waiting connections look again.
    void faults_changed();

private:
    result<void> listen();
    void accept(int fd);
    net::task<> serve(int fd, std::uint64_t number);

    simulation& all_;
    instance& at_;
    net::ssl_ctx_ptr tls_;
    net::address bound_;
    std::unique_ptr<net::acceptor> accepting_;
    std::unordered_map<std::uint64_t, std::unique_ptr<net::interrupt>> sessions_;  // fired when faults change
    std::uint64_t last_session_{0};
};

}  // namespace spillway::sim
