#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "message.hpp"
#include "simulation.hpp"

namespace spillway::sim {

// One client connection of an instance: reads requests, meets the faults that were asked for, answers.
class session {
public:
    session(simulation& all, instance& at, net::interrupt& faults_changed) noexcept;
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session();

    // `tls` may be null. Ends when the connection does.
    net::task<> run(int fd, SSL_CTX* tls);

private:
    // How the sending of an answer ended.
    enum class sent : std::uint8_t {
        whole,
        cut,   // a fault ended it
        left,  // the client went away
    };

    net::task<bool> secure(SSL_CTX* tls);
    net::task<> refuse_handshake();
    net::task<bool> next_request(request& out);
    net::task<bool> serve_one();
    net::task<sent> meet_early_faults(const chosen_faults& faults);
    net::task<sent> play(const exchange& x, const answer& a, const chosen_faults& faults);
    net::task<sent> play_body(const exchange& x, const answer& a, const chosen_faults& faults, time_point began);
    net::task<sent> play_content(const blob& content, const chosen_faults& faults);
    net::task<sent> play_events(const exchange& x, const answer& a, const chosen_faults& faults, time_point began);

    // Pieces that are due are sent in one write, each in a chunk of its own.
    net::task<sent> play_undisturbed(const exchange& x, const answer& a, time_point began);

    // Faults that send something of their own; in session_oddities.cpp.
    net::task<> refuse_early(const request& r);
    net::task<sent> play_interim(const fault_rule& r);
    net::task<sent> play_preamble(const exchange& x, const fault_rule& r);
    void make_empty(answer& a) noexcept;

    net::task<sent> pause_until(time_point until);
    net::task<sent> write(std::string_view bytes);
    // One event or the whole body, framed as the head announced, ended early by a fault that says so.
    net::task<sent> write_body(std::string_view bytes, const chosen_faults& faults);
    net::task<> break_off(bool reset, bool notify);
    std::string head_of(const exchange& x, const answer& a);
    void finish(const exchange& x, const answer& a, sent how);
    void journalise(const exchange& x, const answer& a, sent how);

    simulation& all_;
    instance& at_;
    net::interrupt& faults_changed_;
    net::stream io_;
    request_reader reader_;
    std::optional<fault_rule> early_;  // why the body of the request that came last stays unread
    net::interrupt gone_;              // fired when the client leaves while it is being answered

    // Of the exchange that runs.
    std::uint64_t body_bytes_{0}, events_{0}, tokens_sent_{0};
    bool chunked_{false}, keep_{false}, head_sent_{false};
    bool usage_told_{false}, fault_answered_{false};
    bool used_{false};  // a request came before on this connection
};

}  // namespace spillway::sim
