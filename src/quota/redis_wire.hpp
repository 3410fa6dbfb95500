#pragma once

#include <hiredis/hiredis.h>
#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/freed.hpp>
#include <spillway/base/secret_text.hpp>
#include <spillway/base/time.hpp>

#include "redis_reader.hpp"
#include "redis_url.hpp"

namespace spillway::quota {

// Bytes to and from Redis for one thread, through TLS where a context is given: hiredis connects and puts commands
// into words. Each step may keep the thread waiting for `patience`, an answer as a whole for twice
// that.
class redis_wire {
public:
    redis_wire(SSL_CTX* tls, duration patience) : tls_(tls), patience_(patience) {}

    // Connects and, with TLS, checks the peer's certificate for the URL's host.
    bool open(const redis_url& to);
    bool is_open() const noexcept { return context_ != nullptr; }
    void close() noexcept;
    // Overwrites what was sent: it held a secret.
    void wipe() noexcept { cleanse(out_); }
    // Puts a command to those that the next read() sends.
    bool add(const std::vector<const std::string*>& words);
    // The next answer, in the order of the commands. None: error() says why, and the connection is of no use any
    // more.
    std::optional<redis_value> read();
    // Nothing is here beyond the answers that were read. Bytes that are left answer no question.
    bool quiet() const noexcept { return reader_.empty(); }
    const std::string& error() const noexcept { return error_; }

private:
    bool fail(std::string what);
    bool again(int got) const noexcept;  // a signal came, nothing else
    bool handshake(const redis_url& to);
    bool flush();
    bool receive();
    std::string trouble(int got) const;

    struct ssl_free {
        void operator()(SSL* s) const noexcept;
    };

    SSL_CTX* const tls_;
    const duration patience_;
    owned<redisContext, redisFree> context_;
    std::unique_ptr<SSL, ssl_free> ssl_;  // ends before the socket that it writes to
    redis_reader reader_;
    std::string out_, error_;
};

}  // namespace spillway::quota
