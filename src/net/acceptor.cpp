#include <spillway/net/acceptor.hpp>

#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace spillway::net {

namespace {

int open_socket(const address& at) noexcept {
    const int fd = ::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return fd;
}

}  // namespace

bool address_is_free(const address& at) noexcept {
    const int fd = open_socket(at);
    if (fd < 0) return false;
    const bool free = ::bind(fd, at.data(), at.size()) == 0 || errno != EADDRINUSE;
    ::close(fd);
    return free;
}

result<int> listen_on(const address& at, bool reuse_port, int backlog) {
    const auto failed = [&](int fd, const char* what) {
        std::string message = std::string(what) + " " + at.to_string() + ": " + std::strerror(errno);
        if (fd >= 0) ::close(fd);
        return fault{.code = "ListenFailed", .who = origin::gateway, .message = std::move(message)};
    };
    const int fd = open_socket(at);
    if (fd < 0) return failed(fd, "cannot open a socket for");
    const int on = 1;
    if (reuse_port) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (::bind(fd, at.data(), at.size()) != 0) return failed(fd, "cannot bind");
    if (::listen(fd, backlog) != 0) return failed(fd, "cannot listen on");
    return fd;
}

address local_address(int fd) {
    sockaddr_storage s{};
    socklen_t size = sizeof s;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&s), &size);
    return {reinterpret_cast<const sockaddr*>(&s), size};
}

acceptor::acceptor(loop& l, int listening, handler take)
    : watch_(l),
      resume_(
          [](void* self) noexcept {
              auto* a = static_cast<acceptor*>(self);
              a->paused_ = false;
              a->accept_all();
          },
          this),
      take_(std::move(take)) {
    watch_.on_idle = &acceptor::on_ready;
    watch_.idle_context = this;
    watch_.open(listening);
}

void acceptor::on_ready(watch& w) noexcept { static_cast<acceptor*>(w.idle_context)->accept_all(); }

void acceptor::pause(duration how_long) noexcept {
    paused_ = true;
    watch_.owner().wheel().schedule(resume_, watch_.owner().now() + how_long);
}

void acceptor::accept_all() noexcept {
    while (!paused_ && watch_.is_open()) {
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        const int fd =
            ::accept4(watch_.fd(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            // On a socket of IPv6 that takes IPv4, too, peers are known by the address that configurations name.
            take_(fd, address(reinterpret_cast<const sockaddr*>(&from), size).unmapped());
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EAGAIN) return;
        // No descriptors or no memory: the connection stays in the kernel's queue until somebody else is done.
        ++refused_;
        pause(milliseconds(50));
    }
}

}  // namespace spillway::net
