#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <queue>
#include <set>

#include <spillway/core/exchange.hpp>
#include "circuit.hpp"

namespace spillway::core {

// What an attempt brings, and how long it takes.
struct attempt_result {
    outcome what;
    duration takes{milliseconds(50)};
};

inline outcome answer_of(int status) {
    outcome o;
    o.status = status;
    return o;
}
inline outcome failure_of(outcome_kind kind, int stands_for = 0) {
    outcome o;
    o.kind = kind;
    o.stands_for = stands_for;
    return o;
}

// A gateway before backends of one instance each, in virtual time: exchanges overlap, breakers are told of effects as
// the proxy tells them. The same seed gives the same run.
class simulated_gateway final : public pool_view {
public:
    using behaviour = std::function<attempt_result(std::uint32_t client, time_point now)>;

    simulated_gateway(std::vector<behaviour> of, std::uint64_t seed) : behave(std::move(of)), random_(seed) {
        std::vector<plan_member> members(behave.size(), {1, 1});
        plan_ = make_plan(members, {}, &weighted_random);
        balance_ = make_balancer_state(plan_);
        for (std::size_t i = 0; i < behave.size(); ++i) {
            backends.emplace_back(policy);
            instances.emplace_back(policy);
        }
        asked.resize(behave.size());
    }

    availability look(std::size_t i, time_point t) const override {
        return both(backends[i]->view(t), instances[i]->view(t));
    }
    std::uint32_t outstanding(std::size_t) const override { return 0; }
    double latency(std::size_t, time_point) const override { return 0; }
    core::claim claim(std::size_t i, time_point t, bool last_resort) override {
        core::claim out;
        if (!backends[i]->healthy() && !(out.backend = backends[i]->claim_trial(t, last_resort))) return {};
        if (!instances[i]->healthy() && !(out.instance = instances[i]->claim_trial(t, last_resort))) {
            if (out.backend) backends[i]->abandon_trial();
            return {};
        }
        out.good = true;
        return out;
    }
    bool can_renew(std::size_t) const override { return false; }
    std::size_t instance_of(std::size_t i) const override { return i; }

    // Requests of `client`, exponentially spaced over `length` from now; run() performs what was offered.
    void offer(std::uint32_t client, double per_second, duration length) {
        const time_point end = now + length;
        for (time_point t = now;;) {
            t += std::chrono::duration_cast<duration>(
                std::chrono::duration<double>(-std::log(1 - random_.unit()) / per_second));
            if (t >= end) return;
            at(t, [this, client] { arrive(client); });
        }
    }
    void run(duration length) {
        const time_point end = now + length;
        while (!events_.empty() && events_.top().when <= end) {
            const event e = events_.top();
            events_.pop();
            now = e.when;
            e.what();
        }
        now = end;
    }
    std::uint64_t opened() const {
        std::uint64_t n = 0;
        for (std::size_t i = 0; i < backends.size(); ++i)
            n += backends[i]->times_opened() + instances[i]->times_opened();
        return n;
    }

    struct tally {
        std::uint64_t offered{0}, served{0}, errors{0}, throttled{0}, attempts{0}, repeated{0};
        time_point last_error{};
        std::set<std::string> codes;
    };
    std::vector<behaviour> behave;
    std::vector<circuit> backends, instances;
    std::vector<std::uint64_t> asked;
    std::map<std::uint32_t, tally> clients;
    breaker_policy policy;
    retry_policy retry;
    exchange_deadlines deadlines;
    bool streams{true};
    time_point now{hours(1)};

private:
    struct event {
        time_point when;
        std::uint64_t order;
        std::function<void()> what;
        bool operator<(const event& other) const { return std::tie(when, order) > std::tie(other.when, other.order); }
    };
    struct request {
        std::uint32_t client{0};
        std::unique_ptr<exchange_machine> machine;
    };

    void at(time_point when, std::function<void()> what) { events_.push({when, order_++, std::move(what)}); }
    exchange_machine::world world() { return {*this, balance_, budget_, evidence_, random_}; }
    void arrive(std::uint32_t client) {
        ++clients[client].offered;
        request_facts f;
        f.began = now;
        f.streams = streams;
        f.client = client;
        auto r = std::make_shared<request>();
        r->client = client;
        r->machine = std::make_unique<exchange_machine>(plan_, retry, policy, deadlines, f);
        perform(r, r->machine->start(now, world()));
    }
    void perform(const std::shared_ptr<request>& r, const action& a) {
        auto& c = clients[r->client];
        if (a.what == action::kind::send) {
            ++c.attempts;
            ++asked[a.backend];
            const auto got = behave[a.backend](r->client, now);
            at(now + got.takes, [this, r, o = got.what] { receive(r, o); });
            return;
        }
        c.repeated += r->machine->attempts() > 1 ? 1 : 0;
        const auto tries = r->machine->tries();
        const int status = tries.empty() ? 0 : tries.back().status;
        if (a.what == action::kind::commit && status < 400 && tries.back().reason.empty()) {
            ++c.served;
            backends[tries.back().backend].clients().served(r->client, now, policy.window);
            instances[tries.back().backend].clients().served(r->client, now, policy.window);
            return;
        }
        ++c.errors;
        c.throttled += status == 429 || a.why.status == 429 ? 1 : 0;
        c.last_error = now;
        c.codes.insert(a.what == action::kind::commit ? std::to_string(status) : std::string(a.why.code));
    }
    void receive(const std::shared_ptr<request>& r, const outcome& o) {
        apply(r->client, r->machine->on_outcome(o, world()));
        const action next = r->machine->next(now, world());
        while (const auto e = r->machine->next_effect()) apply(r->client, *e);
        perform(r, next);
    }
    // As exchange::apply() of the proxy.
    void apply(std::uint32_t client, const effect& e) {
        failure f;
        f.told = e.told;
        f.proven = e.proven;
        f.last_resort = e.last_resort;
        f.jitter = random_.unit();
        auto& b = backends[e.backend];
        f.trial = e.ends.backend;
        switch (e.on_backend) {
            case backend_signal::none:
                if (f.trial) b->abandon_trial();
                break;
            case backend_signal::served: b.success(now, f.trial); break;
            case backend_signal::answered: b->on_success(now, f.trial); break;
            case backend_signal::throttled: b.throttled(now, e.told, f.trial); break;
            case backend_signal::doubt:
                if (f.trial) b->on_doubtful(now);
                break;
            case backend_signal::failure: b.failure(now, f); break;
            case backend_signal::missing:
                f.why = breaker_mode::misconfigured;
                f.proven = true;
                b.failure(now, f);
                break;
        }
        f.told.reset();
        auto& i = instances[e.backend];
        f.trial = e.ends.instance;
        f.proven = e.proven;
        switch (e.on_instance) {
            case instance_signal::none:
                if (f.trial) i->abandon_trial();
                break;
            case instance_signal::reachable: i.success(now, f.trial); break;
            case instance_signal::doubt:
                if (f.trial) i->on_doubtful(now);
                break;
            case instance_signal::misconfigured:
            case instance_signal::failure: {
                const bool refused = e.on_instance == instance_signal::misconfigured;
                if (refused) f.why = breaker_mode::misconfigured;
                if (!(refused || e.by_client) || i.clients().counts(client, now, policy.window)) i.failure(now, f);
                else if (f.trial) i->on_doubtful(now);
                break;
            }
        }
    }

    std::priority_queue<event> events_;
    std::uint64_t order_{0};
    random_source random_;
    pool_plan plan_;
    balancer_state balance_;
    retry_budget budget_{retry.budget};
    pool_evidence evidence_;
};

}  // namespace spillway::core
