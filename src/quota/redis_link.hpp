#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <spillway/base/secret_text.hpp>
#include <spillway/base/time.hpp>
#include <spillway/net/tls_context.hpp>

#include "redis_wire.hpp"

namespace spillway::quota {

// Waits between two failed runs of the script: doubled each time.
inline constexpr duration first_back_off = milliseconds(100);
inline constexpr duration last_back_off = seconds(5);

// What the script says to one question; empty: it could not be run for this holder.
using redis_answer = std::vector<redis_item>;

// One run of the script: two keys, then arguments.
using redis_command = std::vector<std::string>;

// A connection to Redis, for one thread, which it may keep waiting for `patience` at each step. What goes wrong is
// told in words that hold no secret: of what Redis itself says only the first word, since some versions repeat what
// they were sent.
class redis_link {
public:
    static constexpr duration patience = milliseconds(250);

    // `tls`: for a URL that wants it, otherwise null.
    redis_link(redis_url url, net::ssl_ctx_ptr tls);

    bool connected() const noexcept { return wire_.is_open(); }
    bool connect(const secret_text& password);
    // All commands in one round trip. Each carries a number that has to come back with its answer. False: the
    // connection is closed, and which of them were run is not known.
    bool run(const std::vector<redis_command>& commands, std::vector<redis_answer>& answers);
    // For a Redis that answers and is of no use: ends the connection, so that the next one begins with a look at it.
    void give_up() { fail(refusal_); }
    const std::string& error() const noexcept { return error_; }
    // What the last command without an answer was told.
    const std::string& refusal() const noexcept { return refusal_; }
    const redis_url& url() const noexcept { return url_; }

private:
    bool fail(std::string what);
    bool plain(const std::vector<std::string>& words, std::string* text = nullptr);
    bool append(const std::string& verb, const std::string& script, const redis_command& c,
                const std::string& question);
    enum class read_as : std::uint8_t { answer, refused, no_script, failure };
    read_as read(redis_answer& out, const std::string& question);
    bool finish();

    redis_url url_;
    net::ssl_ctx_ptr tls_;
    redis_wire wire_;
    std::string sha_, error_, refusal_;
    std::uint64_t asked_{0};  // questions; begins anywhere, so that another connection's answers do not fit
};

}  // namespace spillway::quota
