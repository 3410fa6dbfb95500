#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <spillway/net/loop.hpp>
#include <spillway/net/task.hpp>

namespace spillway::net {

// How one non-blocking step on a stream ended.
enum class io_status : std::uint8_t {
    ok,           // `bytes` were moved
    would_read,   // wait until the descriptor is readable, then repeat
    would_write,  // wait until it is writable, then repeat
    closed,       // the peer ended its side (reads), or the connection is gone (writes)
    failed,       // reset, TLS violation
    timed_out,
    interrupted,
};

struct io_result {
    io_status status{io_status::ok};
    std::size_t bytes{0};
    bool ok() const noexcept { return status == io_status::ok; }
    bool waits() const noexcept { return status == io_status::would_read || status == io_status::would_write; }
};

// A TCP connection, with TLS or without. TLS works on the socket itself and goes by readiness: no memory buffers in
// between, no copy, and an idle stream holds no record buffer.
class stream {
public:
    explicit stream(loop& l) noexcept : watch_(l) {}
    ~stream() { close(); }

    // Takes a connected or connecting non-blocking socket.
    void open(int fd) { watch_.open(fd); }
    // From here on the stream speaks TLS. `ssl` is owned; its role (accept or connect state) is already set.
    void start_tls(SSL* ssl);
    // Closes without ceremony; sends TLS's close_notify first when `politely` and possible at once.
    void close(bool politely = false) noexcept;
    // Ends our side, then reads and forgets what the peer still sends, until it has closed or the deadline passes: a
    // close with unread bytes would reset the connection, and the peer might never see our last answer.
    task<void> close_lingering(time_point deadline);
    // Makes the peer see a reset rather than a clean end: for answers that broke off.
    void abort() noexcept;

    bool is_open() const noexcept { return watch_.is_open(); }
    int fd() const noexcept { return watch_.fd(); }
    SSL* ssl() const noexcept { return ssl_; }
    watch& events() noexcept { return watch_; }

    // One non-blocking step each.
    io_result try_read(std::span<char> into) noexcept;
    io_result try_write(std::string_view from) noexcept;
    io_result try_handshake() noexcept;
    // Bytes that TLS has already taken from the socket.
    bool buffered() const noexcept { return ssl_ != nullptr && SSL_has_pending(ssl_) != 0; }

    // Waits for what a step asked for.
    task<io_result> wait_for(io_status what, time_point deadline, interrupt* by);
    // For loops over try_read and try_write: true when so much has been moved without a wait that others have to have
    // their turn first, see rest().
    bool tired() const noexcept { return moved_ >= most_in_a_turn; }
    // Lets others go first. Not ok: interrupted.
    task<io_result> rest(interrupt* by);

    // Until the peer has said something; TLS needs memory from then on alone.
    task<io_result> await_first_byte(time_point deadline, interrupt* by);
    // Whole operations, under a deadline. However fast the peer is, they leave the loop to others in between.
    task<io_result> read_some(std::span<char> into, time_point deadline, interrupt* by = nullptr);
    task<io_result> write_all(std::string_view from, time_point deadline, interrupt* by = nullptr);
    task<io_result> handshake(time_point deadline, interrupt* by = nullptr);

    // Ends the session of a failed TLS step for the log: reason of the last failure, never a secret.
    const std::string& failure() const noexcept { return failure_; }
    // The last read failed since the connection ended without TLS's close_notify: what came may be cut short.
    bool truncated() const noexcept { return truncated_; }
    // The peer was cut off since it sent key updates, tickets or renegotiations without end.
    bool flooded() const noexcept { return control_.flooded; }

private:
    // More bytes than this without a wait are more than one turn of the loop may take.
    static constexpr std::size_t most_in_a_turn = 128 * 1024;
    // One system call may move so much: it copies, and the kernel finds a page for each four kilobytes.
    static constexpr std::size_t most_at_once = 64 * 1024;

    io_result ssl_result(int code) noexcept;
    static void on_tls_message(int sent, int version, int type, const void* data, std::size_t size, SSL* ssl,
                               void* self) noexcept;
    void count_control() noexcept;

    watch watch_;
    SSL* ssl_{nullptr};
    bool broken_{false};  // after a TLS failure OpenSSL forbids SSL_shutdown
    bool truncated_{false};
    // What TLS says for itself after its handshake: KeyUpdate, NewSessionTicket, HelloRequest, warnings.
    struct {
        time_point began{};
        std::uint16_t count{0};  // since then
        bool counts{false};      // the handshake is over
        bool flooded{false};
    } control_;
    std::size_t moved_{0};  // bytes since the last wait
    std::string failure_;
};

}  // namespace spillway::net
