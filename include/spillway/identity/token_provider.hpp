#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <spillway/config/identity.hpp>
#include <spillway/identity/json_web_token.hpp>
#include <spillway/net/tls_context.hpp>

namespace spillway::identity {

// What a provider has published. Immutable.
struct provider_keys {
    std::vector<std::string> issuers;
    key_set keys;
};

// What operators see.
struct provider_report {
    std::string name, source;
    std::size_t keys{0};
    key_set::passed_over left_out;  // of what was published last
    std::uint64_t refreshes{0}, failures{0};
    wall_time last_success{};
    std::string last_error;  // empty after a success
};

// One configured provider at run time: the keeper writes its keys, all workers read them. Kept over reloads, so that
// a reload never forgets keys.
class token_provider {
public:
    token_provider(std::string name, config::token_provider settings, net::ssl_ctx_ptr tls);

    const std::string& name() const noexcept { return name_; }
    const config::token_provider& settings() const noexcept { return settings_; }
    const net::ssl_ctx_ptr& tls() const noexcept { return tls_; }

    // Any thread. Null until keys were read for the first time.
    std::shared_ptr<const provider_keys> keys() const;
    // Changes whenever the keys do: what was verified before has to be verified again.
    std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }
    bool refreshing() const noexcept { return refreshing_.load(std::memory_order_acquire); }
    // A token named a key that is not known, or one that did not make its signature: the key may be new, or another
    // one under the same id. True when keys are being read, so that waiting may help; reading for
    // this reason happens at most once in `unknown_key`.
    bool ask_for_keys(time_point now);
    provider_report report() const;

    // For the keeper.
    void on_wake(std::function<void()> wake);
    void begin_refresh() noexcept { refreshing_.store(true, std::memory_order_release); }
    void end_refresh(result<provider_keys> found);

private:
    std::string name_;
    config::token_provider settings_;
    net::ssl_ctx_ptr tls_;
    mutable std::mutex mutex_;  // over what follows; a token in a worker's cache never gets here
    std::shared_ptr<const provider_keys> keys_;
    std::function<void()> wake_;
    provider_report report_;
    std::atomic<std::uint64_t> version_{0};
    std::atomic<bool> refreshing_{true};  // until the first answer
    std::atomic<duration::rep> next_unknown_{0};
};

// A provider as one configuration trusts it.
struct trusted_provider {
    std::shared_ptr<token_provider> source;
    std::string tenant;  // empty: no Entra tenant
    std::vector<std::string> audiences, passthrough_audiences;
    duration skew{minutes(2)};
};
using provider_list = std::vector<trusted_provider>;

// A token on its way from bytes to claims.
struct verified_token {
    core::token_error error{core::token_error::malformed};
    std::size_t provider{0};   // whose it is; meaningful unless unknown_issuer or malformed
    std::uint64_t version{0};  // of the provider's keys
    bool signature_checked{false};
    bool passthrough_only{false};  // made for Azure's own API: may be passed on, and opens nothing else
    core::token_claims claims;
    wall_time believed_until{};
};

// Form, issuer, key, signature, claims, in this order. RSA: tens of microseconds; callers cache the result.
verified_token verify_token(std::string_view token, const provider_list& providers, wall_time now);

}  // namespace spillway::identity
