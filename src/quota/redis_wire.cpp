#include "redis_wire.hpp"

#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <spillway/base/secret_text.hpp>
#include <spillway/net/peer_name.hpp>
#include <spillway/net/tls_context.hpp>

namespace spillway::quota {
namespace {

constexpr std::size_t most_bytes_at_once = 16 * 1024;
constexpr std::size_t most_kept = 256 * 1024;  // of the memory for commands

timeval as_timeval(duration d) noexcept {
    const auto us = std::chrono::duration_cast<microseconds>(d).count();
    return {us / 1'000'000, us % 1'000'000};
}

}  // namespace

void redis_wire::ssl_free::operator()(SSL* s) const noexcept {
    // No close_notify: Redis needs none, and on a broken connection it would raise SIGPIPE.
    SSL_set_quiet_shutdown(s, 1);
    SSL_free(s);
    ERR_clear_error();
}

void redis_wire::close() noexcept {
    ssl_.reset();
    context_.reset();
    reader_.clear();
    wipe();
}

bool redis_wire::fail(std::string what) {
    error_ = std::move(what);
    close();
    return false;
}

bool redis_wire::open(const redis_url& to) {
    close();
    context_.reset(::redisConnectWithTimeout(to.host.c_str(), to.port, as_timeval(patience_)));
    if (!context_) return fail("no memory for a connection");
    if (context_->err != 0) return fail(context_->errstr);
    if (::redisSetTimeout(context_.get(), as_timeval(patience_)) != REDIS_OK) return fail("no timeout can be set");
    ::redisEnableKeepAlive(context_.get());
    return tls_ == nullptr || handshake(to);
}

bool redis_wire::handshake(const redis_url& to) {
    ssl_.reset(SSL_new(tls_));
    if (!ssl_) return fail("no memory for TLS");
    SSL* const ssl = ssl_.get();
    // The context offers HTTP to instances; a front that looks at it would send this elsewhere.
    if (!net::expect_peer(ssl, to.host) || SSL_set_alpn_protos(ssl, nullptr, 0) != 0 ||
        SSL_set_fd(ssl, context_->fd) != 1)
        return fail("no memory for TLS");
    int got = 0;
    do {
        ERR_clear_error();
        errno = 0;
        got = SSL_connect(ssl);
    } while (got != 1 && again(got));
    if (got == 1) return true;
    const long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK)
        return fail(std::string("TLS: its certificate is refused: ") + X509_verify_cert_error_string(verified));
    return fail("TLS: " + trouble(got));
}

bool redis_wire::add(const std::vector<const std::string*>& words) {
    std::vector<const char*> at;
    std::vector<std::size_t> size;
    at.reserve(words.size());
    size.reserve(words.size());
    for (const auto* w : words) {
        at.push_back(w->data());
        size.push_back(w->size());
    }
    char* text = nullptr;
    const int n = ::redisFormatCommandArgv(&text, static_cast<int>(at.size()), at.data(), size.data());
    if (n < 0) return fail("no memory for a command");
    out_.append(text, static_cast<std::size_t>(n));
    OPENSSL_cleanse(text, static_cast<std::size_t>(n));  // it may be the password
    ::redisFreeCommand(text);
    return true;
}

bool redis_wire::again(int got) const noexcept {
    if (errno != EINTR) return false;
    if (!ssl_) return got < 0;
    const int why = SSL_get_error(ssl_.get(), got);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

std::string redis_wire::trouble(int got) const {
    if (ssl_) {
        const int why = SSL_get_error(ssl_.get(), got);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return "no answer in time";
        if (why == SSL_ERROR_ZERO_RETURN) return "Redis has closed the connection";
        if (why == SSL_ERROR_SSL) return net::tls_error_text();
    }
    if (got == 0 || errno == 0) return "Redis has closed the connection";
    if (errno == EAGAIN || errno == EWOULDBLOCK) return "no answer in time";
    return std::strerror(errno);
}

bool redis_wire::flush() {
    std::string_view left = out_;
    while (!left.empty()) {
        ERR_clear_error();
        errno = 0;
        const int most = static_cast<int>(std::min<std::size_t>(left.size(), 1 << 20));
        const auto n =
            ssl_ ? SSL_write(ssl_.get(), left.data(), most)
                 : static_cast<int>(::send(context_->fd, left.data(), static_cast<std::size_t>(most), MSG_NOSIGNAL));
        if (n <= 0) {
            if (again(n)) continue;
            return fail(trouble(n));
        }
        left.remove_prefix(static_cast<std::size_t>(n));
    }
    out_.clear();
    if (out_.capacity() > most_kept) out_ = {};
    return true;
}

bool redis_wire::receive() {
    char memory[most_bytes_at_once];
    for (;;) {
        ERR_clear_error();
        errno = 0;
        const auto n = ssl_ ? SSL_read(ssl_.get(), memory, sizeof memory)
                            : static_cast<int>(::recv(context_->fd, memory, sizeof memory, 0));
        if (n <= 0) {
            if (again(n)) continue;
            return fail(trouble(n));
        }
        if (!reader_.feed({memory, static_cast<std::size_t>(n)})) return fail(reader_.error());
        return true;
    }
}

std::optional<redis_value> redis_wire::read() {
    if (!is_open() || !flush()) return std::nullopt;
    const time_point late = clock::now() + 2 * patience_;
    for (;;) {
        if (auto got = reader_.next()) return got;
        if (reader_.broken()) {
            fail(reader_.error());
            return std::nullopt;
        }
        if (!receive()) return std::nullopt;
        if (clock::now() > late) {
            fail("no answer in time");
            return std::nullopt;
        }
    }
}

}  // namespace spillway::quota
