#include <spillway/identity/token_provider.hpp>

#include <algorithm>

namespace spillway::identity {

token_provider::token_provider(std::string name, config::token_provider settings, net::ssl_ctx_ptr tls)
    : name_(std::move(name)), settings_(std::move(settings)), tls_(std::move(tls)) {
    report_.name = name_;
    report_.source = settings_.tenant.empty() ? settings_.issuer : settings_.authority + "/" + settings_.tenant;
}

std::shared_ptr<const provider_keys> token_provider::keys() const {
    const std::lock_guard lock(mutex_);
    return keys_;
}

bool token_provider::ask_for_keys(time_point now) {
    if (refreshing()) return true;
    auto next = next_unknown_.load(std::memory_order_relaxed);
    const auto mine = now.time_since_epoch().count();
    if (mine < next) return false;
    const auto after = (now + settings_.unknown_key).time_since_epoch().count();
    // Another thread was first: its refresh is under way.
    if (!next_unknown_.compare_exchange_strong(next, after)) return true;
    begin_refresh();
    const std::lock_guard lock(mutex_);
    if (wake_) wake_();
    return true;
}

provider_report token_provider::report() const {
    const std::lock_guard lock(mutex_);
    return report_;
}

void token_provider::on_wake(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
}

void token_provider::end_refresh(result<provider_keys> found) {
    const std::lock_guard lock(mutex_);
    if (found) {
        ++report_.refreshes;
        report_.last_success = wall_clock::now();
        report_.last_error.clear();
        report_.keys = found->keys.size();
        report_.left_out = found->keys.left_out();
        if (!keys_ || keys_->issuers != found->issuers || keys_->keys.ids() != found->keys.ids()) {
            keys_ = std::make_shared<const provider_keys>(std::move(*found));
            version_.fetch_add(1, std::memory_order_release);
        }
    } else {
        ++report_.failures;
        report_.last_error = found.error().message;
    }
    refreshing_.store(false, std::memory_order_release);
}

verified_token verify_token(std::string_view token, const provider_list& providers, wall_time now) {
    verified_token out;
    token_head head;
    out.error = read_head(token, head);
    if (out.error != core::token_error::none) return out;
    std::shared_ptr<const provider_keys> keys;
    std::optional<std::size_t> unread;  // a provider without keys yet may be the one
    out.error = core::token_error::unknown_issuer;
    for (std::size_t i = 0; i < providers.size(); ++i) {
        out.version = providers[i].source->version();
        keys = providers[i].source->keys();
        out.provider = i;
        if (!keys) {
            if (!unread) unread = i;
            continue;
        }
        if (std::find(keys->issuers.begin(), keys->issuers.end(), head.issuer) == keys->issuers.end()) {
            keys.reset();
            continue;
        }
        break;
    }
    if (!keys) {
        if (unread) {
            out.provider = *unread;
            out.error = core::token_error::keys_missing;
        }
        return out;
    }
    std::string payload;
    out.error = verify_signature(token, keys->keys, head, payload);
    out.signature_checked = out.error != core::token_error::unknown_key;
    if (out.error == core::token_error::none) out.error = read_claims(payload, out.claims);
    if (out.error != core::token_error::none) return out;
    const auto& trusted = providers[out.provider];
    core::token_expectation wanted{keys->issuers, trusted.tenant, trusted.audiences, trusted.skew};
    out.error = core::judge_claims(out.claims, wanted, now);
    if (out.error == core::token_error::wrong_audience && !trusted.passthrough_audiences.empty()) {
        wanted.audiences = trusted.passthrough_audiences;
        out.error = core::judge_claims(out.claims, wanted, now);
        out.passthrough_only = true;
    }
    out.believed_until = core::believed_until(out.claims, wanted);
    return out;
}

}  // namespace spillway::identity
