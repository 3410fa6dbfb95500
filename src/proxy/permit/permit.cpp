#include "permit.hpp"

#include <algorithm>
#include <string>

#include <spillway/core/price.hpp>
#include <spillway/core/shed.hpp>
#include <spillway/tokens/estimator.hpp>

#include "../pool/live_pool.hpp"

namespace spillway::proxy {
namespace {

constexpr duration longest_ask = seconds(2);  // the store falls back long before

// The answer of a store of quotas on its way back to the worker that waits for it.
struct quota_answer {
    explicit quota_answer(net::loop& l) : wait(l) {}
    net::waiter wait;
    quota::verdict verdict;
    bool here{false}, abandoned{false};

    struct awaiter {
        quota_answer& a;
        time_point until;
        net::interrupt* by;
        bool await_ready() const noexcept { return a.here; }
        void await_suspend(std::coroutine_handle<> h) noexcept { a.wait.suspend(h, until, by); }
        void await_resume() const noexcept {}
    };
};

std::string seconds_text(duration d) {
    return std::to_string(std::max<std::int64_t>(1, std::chrono::ceil<seconds>(d).count()));
}

// `whose`: client, group, or pool (the client on this pool).
fault refusal_of(const quota::verdict& v, std::string_view whose) {
    using limit = core::quota_limit;
    fault f{.code = core::code_of(v.limit), .who = origin::client, .status = core::status_of(v.limit)};
    if (f.status == 429) f.wait = v.wait;
    // A budget that is spent is not there again when an SDK repeats.
    if (f.status == 403) f.should_retry = false;
    const auto of = v.of_limit ? " (" + std::to_string(*v.of_limit) + ")" : std::string();
    const std::string who = whose == "group"  ? "of the client's group"
                            : whose == "pool" ? "of the client for this deployment's pool"
                                              : "of the client";
    switch (v.limit) {
        case limit::concurrent:
            f.message = "Too many requests " + who + " are running" + of + ". Wait until one of them ends.";
            break;
        case limit::requests:
            f.message = "The requests per minute " + who + of + " are used up. Retry after " + seconds_text(v.wait) +
                        " seconds.";
            break;
        case limit::tokens:
            f.message = "The tokens per minute " + who + of + " are used up. Retry after " + seconds_text(v.wait) +
                        " seconds, or ask for a shorter answer with max_tokens.";
            break;
        case limit::budget_tokens:
        case limit::budget_money:
            f.message = "What is left of the budget " + who +
                        " does not suffice for this request. The budget begins anew in " +
                        std::to_string(std::chrono::ceil<hours>(v.wait).count()) +
                        " hours; until then a smaller max_tokens may pass, or ask the platform team for more.";
            break;
        case limit::none: break;
    }
    return f;
}

}  // namespace

// What the request may take: its prompt by its bytes, its answer by the limit that it sets.
quota::amounts permit::estimate() const noexcept {
    if (!asked_.what.op->row().reserves) return {};
    core::token_counts t;
    t.prompt = tokens::guess(asked_.terms.prompt_bytes);
    t.completion = asked_.reserved_answer();
    const auto& price = plan_.pool_of().price;
    return {to_signed(t.total()), price ? core::price_of(t, *price) : 0};
}

const std::shared_ptr<quota::holder>* permit::holder_at(std::size_t i) const noexcept {
    const auto& c = client();
    if (i < c.holders.size()) return &c.holders[i];
    if (i > c.holders.size() || !plan_.pool || c.pool_holders.empty() || !c.pool_holders[*plan_.pool]) return nullptr;
    return &c.pool_holders[*plan_.pool];
}

// The usual way: no lock, no wait.
quota::verdict permit::reserve(std::size_t index, step s) noexcept {
    auto& holder = **holder_at(index);
    switch (s) {
        case step::entrance: return holder.take({}, asked_.began, asked_.began_wall);
        case step::rest: return holder.take_rest(estimate_, asked_.began, asked_.began_wall, clock::now());
        case step::whole: break;
    }
    return holder.take(estimate_, asked_.began, asked_.began_wall);
}

// Asks the shared store where the local lease does not suffice: one round trip.
net::task<quota::verdict> permit::ask(std::size_t index, step s) {
    const auto holder = *holder_at(index);
    auto& worker = at_.worker;
    const time_point asked = clock::now();
    const quota::amounts estimate = s == step::entrance ? quota::amounts{} : estimate_;
    auto answer = std::make_shared<quota_answer>(worker.loop());
    auto back = [answer, holder, estimate, s, began = asked_.began, &loop = worker.loop()](quota::verdict v) {
        loop.post([answer, holder, estimate, s, began, v] {
            answer->verdict = v;
            answer->here = true;
            if (answer->abandoned && v.what == quota::verdict::kind::granted) {
                // What let the request in is given back by the permit.
                if (s == step::rest) holder->book(estimate, {}, began, clock::now(), wall_clock::now());
                else holder->give_back(estimate, began, clock::now(), wall_clock::now());
            }
            if (answer->wait.waiting()) answer->wait.complete(net::wake::ready);
        });
    };
    if (s == step::rest) holder->ask_rest(estimate, asked_.began, asked_.began_wall, asked, std::move(back));
    else holder->ask(estimate, asked_.began, asked_.began_wall, std::move(back));
    quota_answer::awaiter until_here{*answer, worker.now() + longest_ask, &at_.left()};
    co_await until_here;
    worker.stats().quota_waits.add();
    worker.stats().quota_wait_seconds.observe(seconds_between(asked, clock::now()));
    if (answer->here) co_return answer->verdict;
    answer->abandoned = true;
    quota::verdict v;
    v.what = quota::verdict::kind::refused;
    v.limit = core::quota_limit::requests;
    v.wait = seconds(1);
    co_return v;
}

net::task<maybe_fault> permit::enter() {
    for (const std::size_t all = client().holders.size(); entered_ < all; ++entered_) {
        quota::verdict v = reserve(entered_, step::entrance);
        if (v.what == quota::verdict::kind::ask) v = co_await ask(entered_, step::entrance);
        if (v.what != quota::verdict::kind::granted) co_return refuse(v, entered_);
    }
    co_return std::nullopt;
}

net::task<maybe_fault> permit::take() {
    if (auto f = check_shed()) {
        give_back();
        co_return f;
    }
    estimate_ = estimate();
    for (; holder_at(held_) != nullptr; ++held_) {
        const auto s = held_ < entered_ ? step::rest : step::whole;
        quota::verdict v = reserve(held_, s);
        if (v.what == quota::verdict::kind::ask) v = co_await ask(held_, s);
        if (v.what != quota::verdict::kind::granted) co_return refuse(v, held_);
    }
    co_return std::nullopt;
}

fault permit::refuse(const quota::verdict& v, std::size_t index) {
    give_back();
    const auto& c = client();
    const std::string_view whose = index < c.holder_kinds.size() ? c.holder_kinds[index] : "pool";
    auto& worker = at_.worker;
    worker.stats().quota_refusals.at({worker.label(whose), c.label, worker.label(core::name_of(v.limit))}).add();
    return refusal_of(v, whose);
}

void permit::give_back() noexcept {
    for (std::size_t i = 0; i < taken(); ++i)
        (*holder_at(i))->give_back(held_of(i), asked_.began, clock::now(), wall_clock::now());
    held_ = entered_ = 0;
}

void permit::settle(const quota::amounts& real, time_point ended) noexcept {
    if (taken() == 0) return;
    // No other look at a clock for a request's end.
    const auto wall = asked_.began_wall + std::chrono::duration_cast<wall_time::duration>(ended - asked_.began);
    for (std::size_t i = 0; i < taken(); ++i) (*holder_at(i))->settle(held_of(i), real, asked_.began, ended, wall);
    held_ = entered_ = 0;
}

quota_hold permit::hold() const {
    quota_hold out;
    for (std::size_t i = 0; i < held_; ++i) out.holders.push_back(*holder_at(i));
    out.estimate = estimate_;
    out.began = asked_.began;
    return out;
}

void permit::leave() noexcept {
    for (std::size_t i = 0; i < held_; ++i) (*holder_at(i))->leave();
    held_ = entered_ = 0;
}

bool permit::tells_rate() const noexcept {
    if (!plan_.found) return false;
    const auto& c = client();
    return c.has_rate || (!c.pool_rates.empty() && c.pool_rates[*plan_.pool]);
}

// Low priority goes first when the pool runs short: what is left is for the others.
maybe_fault permit::check_shed() const {
    const pool& p = plan_.pool_of();
    if (!p.shed) return std::nullopt;
    const auto who = client().priority;
    if (who == config::priority_class::high) return std::nullopt;
    if (!core::shed(who, capacity_of(at_.config(), p, at_.worker.now(), !plan_.passes_token), *p.shed))
        return std::nullopt;
    at_.worker.stats()
        .shed.at({p.label, at_.worker.label(who == config::priority_class::low ? "low" : "normal")})
        .add();
    return fault{.code = "LowPriorityShed",
                 .who = origin::client,
                 .status = 429,
                 .message =
                     "The pool runs short, and this client's requests give way to more important ones. Try "
                     "again in a moment.",
                 .wait = until_pool_recovers()};
}

// Until the first of the pool's backends that are shut opens again. What the rest has left comes back bit by bit.
duration permit::until_pool_recovers() const {
    constexpr duration least = seconds(1), most = minutes(1);
    const time_point now = at_.worker.now();
    const live_pool live(at_.config(), plan_.pool_of(), !plan_.passes_token);
    duration wait = duration::max();
    for (std::size_t i = 0; i < plan_.pool_of().backends.size(); ++i)
        if (const auto a = live.look(i, now); !a.usable) wait = std::min(wait, a.until - now);
    return wait == duration::max() ? least : std::clamp(wait, least, most);
}

// What is left to the client, in the fields that SDK users know from Azure; seconds are whole there.
void permit::write_rate_fields(http::head_writer& w) const {
    if (!tells_rate()) return;
    const auto put = [&](http::field_id id, std::optional<std::int64_t> v) {
        if (v) w.field(id, static_cast<std::uint64_t>(std::max<std::int64_t>(0, *v)));
    };
    const auto whole = [](std::optional<duration> d) -> std::optional<std::int64_t> {
        if (!d) return std::nullopt;
        return std::chrono::ceil<seconds>(*d).count();
    };
    // The tightest of its holders tells: the one with the smallest part left.
    std::optional<quota::remaining> least;
    const auto part = [](const quota::remaining& r) {
        const auto of = [](std::optional<std::int64_t> left, std::optional<std::int64_t> limit) {
            return left && limit && *limit > 0 ? static_cast<double>(*left) / static_cast<double>(*limit) : 1.0;
        };
        return std::min(of(r.requests, r.limit_requests), of(r.tokens, r.limit_tokens));
    };
    for (std::size_t i = 0; const auto* h = holder_at(i); ++i) {
        const auto r = (*h)->remaining(at_.worker.now());
        if ((r.limit_requests || r.limit_tokens) && (!least || part(r) < part(*least))) least = r;
    }
    if (!least) return;
    put(http::field_id::x_ratelimit_limit_requests, least->limit_requests);
    put(http::field_id::x_ratelimit_remaining_requests, least->requests);
    put(http::field_id::x_ratelimit_reset_requests, whole(least->reset_requests));
    put(http::field_id::x_ratelimit_limit_tokens, least->limit_tokens);
    put(http::field_id::x_ratelimit_remaining_tokens, least->tokens);
    put(http::field_id::x_ratelimit_reset_tokens, whole(least->reset_tokens));
}

}  // namespace spillway::proxy
