#pragma once

#include <memory>

#include <spillway/core/breaker.hpp>

namespace spillway::core {

// A breaker with what it judges by, as the proxy keeps them together, without its lock.
class circuit {
public:
    explicit circuit(const breaker_policy& policy)
        : breaker_(policy), window_(std::make_unique<evidence_window>(policy.window)) {}

    void success(time_point now, bool trial = false) {
        window_->success(now);
        change([&] { breaker_.on_success(now, trial); });
    }
    void failure(time_point now, core::failure f = {}) {
        change([&] {
            breaker_.on_failure(now, f, breaker_.healthy() ? window_->failure(now) : evidence_window::tally{});
        });
    }
    void turned(time_point began, time_point now) {
        breaker_.on_failure(now, {}, breaker_.healthy() ? window_->turned(began, now) : evidence_window::tally{});
    }
    void throttled(time_point now, std::optional<duration> told, bool trial = false) {
        change([&] { breaker_.on_throttled(now, told, trial); });
    }
    void proof(bool whole = true) {
        change([&] { breaker_.on_proof(whole); });
    }
    breaker* operator->() { return &breaker_; }
    const breaker* operator->() const { return &breaker_; }
    client_evidence& clients() { return *clients_; }

private:
    template <class F>
    void change(F&& f) {
        const bool sick = !breaker_.healthy();
        f();
        if (sick && breaker_.healthy()) {
            window_->clear();
            clients_->clear();
        }
    }
    breaker breaker_;
    std::unique_ptr<evidence_window> window_;  // so that a circuit can be moved
    std::unique_ptr<client_evidence> clients_ = std::make_unique<client_evidence>();
};

}  // namespace spillway::core
