#include <spillway/net/acceptor.hpp>

#include <netinet/tcp.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace spillway::net {

namespace asio = boost::asio;

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

// The socket, watched by Asio: it is asked to once for each burst of connections.
class acceptor::listening : public std::enable_shared_from_this<listening> {
public:
    listening(loop& l, handler take) : loop_(l), take_(std::move(take)), socket_(l.context()) {}

    void open(int fd) {
        const auto protocol = local_address(fd).family() == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
        boost::system::error_code failed;
        socket_.assign(protocol, fd, failed);
        if (failed) {
            ::close(fd);
            throw boost::system::system_error(failed, "listening socket");
        }
        wait();
    }
    void close() noexcept {
        boost::system::error_code ignored;
        socket_.close(ignored);
    }
    void pause(duration how_long) noexcept {
        paused_ = true;
        loop_.wheel().schedule(resume_, loop_.now() + how_long);
    }
    std::uint64_t refused() const noexcept { return refused_; }

private:
    void wait() {
        if (std::exchange(waiting_, true) || !socket_.is_open()) return;
        socket_.async_wait(asio::socket_base::wait_read, [self = weak_from_this()](const boost::system::error_code&) {
            if (const auto me = self.lock()) me->on_ready();
        });
    }
    void on_ready() noexcept {
        waiting_ = false;
        accept_all();
    }
    void accept_all() noexcept;
    void go_on_later() noexcept;

    loop& loop_;
    handler take_;
    asio::ip::tcp::acceptor socket_;
    timer resume_{[](void* self) noexcept {
                      const auto me = static_cast<listening*>(self)->shared_from_this();
                      me->paused_ = false;
                      me->accept_all();
                  },
                  this};
    bool paused_{false}, waiting_{false};
    std::uint64_t refused_{0};  // times that the kernel had no descriptor or memory for us
};

// Each connection may bring a request, and begins with it at once: a burst of them goes on after the others.
void acceptor::listening::accept_all() noexcept {
    turn turn;
    while (!paused_ && socket_.is_open()) {
        if (turn.spent()) return go_on_later();
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        const int fd = ::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&from), &size,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            // On a socket of IPv6 that takes IPv4, too, peers are known by the address that configurations name.
            take_(fd, address(reinterpret_cast<const sockaddr*>(&from), size).unmapped());
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EAGAIN) return wait();
        // No descriptors or no memory: the connection stays in the kernel's queue until another one ends.
        ++refused_;
        pause(milliseconds(50));
    }
}

void acceptor::listening::go_on_later() noexcept {
    if (std::exchange(waiting_, true)) return;
    try {
        loop_.post([self = weak_from_this()] {
            if (const auto me = self.lock()) me->on_ready();
        });
    } catch (const std::exception&) {
        waiting_ = false;
        pause(milliseconds(50));
    }
}

acceptor::acceptor(loop& l, int fd, handler take) : on_(std::make_shared<listening>(l, std::move(take))) {
    on_->open(fd);
}

acceptor::~acceptor() { on_->close(); }

void acceptor::stop() noexcept { on_->close(); }

void acceptor::pause(duration how_long) noexcept { on_->pause(how_long); }

std::uint64_t acceptor::refused() const noexcept { return on_->refused(); }

}  // namespace spillway::net
