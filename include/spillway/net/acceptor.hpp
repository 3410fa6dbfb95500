#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <spillway/base/fault.hpp>
#include <spillway/net/address.hpp>
#include <spillway/net/loop.hpp>

namespace spillway::net {

// A bound, listening, non-blocking socket. With `reuse_port` several workers bind the same address and the kernel
// spreads new connections over them.
result<int> listen_on(const address& at, bool reuse_port, int backlog = 4096);
// Whether no socket listens there. With SO_REUSEPORT a second gateway on this address would not fail, but silently
// take half of the first one's connections; so the server asks before its workers share the address.
bool address_is_free(const address& at) noexcept;
// The address that a socket is bound to: the real port after asking for port 0.
address local_address(int fd);

// Accepts for one worker. `take` gets a connected non-blocking socket with TCP_NODELAY and the peer's address; it may
// destroy the acceptor.
class acceptor {
public:
    using handler = std::function<void(int fd, const address& peer)>;

    // Takes ownership of the listening socket.
    acceptor(loop& l, int listening, handler take);
    ~acceptor();
    acceptor(const acceptor&) = delete;
    acceptor& operator=(const acceptor&) = delete;

    // Stops accepting; what the kernel has queued is left to other listeners of the address.
    void stop() noexcept;
    // Accepts nothing for a while: out of descriptors, or at the connection limit.
    void pause(duration how_long) noexcept;

    std::uint64_t refused() const noexcept;

private:
    class listening;
    std::shared_ptr<listening> on_;  // the waiting coroutine sees by it that this object is gone
};

}  // namespace spillway::net
