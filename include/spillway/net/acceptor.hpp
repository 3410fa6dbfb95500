#pragma once

#include <functional>

#include <spillway/base/fault.hpp>
#include <spillway/net/address.hpp>
#include <spillway/net/loop.hpp>

namespace spillway::net {

// A bound, listening, non-blocking socket. With `reuse_port` several workers bind the same address and the kernel
// spreads new connections over them.
result<int> listen_on(const address& at, bool reuse_port, int backlog = 4096);
// Whether nobody listens there. With SO_REUSEPORT a second gateway on the same address would not fail, but silently
// take half of the first one's connections; so the server asks before its workers share the address.
bool address_is_free(const address& at) noexcept;
// The address that a socket is bound to: the real port after asking for port 0.
address local_address(int fd);

// Accepts for one worker. `take` gets a connected non-blocking socket with TCP_NODELAY and the peer's address.
class acceptor {
public:
    using handler = std::function<void(int fd, const address& peer)>;

    // Takes ownership of the listening socket.
    acceptor(loop& l, int listening, handler take);

    // Stops accepting; what the kernel has queued is left to other listeners of the address.
    void stop() noexcept { watch_.close(); }
    // Accepts nothing for a while: out of descriptors, or at the connection limit.
    void pause(duration how_long) noexcept;

    std::uint64_t refused() const noexcept { return refused_; }

private:
    static void on_ready(watch& w) noexcept;
    void accept_all() noexcept;

    watch watch_;
    timer resume_;
    bool paused_{false};
    handler take_;
    std::uint64_t refused_{0};  // times that the kernel had no descriptor or memory for us
};

}  // namespace spillway::net
