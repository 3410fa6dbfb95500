#include "fault_answer.hpp"
#include "session.hpp"

#include <spillway/http/framing.hpp>

namespace spillway::sim {

// Answers and reads no more: a client that only writes never hears of it.
net::task<> session::refuse_early(const request& r) {
    exchange x;
    x.asked = r;
    at_.begin(x);
    all_.name(x);
    all_.remember(at_, x);
    all_.faults.count_applied(early_->id);
    fault_answered_ = true;
    keep_ = false;
    head_sent_ = usage_told_ = false;
    body_bytes_ = events_ = tokens_sent_ = 0;
    answer a = answer_of(*early_);
    at_.add_headers(x, a, clock::now());
    chunked_ = false;
    std::string whole = head_of(x, a);
    if (!a.pieces.empty()) whole += a.pieces.front().bytes;
    ++x.counters->by_status[a.status];
    head_sent_ = true;
    sent how = co_await write(whole);
    if (how == sent::whole) how = co_await pause_until(clock::now() + early_->length);
    finish(x, a, how);
    io_.abort();
}

net::task<session::sent> session::play_interim(const fault_rule& r) {
    constexpr std::uint64_t together = 256;  // in one write, when they come without a pause
    const std::string one = head_text(r.status, {});
    for (std::uint64_t n = 0; r.count == 0 || n < r.count;) {
        const bool paced = r.every != duration::zero();
        std::uint64_t now = paced ? 1 : together;
        if (r.count != 0) now = std::min(now, r.count - n);
        std::string out;
        for (std::uint64_t i = 0; i < now; ++i) out += one;
        n += now;
        sent how = co_await write(out);
        if (how == sent::whole && paced) how = co_await pause_until(clock::now() + r.every);
        if (how != sent::whole) co_return how;
    }
    co_return sent::whole;
}

net::task<session::sent> session::play_preamble(const exchange& x, const fault_rule& r) {
    for (std::uint64_t n = 0; r.count == 0 || n < r.count; ++n) {
        const std::string event = preamble_event_of(x, r, n);
        std::string framed;
        if (chunked_) http::append_chunk_header(framed, event.size());
        framed += event;
        if (chunked_) framed += "\r\n";
        sent how = co_await write(framed);
        if (how == sent::whole && r.every != duration::zero()) how = co_await pause_until(clock::now() + r.every);
        if (how != sent::whole) co_return how;
    }
    co_return sent::whole;
}

void session::make_empty(answer& a) noexcept {
    a.pieces.clear();
    a.content.reset();
    a.usage = {};
    fault_answered_ = true;
}

}  // namespace spillway::sim
