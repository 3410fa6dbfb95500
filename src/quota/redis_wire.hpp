#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/secret_text.hpp>
#include <spillway/base/time.hpp>
#include <spillway/net/resolver.hpp>
#include <spillway/net/task.hpp>
#include <spillway/net/upstream.hpp>

#include "redis_reader.hpp"
#include "redis_url.hpp"

namespace spillway::quota {

// Bytes to and from Redis on one loop, through TLS where a context is given. Each step may take `patience`, an answer
// as a whole twice that.
class redis_wire {
public:
    redis_wire(net::loop& l, redis_url to, net::ssl_ctx_ptr tls);

    static constexpr duration patience = milliseconds(250);

    // Connects and, with TLS, checks the peer's certificate for the URL's host.
    net::task<bool> open();
    bool is_open() const noexcept { return connection_ != nullptr; }
    void close() noexcept;
    // Overwrites what was sent: it held a secret.
    void wipe() noexcept { cleanse(out_); }
    // Puts a command to those that the next read() sends.
    bool add(const std::vector<const std::string*>& words);
    // The next answer, in the order of the commands. None: error() says why, and the connection is of no use any
    // more.
    net::task<std::optional<redis_value>> read();
    // Nothing is here beyond the answers that were read. Bytes that are left answer no question.
    bool quiet() const noexcept { return reader_.empty(); }
    const std::string& error() const noexcept { return error_; }
    const redis_url& url() const noexcept { return url_; }

private:
    bool fail(std::string what);
    net::task<bool> handshake();
    net::task<bool> flush();
    net::task<bool> receive();
    std::string trouble(const net::io_result& r) const;

    net::loop& loop_;
    const redis_url url_;
    const net::ssl_ctx_ptr tls_;
    net::upstream server_;
    std::unique_ptr<net::upstream_connection> connection_;
    redis_reader reader_;
    std::vector<char> in_;
    std::string out_, error_;
    std::optional<net::resolver> names_;  // last: its thread posts to the loop
};

}  // namespace spillway::quota
