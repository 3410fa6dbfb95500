#pragma once

#include <string>

#include "upstream_request.hpp"

namespace spillway::proxy {

// What proves the gateway to an instance: its API key, a token of ours, or the client's own token where the route
// passes that on.
class gateway_credential {
public:
    gateway_credential(const setting& at, const request& asked, const plan& way) noexcept
        : at_(at), asked_(asked), plan_(way) {}

    // False: a token of ours is needed.
    bool is_fixed(const instance& i) const noexcept { return !i.token || plan_.passes_token; }
    upstream_request::proof proof(const backend& b) const noexcept;
    // Whether the token is here and good; the next attempt carries this one.
    bool at_hand(const backend& b);
    // Waits while the first token, or one in the place of an expired one, is on its way.
    net::task<void> await(const backend& b, time_point deadline);
    // The instance has refused the token that it got. The first who says so has it renewed; the others find the new
    // one.
    net::task<void> renew(const backend& b, time_point deadline);
    // Continuous access evaluation: the claims that a new token has to carry, from the WWW-Authenticate of a refusal.
    void note_challenge(const http::response_head& refusal);

private:
    const setting& at_;
    const request& asked_;
    const plan& plan_;
    std::uint64_t version_{0};  // of the token that the last attempt carried
    std::string challenge_;     // claims that the backend wants proven
};

}  // namespace spillway::proxy
