#include <algorithm>

#include <spillway/core/price.hpp>
#include <spillway/http/writer.hpp>
#include <spillway/proxy/exchange.hpp>
#include <spillway/tokens/estimator.hpp>

#include "live_pool.hpp"

// Whether a request may go on: its client's quotas, and who is refused first when a pool runs short.
namespace spillway::proxy {
namespace {

constexpr std::uint64_t usual_answer = 256;   // tokens, when the request sets no limit
constexpr duration longest_ask = seconds(2);  // the store falls back long before

// The answer of a store of quotas on its way back to the worker that waits for it.
struct quota_answer {
    explicit quota_answer(net::loop& l) : wait(l) {}
    net::waiter wait;
    shared::verdict verdict;
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
fault refusal_of(const shared::verdict& v, std::string_view whose) {
    using limit = core::quota_limit;
    fault f{.code = core::code_of(v.limit), .who = origin::client, .status = core::status_of(v.limit)};
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

// Tokens of the answer as far as they are reserved: the limit that the request sets, for each of its choices.
std::uint64_t exchange::reserved_answer() const noexcept {
    switch (classified_.op->family) {
        case core::family::chat:
        case core::family::completions:
        case core::family::responses: return mul_sat(usage_.answer_limit.value_or(usual_answer), usage_.choices);
        default: return 0;
    }
}

// What the request may take: its prompt by its bytes, its answer by the limit that it sets.
shared::amounts exchange::estimate() const noexcept {
    switch (classified_.op->family) {
        case core::family::images:
        case core::family::speech:
        case core::family::models: return {};
        default: break;
    }
    core::token_counts t;
    t.prompt = tokens::guess(usage_.prompt_bytes);
    t.completion = reserved_answer();
    const auto& price = the_pool().price;
    return {to_signed(t.total()), price ? core::price_of(t, *price) : 0};
}

const std::shared_ptr<shared::holder>* exchange::holder_at(std::size_t i) const noexcept {
    const auto& c = snapshot_->shared->clients[*client_];
    if (i < c.holders.size()) return &c.holders[i];
    if (i > c.holders.size() || !pool_ || c.pool_holders.empty() || !c.pool_holders[*pool_]) return nullptr;
    return &c.pool_holders[*pool_];
}

// The usual way: no lock, no wait.
shared::verdict exchange::take_quota(std::size_t index, quota_step step) noexcept {
    auto& holder = **holder_at(index);
    switch (step) {
        case quota_step::entrance: return holder.take({}, began_, usage_.began_wall);
        case quota_step::rest: return holder.take_rest(usage_.estimate, began_, usage_.began_wall, clock::now());
        case quota_step::whole: break;
    }
    return holder.take(usage_.estimate, began_, usage_.began_wall);
}

// Asks the shared store where the local lease does not suffice: one round trip.
net::task<shared::verdict> exchange::ask_quota(std::size_t index, quota_step step) {
    const auto holder = *holder_at(index);
    const time_point asked = clock::now();
    const shared::amounts estimate = step == quota_step::entrance ? shared::amounts{} : usage_.estimate;
    auto answer = std::make_shared<quota_answer>(worker_.loop());
    auto back = [answer, holder, estimate, step, began = began_, &loop = worker_.loop()](shared::verdict v) {
        loop.post([answer, holder, estimate, step, began, v] {
            answer->verdict = v;
            answer->here = true;
            if (answer->abandoned && v.what == shared::verdict::kind::granted) {
                // What let the request in is given back by the exchange.
                if (step == quota_step::rest) holder->book(estimate, {}, began, clock::now(), wall_clock::now());
                else holder->give_back(estimate, began, clock::now(), wall_clock::now());
            }
            if (answer->wait.waiting()) answer->wait.complete(net::wake::ready);
        });
    };
    if (step == quota_step::rest) holder->ask_rest(estimate, began_, usage_.began_wall, asked, std::move(back));
    else holder->ask(estimate, began_, usage_.began_wall, std::move(back));
    quota_answer::awaiter until_here{*answer, worker_.now() + longest_ask, &session_.left()};
    co_await until_here;
    worker_.stats().quota_waits.add();
    worker_.stats().quota_wait_seconds.observe(seconds_between(asked, clock::now()));
    if (answer->here) co_return answer->verdict;
    answer->abandoned = true;
    shared::verdict v;
    v.what = shared::verdict::kind::refused;
    v.limit = core::quota_limit::requests;
    v.wait = seconds(1);
    co_return v;
}

// Before the body is read: whoever may have no further request takes no memory for it. Quotas of a pool have to wait,
// because the body may name the deployment.
net::task<bool> exchange::enter() {
    const std::size_t all = snapshot_->shared->clients[*client_].holders.size();
    for (; usage_.entered < all; ++usage_.entered) {
        shared::verdict v = take_quota(usage_.entered, quota_step::entrance);
        if (v.what == shared::verdict::kind::ask) v = co_await ask_quota(usage_.entered, quota_step::entrance);
        if (v.what == shared::verdict::kind::granted) continue;
        refuse_by_quota(v, usage_.entered);
        co_return false;
    }
    co_return true;
}

// From one holder after the other, all or nothing.
net::task<bool> exchange::admit() {
    if (auto f = check_shed()) {
        give_back_quotas();
        refusal_ = std::move(*f);
        usage_.refusal_wait = until_pool_recovers();
        co_return false;
    }
    usage_.estimate = estimate();
    for (; holder_at(usage_.held) != nullptr; ++usage_.held) {
        const auto step = usage_.held < usage_.entered ? quota_step::rest : quota_step::whole;
        shared::verdict v = take_quota(usage_.held, step);
        if (v.what == shared::verdict::kind::ask) v = co_await ask_quota(usage_.held, step);
        if (v.what == shared::verdict::kind::granted) continue;
        refuse_by_quota(v, usage_.held);
        co_return false;
    }
    co_return true;
}

void exchange::refuse_by_quota(const shared::verdict& v, std::size_t index) {
    usage_.refused_by = index;
    give_back_quotas();
    refusal_ = refusal_of(v, count_quota_refusal(v));
    usage_.refusal_wait = refusal_.status == 429 ? v.wait : duration::zero();
}

// Returns whose quota it was.
std::string_view exchange::count_quota_refusal(const shared::verdict& v) {
    const auto& c = snapshot_->shared->clients[*client_];
    const std::string_view kind =
        usage_.refused_by < c.holder_kinds.size() ? c.holder_kinds[usage_.refused_by] : "pool";
    worker_.stats().quota_refusals.at({worker_.label(kind), c.label, worker_.label(core::name_of(v.limit))}).add();
    return kind;
}

// It was granted here and refused there: as if it had never been.
void exchange::give_back_quotas() noexcept {
    const std::size_t all = std::max(usage_.held, usage_.entered);
    for (std::size_t i = 0; i < all; ++i)
        (*holder_at(i))->give_back(held_of(i), began_, clock::now(), wall_clock::now());
    usage_.held = usage_.entered = 0;
}

void exchange::settle_quotas(const shared::amounts& real, time_point ended) noexcept {
    const std::size_t all = std::max(usage_.held, usage_.entered);
    if (all == 0) return;
    // No other look at a clock for a request's end.
    const auto wall = usage_.began_wall + std::chrono::duration_cast<wall_time::duration>(ended - began_);
    for (std::size_t i = 0; i < all; ++i) (*holder_at(i))->settle(held_of(i), real, began_, ended, wall);
    usage_.held = usage_.entered = 0;
}

// Low priority goes first when the pool runs short: what is left is for the others.
exchange::maybe_fault exchange::check_shed() {
    const pool& p = the_pool();
    if (!p.shed) return std::nullopt;
    const auto who = snapshot_->shared->clients[*client_].priority;
    if (who == config::priority_class::high) return std::nullopt;
    if (!core::shed(who, capacity_of(*snapshot_->shared, p, worker_.now(), !passes_token_), *p.shed))
        return std::nullopt;
    worker_.stats().shed.at({p.label, worker_.label(who == config::priority_class::low ? "low" : "normal")}).add();
    return fault{.code = "LowPriorityShed",
                 .who = origin::client,
                 .status = 429,
                 .message =
                     "The pool runs short, and this client's requests give way to more important ones. Try "
                     "again in a moment."};
}

// Until the first of the pool's backends that are shut opens again. What the rest has left comes back bit by bit.
duration exchange::until_pool_recovers() const {
    constexpr duration least = seconds(1), most = minutes(1);
    const time_point now = worker_.now();
    const live_pool live(*snapshot_->shared, the_pool(), !passes_token_);
    duration wait = duration::max();
    for (std::size_t i = 0; i < the_pool().backends.size(); ++i)
        if (const auto a = live.look(i, now); !a.usable) wait = std::min(wait, a.until - now);
    return wait == duration::max() ? least : std::clamp(wait, least, most);
}

// What is left to the client, in the fields that SDK users know from Azure; seconds are whole there.
void exchange::write_rate_fields(http::head_writer& w) const {
    if (!usage_.has_rate) return;
    const auto put = [&](http::field_id id, std::optional<std::int64_t> v) {
        if (v) w.field(id, static_cast<std::uint64_t>(std::max<std::int64_t>(0, *v)));
    };
    const auto whole = [](std::optional<duration> d) -> std::optional<std::int64_t> {
        if (!d) return std::nullopt;
        return std::chrono::ceil<seconds>(*d).count();
    };
    // The tightest of its holders tells: the one with the smallest part left.
    std::optional<shared::remaining> least;
    const auto part = [](const shared::remaining& r) {
        const auto of = [](std::optional<std::int64_t> left, std::optional<std::int64_t> limit) {
            return left && limit && *limit > 0 ? static_cast<double>(*left) / static_cast<double>(*limit) : 1.0;
        };
        return std::min(of(r.requests, r.limit_requests), of(r.tokens, r.limit_tokens));
    };
    for (std::size_t i = 0; const auto* h = holder_at(i); ++i) {
        const auto r = (*h)->remaining(worker_.now());
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
