#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include <spillway/base/secret_text.hpp>
#include <spillway/base/time.hpp>

namespace spillway::credentials {

// A token as requests carry it. Immutable.
struct bearer {
    secret_text field_value;  // "Bearer ..."
    std::uint64_t version{0};
    time_point expires{};
};

// What operators see of one identity and scope. Holds no secret.
struct token_report {
    std::string credential, source, scope;
    bool usable{false};
    time_point expires{}, next{};  // next: refresh or repeat
    std::uint64_t refreshes{0}, failures{0};
    std::uint32_t failures_in_a_row{0};
    std::string last_error;  // empty after a success
};

// The token of one identity for one scope, shared by all instances that use it: a keeper writes it, all workers read
// it. Kept over reloads.
class token_cell {
public:
    // Any thread, no lock. Zero: there is none yet.
    std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }
    bool usable(time_point now) const noexcept {
        return now.time_since_epoch().count() < usable_until_.load(std::memory_order_acquire);
    }
    // The first token is being asked for, so waiting for it is better than refusing.
    bool starting() const noexcept { return starting_.load(std::memory_order_acquire); }
    bool renewing() const noexcept { return renewing_.load(std::memory_order_acquire); }

    // Any thread; takes a lock, so read it again only when the version has changed.
    std::shared_ptr<const bearer> get() const;
    // A backend has refused the token of that version. One renewal for all who say so, and none when another token
    // is here already. `claims` is what the backend asked to be proven, for the token's issuer; may be empty.
    // False: no new token may be asked for yet, because the last renewal was too short ago.
    bool renew(std::uint64_t refused_version, const std::string& claims, time_point now);
    token_report report() const;

    // For the keeper.
    void on_renewal(std::function<void()> wake);
    std::string take_claims();
    void begin() noexcept { renewing_.store(true, std::memory_order_release); }
    void publish(secret_text field_value, time_point expires);
    void fail(const std::string& why);
    void finish(time_point next) noexcept;
    void describe(std::string credential, std::string source, std::string scope);

private:
    mutable std::mutex mutex_;  // over what is no atomic
    std::shared_ptr<const bearer> current_;
    std::function<void()> wake_;
    std::string claims_;
    token_report report_;
    std::atomic<std::uint64_t> version_{0};
    std::atomic<duration::rep> usable_until_{0};
    std::atomic<duration::rep> next_renewal_{0};
    std::atomic<bool> starting_{true}, renewing_{true};
};

}  // namespace spillway::credentials
