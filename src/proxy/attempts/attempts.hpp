#pragma once

#include <memory>
#include <optional>

#include <spillway/core/exchange.hpp>
#include <spillway/net/upstream.hpp>

#include "answer_front.hpp"
#include "attempt_observer.hpp"
#include "gateway_credential.hpp"

namespace spillway::proxy {

// Asks one backend after the other, as the exchange machine of the core decides, until an answer is the client's.
class attempts {
public:
    // `upload`: the request's body, when it passes.
    attempts(const setting& at, const request& asked, request_body& upload, const caller& by, const plan& way,
             answer_pipe& pipe, attempt_observer& observer) noexcept;
    attempts(const attempts&) = delete;
    attempts& operator=(const attempts&) = delete;
    ~attempts();

    // commit: the answer is in front() and on connection(); reply: `why` is the client's; leave: it is gone.
    net::task<core::action> run();

    // The committed answer has come whole, and its connection may be used again when `in_step`. Other clients' doubts
    // about the backend end with it when `served`.
    void finish(bool in_step, bool served) noexcept;
    // The committed answer broke off: its backend is told.
    void broke_off();
    void drop_connection() noexcept;
    // Whatever became of the request: connections go back or away, and no trial stays claimed.
    void leave() noexcept;

    answer_front& front() noexcept { return front_; }
    const answer_front& front() const noexcept { return front_; }
    net::stream& connection() noexcept { return connection_->io; }
    // The last backend that was asked; null: none was.
    const backend* serving() const noexcept { return serving_; }
    const instance& instance_of(const backend& b) const noexcept { return at_.config().instances[b.instance]; }
    std::uint32_t count() const noexcept { return count_; }
    time_point began() const noexcept { return began_; }
    time_point first_byte_at() const noexcept { return first_byte_at_; }
    std::span<const core::attempt_record> tries() const noexcept;
    // A backend has got the request, or part of it.
    bool went_out() const noexcept { return went_out_; }
    // The present answer tells the usage because only the gateway asked for it.
    bool asked_usage() const noexcept { return out_.asks_usage(); }

private:
    enum class hearing : std::uint8_t { silence, answered, full };

    // loop.cpp
    core::request_facts facts() const;
    void note_attempt(const core::outcome& o);
    void note_failed_attempt(const core::outcome& o);
    void apply(const core::effect& e);
    void apply_to_backend(const core::effect& e, const backend& b, core::failure f, time_point now);
    void apply_to_instance(const core::effect& e, const instance& i, core::failure f, time_point now);
    void apply_settled();
    void settle_attempt() noexcept;
    void give_back(bool in_step) noexcept;
    void give_back_unused() noexcept;

    // attempt.cpp
    net::task<core::outcome> attempt(const core::action& a);
    void begin_attempt(const core::action& a);
    net::task<std::optional<core::outcome>> connect(const core::action& a);
    net::task<std::optional<core::outcome>> prove(const core::action& a);
    net::task<net::io_result> send(time_point deadline);
    net::task<net::io_result> send_piece(std::string_view bytes, time_point deadline);
    net::task<net::io_result> send_upload();
    hearing hear_early_answer();
    void note_first_byte() noexcept;

    // answer_start.cpp
    net::task<core::outcome> read_head(time_point deadline, bool sent_all);
    core::outcome outcome_of_head() const;
    net::task<void> read_refusal(core::outcome& o);
    void note_refusal(core::outcome& o);
    net::task<void> judge_stream_start(core::outcome& o, time_point deadline);
    void judge_start(core::outcome& o);
    net::task<void> await_body(core::outcome& o);

    // suspicion.cpp
    time_point suspicion_begins() const noexcept;
    bool suspects_dead(time_point& look_again);

    const pool& pool_of() const noexcept { return plan_.pool_of(); }
    std::uint32_t client_number() const noexcept { return static_cast<std::uint32_t>(by_.client.value_or(0)); }
    bool counts_tokens() const noexcept;

    const setting& at_;
    const request& asked_;
    request_body& upload_;
    const caller& by_;
    const plan& plan_;
    answer_pipe& pipe_;
    attempt_observer& observer_;
    upstream_request out_;
    gateway_credential credential_;
    answer_front front_;
    std::unique_ptr<net::upstream_connection> connection_;
    std::optional<core::exchange_machine> machine_;
    const backend* serving_{nullptr};
    std::uint32_t count_{0};
    bool counted_{false};  // in serving_'s outstanding
    bool went_out_{false};
    time_point began_{}, first_byte_at_{};
};

// Kept of the text of a stream's answer, for an estimate: less where only a stream that breaks off needs one.
std::size_t kept_text(bool usage_is_told) noexcept;

}  // namespace spillway::proxy
