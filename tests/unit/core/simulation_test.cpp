// Virtual hours of throttling and outages: what the decisions do together. No thread, no clock, no chance: the same
// seed gives the same run.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <queue>

#include <spillway/core/exchange.hpp>

#include "circuit.hpp"

namespace spillway::core {
namespace simulation_test {

// Provisioned deployments tell the exact wait, standard ones round it up to whole seconds.
enum class told_as { milliseconds, seconds };

// A deployment with a token bucket, as Azure counts: refuses with the time after which it has room again.
class deployment {
public:
    deployment(double per_second, double burst, duration takes, told_as form)
        : latency(takes), rate_(per_second), burst_(burst), tokens_(burst), form_(form) {}

    const duration latency;
    bool broken{false};
    std::uint64_t asked{0};

    outcome answer(time_point now) {
        ++asked;
        outcome o;
        if (broken) {
            o.status = 500;
            return o;
        }
        refill(now);
        if (tokens_ >= 1) {
            tokens_ -= 1;
            o.status = 200;
            return o;
        }
        o.status = 429;
        o.has_retry_after = true;
        const std::chrono::duration<double> wait((1 - tokens_) / rate_);
        if (form_ == told_as::milliseconds) o.told = std::chrono::ceil<milliseconds>(wait);
        else o.told = std::chrono::ceil<seconds>(wait);
        return o;
    }
    bool has_room(time_point now) {
        refill(now);
        return !broken && tokens_ >= 1;
    }

private:
    void refill(time_point now) {
        if (last_ != time_point{}) tokens_ = std::min(burst_, tokens_ + rate_ * seconds_between(last_, now));
        last_ = now;
    }
    double rate_, burst_, tokens_;
    told_as form_;
    time_point last_{};
};

struct world_totals {
    std::uint64_t offered{0}, served{0}, errors{0}, throttled_errors{0};
    std::uint64_t sent_too_early{0};      // to a backend before its told time was over
    std::uint64_t refused_needlessly{0};  // errors while a backend had had room for a while
    std::uint64_t passed_over{0};         // requests that did not begin at the highest priority though it was open
    std::uint64_t attempts{0}, failures_received{0};
};

class simulation;

// One gateway process: breakers and the retry budget are shared, each worker has its own balancer.
class gateway final : public pool_view {
public:
    gateway(simulation& in, std::size_t workers, const pool_plan& plan);

    availability look(std::size_t i, time_point now) const override { return breakers[i]->view(now); }
    std::uint32_t outstanding(std::size_t i) const override { return flying[i]; }
    double latency(std::size_t, time_point) const override { return 0; }
    core::claim claim(std::size_t i, time_point now, bool last_resort) override {
        const bool good = breakers[i]->claim_trial(now, last_resort);
        return {good, good, false};
    }
    std::size_t instance_of(std::size_t i) const override { return i; }
    bool can_renew(std::size_t) const override { return false; }

    std::vector<circuit> breakers;
    std::vector<std::uint32_t> flying;
    std::vector<time_point> told_until;
    retry_budget budget;
    pool_evidence evidence;
    std::vector<balancer_state> balances;
};

class simulation {
public:
    simulation(std::vector<deployment> of, std::size_t gateways, std::uint64_t seed)
        : backends(std::move(of)), random(seed) {
        policy.max_open = seconds(60);
        std::vector<plan_member> members;
        for (std::size_t i = 0; i < backends.size(); ++i) members.push_back({i == 0 ? 1U : 2U, 1});
        plan = make_plan(members, {}, &weighted_random);
        for (std::size_t i = 0; i < gateways; ++i) gates.push_back(std::make_unique<gateway>(*this, 2, plan));
    }

    // Requests of all clients together, exponentially spaced, from `now` for `length`.
    void offer(double per_second, duration length) {
        const time_point end = now + length;
        for (time_point t = now;;) {
            t += std::chrono::duration_cast<duration>(
                std::chrono::duration<double>(-std::log(1 - random.unit()) / per_second));
            if (t >= end) break;
            at(t, [this] { arrive(); });
        }
        while (!events.empty() && events.top().when <= end) step();
        now = end;
    }
    void finish() {
        while (!events.empty()) step();
    }
    void at(time_point when, std::function<void()> what) { events.push({when, order++, std::move(what)}); }

    std::vector<deployment> backends;
    random_source random;
    breaker_policy policy;
    retry_policy retry;
    pool_plan plan;
    std::vector<std::unique_ptr<gateway>> gates;
    world_totals totals;
    time_point now{hours(1)};
    std::uint32_t clients{20};
    bool strict{true};  // count what is needless: only while nobody is broken

private:
    struct event {
        time_point when;
        std::uint64_t order;
        std::function<void()> what;
        bool operator<(const event& other) const { return std::tie(when, order) > std::tie(other.when, other.order); }
    };
    struct request {
        request(gateway& of, std::size_t by, simulation& s)
            : g(of), worker(by), machine(s.plan, s.retry, s.policy, {}, facts(s)) {}
        static request_facts facts(simulation& s) {
            request_facts f;
            f.began = s.now;
            f.client = s.random.below(s.clients);
            return f;
        }
        gateway& g;
        std::size_t worker;
        exchange_machine machine;
    };

    void step() {
        const event e = events.top();
        events.pop();
        now = e.when;
        e.what();
    }
    exchange_machine::world world_of(request& r) {
        return {r.g, r.g.balances[r.worker], r.g.budget, r.g.evidence, random};
    }
    void arrive() {
        ++totals.offered;
        auto& g = *gates[random.below(static_cast<std::uint32_t>(gates.size()))];
        auto r = std::make_shared<request>(g, random.below(2), *this);
        // Reckoned from what the backend told, not from what the breaker says of itself.
        const bool first_is_open = strict && now >= g.told_until[0];
        const auto a = r->machine.start(now, world_of(*r));
        if (a.what == action::kind::send && a.backend != 0 && first_is_open) ++totals.passed_over;
        perform(r, a);
    }
    void perform(const std::shared_ptr<request>& r, const action& a) {
        if (a.what == action::kind::commit) {
            ++totals.served;
            return;
        }
        if (a.what == action::kind::reply) {
            ++totals.errors;
            totals.throttled_errors += a.why.status == 429;
            judge_refusal(*r);
            return;
        }
        auto& b = backends[a.backend];
        if (now < r->g.told_until[a.backend]) ++totals.sent_too_early;
        ++totals.attempts;
        ++r->g.flying[a.backend];
        const outcome o = b.answer(now);
        const duration takes = o.status == 200 ? b.latency : milliseconds(5);
        at(now + takes, [this, r, o, i = a.backend] { receive(r, i, o); });
    }
    void receive(const std::shared_ptr<request>& r, std::size_t i, const outcome& o) {
        --r->g.flying[i];
        totals.failures_received += o.status == 500;
        apply(r->g, r->machine.on_outcome(o, world_of(*r)));
        const action next = r->machine.next(now, world_of(*r));
        while (const auto e = r->machine.next_effect()) apply(r->g, *e);
        perform(r, next);
    }
    void apply(gateway& g, const effect& e) {
        auto& b = g.breakers[e.backend];
        failure f;
        f.told = e.told;
        f.trial = e.ends.backend;
        f.proven = e.proven;
        f.last_resort = e.last_resort;
        f.jitter = random.unit();
        switch (e.on_backend) {
            case backend_signal::served: b.success(now, f.trial); break;
            case backend_signal::throttled:
                b.throttled(now, e.told, f.trial);
                g.told_until[e.backend] =
                    std::max(g.told_until[e.backend], now + std::max(*e.told, policy.min_pause));
                break;
            case backend_signal::failure: b.failure(now, f); break;
            case backend_signal::doubt:
                if (f.trial) b->on_doubtful(now);
                break;
            default:
                if (f.trial) b->abandon_trial();
                break;
        }
    }
    // An error is needless when a backend has room for which no refusal of the last moments can be blamed.
    void judge_refusal(const request& r) {
        if (!strict) return;
        for (std::size_t i = 0; i < backends.size(); ++i)
            if (backends[i].has_room(now) && now > r.g.told_until[i] + milliseconds(30)) ++totals.refused_needlessly;
    }

    std::priority_queue<event> events;
    std::uint64_t order{0};
};

gateway::gateway(simulation& in, std::size_t workers, const pool_plan& plan) : budget(in.retry.budget) {
    for (std::size_t i = 0; i < in.backends.size(); ++i) breakers.emplace_back(in.policy);
    flying.resize(in.backends.size());
    told_until.resize(in.backends.size());
    for (std::size_t i = 0; i < workers; ++i) balances.push_back(make_balancer_state(plan));
}

// Provisioned for 20 requests a second, two standard deployments for 15 each.
std::vector<deployment> usual() {
    return {deployment(20, 20, milliseconds(200), told_as::milliseconds),
            deployment(15, 30, milliseconds(300), told_as::seconds),
            deployment(15, 30, milliseconds(300), told_as::seconds)};
}

TEST(simulation, overflow_is_served_without_an_error_while_anybody_has_room) {
    simulation s(usual(), 2, 1);
    for (int cycle = 0; cycle < 6; ++cycle) {
        s.offer(15, minutes(10));  // below the provisioned capacity
        s.offer(40, minutes(10));  // above it, within all three
    }
    s.finish();
    EXPECT_GT(s.totals.offered, 190'000U);
    EXPECT_EQ(s.totals.refused_needlessly, 0U);
    EXPECT_EQ(s.totals.sent_too_early, 0U);
    EXPECT_EQ(s.totals.passed_over, 0U);
    // Chance brings bursts that nobody has room for; they are rare.
    EXPECT_LT(s.totals.errors, s.totals.offered / 1000);
    EXPECT_EQ(s.totals.errors, s.totals.throttled_errors);
    EXPECT_GT(s.backends[0].asked, s.totals.offered / 3);
}

TEST(simulation, more_than_everybody_can_serve_is_told_as_429_and_hammers_nobody) {
    simulation s(usual(), 2, 2);
    s.offer(150, minutes(20));  // three times what there is
    s.finish();
    EXPECT_EQ(s.totals.refused_needlessly, 0U);
    EXPECT_EQ(s.totals.sent_too_early, 0U);
    EXPECT_EQ(s.totals.errors, s.totals.throttled_errors);
    // What could be served was served: fifty a second, less the moments until a told time is over.
    EXPECT_GT(s.totals.served, 20U * 60U * 50U * 85U / 100U);
    // Refusals by backends stay few against what was turned away at the door.
    EXPECT_LT(s.totals.attempts, s.totals.served * 4);
}

TEST(simulation, an_outage_of_one_backend_is_invisible_and_ends_by_itself) {
    simulation s(usual(), 2, 3);
    s.strict = false;
    s.offer(30, minutes(5));
    s.backends[0].broken = true;
    const auto asked = s.backends[0].asked;
    s.offer(20, hours(1));
    // Five failures and those in flight open each of the two breakers; then a trial at most every 54 seconds.
    EXPECT_LT(s.backends[0].asked - asked, 2U * (30U + 3600U / 10U));
    EXPECT_EQ(s.totals.errors, s.totals.throttled_errors);
    EXPECT_LT(s.totals.errors, 20U);
    s.backends[0].broken = false;
    const auto before = s.backends[0].asked;
    s.offer(20, seconds(70));  // the longest pause is a minute, and a tenth of jitter
    EXPECT_GT(s.backends[0].asked - before, 20U);
    const auto back = s.backends[0].asked;
    s.offer(10, minutes(1));
    s.finish();
    EXPECT_GT(s.backends[0].asked - back, 500U);
}

TEST(simulation, a_total_outage_is_not_multiplied) {
    simulation s(usual(), 2, 4);
    s.strict = false;
    s.offer(40, minutes(2));
    for (auto& b : s.backends) b.broken = true;
    const auto before = s.totals;
    s.offer(100, minutes(30));
    s.finish();
    const auto reached = s.totals.attempts - before.attempts;
    // The breakers keep nearly everything at the door: each of the two gateways tries each of the three backends once
    // a second. The budget holds even until they open.
    EXPECT_LT(reached, 2 * 3 * 1800U * 11 / 10);
    for (auto& b : s.backends) b.broken = false;
    const auto errors = s.totals.errors;
    s.offer(40, seconds(70));
    const auto settled = s.totals.errors;
    s.offer(40, minutes(5));
    s.finish();
    EXPECT_GT(settled, errors);  // until the first trials
    EXPECT_LT(s.totals.errors - settled, 20U);
}

TEST(simulation, without_breakers_the_budget_alone_bounds_the_load_of_an_outage) {
    simulation s(usual(), 1, 5);
    s.strict = false;
    s.policy.failures = 1000;
    s.policy.window = milliseconds(100);
    s.gates[0] = std::make_unique<gateway>(s, 2, s.plan);
    for (auto& b : s.backends) b.broken = true;
    s.offer(100, minutes(10));
    s.finish();
    const double offered = static_cast<double>(s.totals.offered), allowance = 10 + 3 * 600.0;
    EXPECT_LE(static_cast<double>(s.totals.attempts), offered * 1.1 + allowance);
    EXPECT_GT(static_cast<double>(s.totals.attempts), offered);
}

TEST(simulation, the_same_seed_gives_the_same_run) {
    const auto run = [] {
        simulation s(usual(), 2, 42);
        s.offer(60, minutes(5));
        s.finish();
        return std::tuple(s.totals.offered, s.totals.served, s.totals.attempts, s.backends[1].asked);
    };
    EXPECT_EQ(run(), run());
}

}  // namespace simulation_test
}  // namespace spillway::core
