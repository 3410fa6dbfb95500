#include <spillway/net/stream.hpp>

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include <spillway/net/tls_context.hpp>

#include "socket_bio.hpp"

namespace spillway::net {
namespace {

// What others left in this thread's queue is no failure of this connection. To look costs a quarter of clearing a
// queue that is empty already.
void forget_errors() noexcept {
    if (ERR_peek_error() != 0) ERR_clear_error();
}

// Of messages and records that TLS sends for itself, in a second. A key update is one of each; peers make one after
// millions of records, and servers send two to four tickets.
constexpr std::uint16_t most_control = 64;

}  // namespace

void stream::start_tls(SSL* ssl) {
    ssl_ = ssl;
    broken_ = truncated_ = false;
    control_ = {};
    BIO* bio = make_socket_bio(watch_);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_msg_callback(ssl_, &stream::on_tls_message);
    SSL_set_msg_callback_arg(ssl_, this);
}

// Counts what costs work and brings no byte of data. One SSL_read takes all such records that lie there, so without a
// bound a peer could hold the loop for as long as it sends them.
void stream::on_tls_message(int sent, int, int type, const void* data, std::size_t size, SSL*, void* self) noexcept {
    auto& s = *static_cast<stream*>(self);
    if (sent != 0 || !s.control_.counts) return;
    const auto first = size > 0 ? *static_cast<const unsigned char*>(data) : 0;
    switch (type) {
        case SSL3_RT_HEADER:
        case SSL3_RT_INNER_CONTENT_TYPE:  // TLS 1.3, where all records look like data from outside
            if (first != SSL3_RT_APPLICATION_DATA) s.count_control();
            return;
        case SSL3_RT_HANDSHAKE: s.count_control(); return;
        default: return;
    }
}

void stream::count_control() noexcept {
    const time_point now = watch_.owner().now();
    if (now - control_.began >= seconds(1)) {
        control_.began = now;
        control_.count = 0;
    }
    if (++control_.count <= most_control) return;
    control_.flooded = true;
    // Ends SSL_read before the next record.
    SSL_set_shutdown(ssl_, SSL_get_shutdown(ssl_) | SSL_RECEIVED_SHUTDOWN);
}

void stream::close(bool politely) noexcept {
    if (ssl_ != nullptr) {
        if (politely && !broken_ && watch_.is_open() && SSL_in_init(ssl_) == 0) {
            SSL_shutdown(ssl_);
            ERR_clear_error();
        }
        // Without this, a missing close_notify makes the session non-resumable.
        if (!broken_) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN);
        SSL_free(ssl_);
        ssl_ = nullptr;
    }
    watch_.close();
}

task<void> stream::close_lingering(time_point deadline) {
    constexpr std::size_t most = 4 * 1024 * 1024;  // a peer that sends more than this reads nothing
    if (watch_.is_open()) {
        if (ssl_ != nullptr && !broken_ && SSL_in_init(ssl_) == 0) {
            SSL_shutdown(ssl_);
            ERR_clear_error();
        }
        ::shutdown(watch_.fd(), SHUT_WR);
    }
    for (std::size_t total = 0; watch_.is_open() && total < most;) {
        thread_local char waste[16 * 1024];
        const auto n = ::recv(watch_.fd(), waste, sizeof waste, 0);
        if (n > 0) {
            total += static_cast<std::size_t>(n);
            continue;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) break;
        if (errno == EINTR) continue;
        watch_.readable = false;
        if (co_await watch_.wait_readable(deadline) != wake::ready) break;
    }
    close();
}

void stream::abort() noexcept {
    if (watch_.is_open()) {
        const linger now{1, 0};
        ::setsockopt(watch_.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    close(false);
}

io_result stream::ssl_result(int code) noexcept {
    if (control_.flooded) {
        broken_ = true;
        failure_ = "too many key updates, tickets or renegotiations";
        ERR_clear_error();
        return {io_status::failed};
    }
    switch (SSL_get_error(ssl_, code)) {
        case SSL_ERROR_WANT_READ: return {io_status::would_read};
        case SSL_ERROR_WANT_WRITE: return {io_status::would_write};
        case SSL_ERROR_ZERO_RETURN: return {io_status::closed};
        case SSL_ERROR_SYSCALL:
            broken_ = true;
            failure_ = tls_error_text();
            return {failure_.empty() && errno == 0 ? io_status::closed : io_status::failed};
        default:
            broken_ = true;
            truncated_ = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
            if (const long v = SSL_get_verify_result(ssl_); v != X509_V_OK) {
                failure_ = X509_verify_cert_error_string(v);
                ERR_clear_error();
            } else {
                failure_ = tls_error_text();
            }
            return {io_status::failed};
    }
}

io_result stream::try_read(std::span<char> into) noexcept {
    if (ssl_ != nullptr) {
        if (broken_) return {io_status::failed};  // OpenSSL says it once only
        // OpenSSL would find the same out, at the price of half a read. A polite end it tells again.
        const bool ended = (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
        if (!watch_.readable && !ended && SSL_want(ssl_) != SSL_WRITING && SSL_has_pending(ssl_) == 0)
            return {io_status::would_read};
        std::size_t got = 0;
        errno = 0;
        forget_errors();
        const int code = SSL_read_ex(ssl_, into.data(), into.size(), &got);
        if (code != 1) return ssl_result(code);
        moved_ += got;
        return {io_status::ok, got};
    }
    if (!watch_.readable) return {io_status::would_read};
    ssize_t n = 0;
    into = into.first(std::min(into.size(), most_at_once));
    do n = ::recv(watch_.fd(), into.data(), into.size(), 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        if (static_cast<std::size_t>(n) < into.size() && !watch_.hung_up) watch_.readable = false;
        moved_ += static_cast<std::size_t>(n);
        return {io_status::ok, static_cast<std::size_t>(n)};
    }
    if (n == 0) return {io_status::closed};
    if (errno == EAGAIN) {
        watch_.readable = false;
        return {io_status::would_read};
    }
    return {io_status::failed};
}

io_result stream::try_write(std::string_view from) noexcept {
    if (from.empty()) return {io_status::ok, 0};
    from = from.substr(0, most_at_once);
    if (ssl_ != nullptr) {
        std::size_t put = 0;
        errno = 0;
        forget_errors();
        const int code = SSL_write_ex(ssl_, from.data(), from.size(), &put);
        if (code == 1) {
            moved_ += put;
            return {io_status::ok, put};
        }
        const io_result r = ssl_result(code);
        return r.status == io_status::closed ? io_result{io_status::failed} : r;
    }
    ssize_t n = 0;
    do n = ::send(watch_.fd(), from.data(), from.size(), MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        moved_ += static_cast<std::size_t>(n);
        return {io_status::ok, static_cast<std::size_t>(n)};
    }
    if (errno == EAGAIN) {
        watch_.writable = false;
        return {io_status::would_write};
    }
    return {io_status::failed};
}

io_result stream::try_handshake() noexcept {
    if (ssl_ == nullptr) return {};
    errno = 0;
    forget_errors();
    const int code = SSL_do_handshake(ssl_);
    if (code == 1) {
        control_.counts = true;
        return {};
    }
    return ssl_result(code);
}

task<io_result> stream::wait_for(io_status what, time_point deadline, interrupt* by) {
    moved_ = 0;
    wake w{};
    if (what == io_status::would_write) w = co_await watch_.wait_writable(deadline, by);
    else w = co_await watch_.wait_readable(deadline, by);
    if (w == wake::timed_out) co_return io_result{io_status::timed_out};
    if (w == wake::interrupted) co_return io_result{io_status::interrupted};
    co_return io_result{};
}

task<io_result> stream::await_first_byte(time_point deadline, interrupt* by) {
    for (;;) {
        char first = 0;
        ssize_t n = 0;
        do n = ::recv(watch_.fd(), &first, 1, MSG_PEEK);
        while (n < 0 && errno == EINTR);
        if (n > 0) co_return io_result{};
        if (n == 0) co_return io_result{io_status::closed};
        if (errno != EAGAIN) co_return io_result{io_status::failed};
        watch_.readable = false;
        const io_result r = co_await wait_for(io_status::would_read, deadline, by);
        if (!r.ok()) co_return r;
    }
}

task<io_result> stream::rest(interrupt* by) {
    moved_ = 0;
    const wake w = co_await yield(watch_.owner(), by);
    co_return io_result{w == wake::interrupted ? io_status::interrupted : io_status::ok};
}

task<io_result> stream::read_some(std::span<char> into, time_point deadline, interrupt* by) {
    for (;;) {
        if (tired()) {
            const io_result rested = co_await rest(by);
            if (!rested.ok()) co_return rested;
        }
        io_result r = try_read(into);
        if (!r.waits()) co_return r;
        r = co_await wait_for(r.status, deadline, by);
        if (!r.ok()) co_return r;
    }
}

task<io_result> stream::write_all(std::string_view from, time_point deadline, interrupt* by) {
    std::size_t total = 0;
    for (;;) {
        if (tired()) {
            io_result rested = co_await rest(by);
            rested.bytes = total;
            if (!rested.ok()) co_return rested;
        }
        io_result r = try_write(from);
        if (r.ok()) {
            total += r.bytes;
            from.remove_prefix(r.bytes);
            if (from.empty()) co_return io_result{io_status::ok, total};
            continue;
        }
        if (r.waits()) r = co_await wait_for(r.status, deadline, by);
        if (!r.ok()) {
            r.bytes = total;
            co_return r;
        }
    }
}

task<io_result> stream::handshake(time_point deadline, interrupt* by) {
    for (;;) {
        // A step takes up to a few milliseconds of arithmetic. Requests that are ready go first, and of a wave of
        // new connections each round takes as many as its time for such work allows.
        io_result r = co_await rest(by);
        if (!r.ok()) co_return r;
        if (clock::now() >= deadline) co_return io_result{io_status::timed_out};
        r = try_handshake();
        if (!r.waits()) co_return r;
        r = co_await wait_for(r.status, deadline, by);
        if (!r.ok()) co_return r;
    }
}

}  // namespace spillway::net
