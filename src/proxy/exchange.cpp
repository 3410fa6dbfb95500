#include "exchange.hpp"

#include "account/record.hpp"
#include "answer/relay.hpp"

namespace spillway::proxy {

exchange::exchange(connection& on)
    : at_(on),
      request_(at_),
      caller_(at_),
      plan_(at_),
      permit_(at_, request_, caller_, plan_),
      pipe_(at_.worker.slabs()),
      spans_(at_, request_, plan_),
      capture_(at_),
      prompt_(at_),
      attempts_(at_, request_, request_.body, caller_, plan_, pipe_, spans_),
      reply_(at_, request_, caller_, plan_, permit_, attempts_, pipe_, delivery_) {}

net::task<bool> exchange::run() {
    const auto arrival = co_await request_.read_head();
    if (arrival == request::arrival::nothing) co_return false;
    auto& stats = at_.worker.stats();
    stats.requests_active.add();
    bool again = false, threw = false;
    try {
        if (arrival == request::arrival::refused) again = co_await reply_.refuse(request_.refusal());
        else again = co_await serve();
    } catch (const std::exception& e) {
        threw = true;
        at_.worker.alarm(std::string("an exchange ended by an exception: ") + e.what());
    }
    if (threw) {
        stats.exceptions.add();
        again = false;
        co_await answer_exception();
    }
    attempts_.leave();
    account();
    stats.requests_active.sub(1);
    request_.wipe_secrets();
    if (again) request_.body.consume_input();
    co_return again;
}

net::task<bool> exchange::serve() {
    maybe_fault f = request_.understand();
    if (f) co_return co_await reply_.refuse(*f);
    if (reply_.is_for_probes()) {
        request_.serve_as_probe();
        if (reply_.wants_proof()) f = co_await identify();
        if (f) co_return co_await reply_.refuse(*f);
        co_return co_await reply_.probe();
    }
    // Browsers send no key with OPTIONS, and the answer tells nothing that the documentation does not.
    if (request_.head().method == "OPTIONS") {
        f = caller_.check_door(request_);
        if (f) co_return co_await reply_.refuse(*f);
        co_return co_await reply_.options();
    }
    f = co_await identify();
    // Only known clients leave traces: no stranger can fill the queue of spans.
    if (!f && at_.config().tracer) spans_.begin();
    if (!f) f = request_.classify();
    if (f) co_return co_await reply_.refuse(*f);
    if (request_.family() == core::family::models) co_return co_await reply_.list_models();
    f = co_await take_body();
    if (!f) f = plan_.find(request_, caller_);
    if (f) co_return co_await refuse(std::move(*f));
    if (at_.config().counts_tokens) request_.measure_prompt();
    capture_.begin(request_, *plan_.route, pipe_);
    if (permit_.is_needed()) f = co_await permit_.take();
    if (f) co_return co_await reply_.refuse(*f);
    co_return co_await answer();
}

net::task<maybe_fault> exchange::identify() {
    maybe_fault f = caller_.check_door(request_);
    if (f) co_return f;
    f = caller_.identify(request_);
    if (f) co_return co_await caller_.take_time(request_, std::move(*f));
    caller_.count();
    co_return f;
}

// Into memory, decoded, and read for what it says.
net::task<maybe_fault> exchange::take_body() {
    auto& body = request_.body;
    maybe_fault f = body.check_content(request_.what.op->body);
    if (!f && body.exists() && !body.is_here()) {
        const auto passes = body.pass_on(*request_.what.op);
        if (!passes) co_return passes.error();
        if (*passes) co_return co_await permit_.enter();
    }
    if (!f && !body.is_here()) {
        f = co_await permit_.enter();
        if (!f) f = co_await body.read(*caller_.client);
    }
    if (!f && body.is_encoded()) f = co_await body.decode();
    if (f) co_return f;
    if (request_.has_long_body()) co_return co_await request_.read_long_terms();
    co_return request_.read_terms();
}

// Before any backend was asked.
net::task<bool> exchange::refuse(fault f) {
    if (f.status == 499) co_return reply_.lost_client();
    // A body that came too slowly has had what a request takes.
    if (f.status != 408) permit_.give_back();
    co_return co_await reply_.refuse(f);
}

net::task<bool> exchange::answer() {
    core::action next = co_await attempts_.run();
    switch (next.what) {
        case core::action::kind::commit: {
            relay onward(at_, request_, caller_, plan_, permit_, attempts_, pipe_, reply_, delivery_, prompt_, next);
            co_return co_await onward.run();
        }
        case core::action::kind::reply:
            next.why.wait = next.wait;
            next.why.should_retry = next.should_retry;
            co_return co_await reply_.refuse(next.why);
        default: attempts_.drop_connection(); co_return reply_.lost_client();
    }
}

// An exception is the gateway's own fault, and is told as one as long as nothing has been said.
net::task<void> exchange::answer_exception() {
    attempts_.drop_connection();
    bool told = false;
    if (!delivery_.begun() && request_.has_memory() && !at_.left().fired()) {
        // How much of the request has been read is unknown.
        request_.lose_step();
        try {
            const fault why{.code = "InternalError",
                            .who = origin::gateway,
                            .status = 500,
                            .message =
                                "The gateway failed. Send the request again, and tell the platform team when "
                                "this stays."};
            co_await reply_.refuse(why);
            told = true;
        } catch (const std::exception&) {
            told = false;
        }
    }
    if (!told) at_.connection.client().abort();
}

void exchange::account() {
    delivery_.settle_status();
    exchange_record r{.at = at_,
                      .asked = request_,
                      .by = caller_,
                      .way = plan_,
                      .tried = attempts_,
                      .pipe = pipe_,
                      .sent = delivery_,
                      .ended = clock::now()};
    settle_usage(r, permit_, pipe_, prompt_);
    spans_.end(r);
    capture_.end(r);
    note_all(r);
    if (auto tap = pipe_.give_tap()) at_.worker.give_tap(std::move(tap));
}

}  // namespace spillway::proxy
