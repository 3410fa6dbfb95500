#pragma once

#include <optional>
#include <string_view>

#include <spillway/core/token.hpp>
#include <spillway/net/task.hpp>

#include "../request/request.hpp"

namespace spillway::proxy {

// Who is calling: the lock of the listener, then token, key or certificate, in this order.
class caller {
public:
    explicit caller(const setting& at) noexcept : at_(at) {}

    // Whether the listener serves this peer at all. Front headers count only from the front: a listener that
    // knows its proxies believes no other peer. Faults: AddressNotAllowed, FrontDoorRequired (403).
    maybe_fault check_door(const request& asked);
    // Finds the client. Faults: BadRequest for proof that is ambiguous, 401, TokenKeysUnavailable (503).
    maybe_fault identify(const request& asked);
    // What is left to do after a fault: wait for fresh keys and look once more, count, and let guessing cost time.
    net::task<maybe_fault> take_time(const request& asked, fault why);
    // Counts how the proof went; once for each request that had to bring one.
    void count();

    // By the configuration's number; unset: none was recognised.
    std::optional<std::size_t> client;
    std::string_view method{"none"};  // token, key, certificate or none; static storage
    std::string_view refused;         // why none was recognised; static storage
    std::string_view key_label;       // of the key that was used, lives as long as the configuration
    bool passthrough_only{false};     // the client's token was made for Azure itself

private:
    maybe_fault identify_by_token(std::string_view token);
    maybe_fault identify_by_key(std::string_view key, wall_time now);
    maybe_fault take_token(const known_token& known) noexcept;
    fault token_refusal(core::token_error e);
    bool identify_by_certificate(const request& asked, wall_time now);
    net::task<maybe_fault> identify_with_fresh_keys(const request& asked, fault why);
    net::task<void> slow_down(const request& asked);

    const setting& at_;
    std::optional<std::size_t> waits_for_keys_;  // provider whose fresh keys could make the token good
};

}  // namespace spillway::proxy
