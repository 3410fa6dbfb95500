#include <spillway/credentials/token.hpp>

namespace spillway::credentials {
namespace {

// A role that is missing is not mended by asking the token's issuer again and again.
constexpr duration between_renewals = seconds(30);

}  // namespace

std::shared_ptr<const bearer> token_cell::get() const {
    const std::lock_guard lock(mutex_);
    return current_;
}

bool token_cell::renew(std::uint64_t refused_version, const std::string& claims, time_point now) {
    if (version() != refused_version || renewing()) return true;
    auto next = next_renewal_.load(std::memory_order_relaxed);
    if (now.time_since_epoch().count() < next) return false;
    const auto after = (now + between_renewals).time_since_epoch().count();
    if (!next_renewal_.compare_exchange_strong(next, after)) return true;
    begin();
    const std::lock_guard lock(mutex_);
    claims_ = claims;
    if (wake_) wake_();
    return true;
}

token_report token_cell::report() const {
    const std::lock_guard lock(mutex_);
    token_report out = report_;
    out.usable = usable(clock::now());
    return out;
}

void token_cell::on_renewal(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
}

std::string token_cell::take_claims() {
    const std::lock_guard lock(mutex_);
    return std::exchange(claims_, {});
}

void token_cell::publish(secret_text field_value, time_point expires) {
    auto next = std::make_shared<bearer>();
    next->field_value = std::move(field_value);
    next->expires = expires;
    const std::lock_guard lock(mutex_);
    next->version = version() + 1;
    current_ = std::move(next);
    report_.expires = expires;
    ++report_.refreshes;
    report_.failures_in_a_row = 0;
    report_.last_error.clear();
    usable_until_.store(expires.time_since_epoch().count(), std::memory_order_release);
    version_.fetch_add(1, std::memory_order_release);
}

void token_cell::fail(const std::string& why) {
    const std::lock_guard lock(mutex_);
    ++report_.failures;
    ++report_.failures_in_a_row;
    report_.last_error = why;
}

void token_cell::finish(time_point next) noexcept {
    {
        const std::lock_guard lock(mutex_);
        report_.next = next;
    }
    starting_.store(false, std::memory_order_release);
    renewing_.store(false, std::memory_order_release);
}

void token_cell::describe(std::string credential, std::string source, std::string scope) {
    const std::lock_guard lock(mutex_);
    report_.credential = std::move(credential);
    report_.source = std::move(source);
    report_.scope = std::move(scope);
}

}  // namespace spillway::credentials
