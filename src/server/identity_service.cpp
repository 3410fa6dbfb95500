#include <spillway/server/identity_service.hpp>

#include <random>

#include <spillway/base/threads.hpp>

namespace spillway::server {

identity_service::identity_service(alarm tell, std::function<void()> tokens_changed, bool dry)
    : tell_(std::move(tell)), tokens_changed_(std::move(tokens_changed)), dry_(dry), seed_(std::random_device()()) {}

identity_service::~identity_service() { stop(); }

void identity_service::stop() noexcept {
    if (!thread_.joinable()) return;
    loop_.post([this] {
        ending_ = true;
        for (auto& [name, p] : providers_) p.keeper->stop();
        for (auto& [name, t] : tokens_) t.keeper->stop();
        if (running_ == 0) loop_.stop();
    });
    thread_.join();
    providers_.clear();
    tokens_.clear();
    fetcher_.reset();
}

void identity_service::on_answer(std::function<void()> tell) {
    loop_.post([this, tell = std::move(tell)]() mutable {
        answered_ = std::move(tell);
        answered_();
    });
}

void identity_service::answered(bool token) const {
    if (token && tokens_changed_) tokens_changed_();
    if (answered_) answered_();
}

// Most configurations with API keys alone need neither the thread nor the resolver's.
void identity_service::start() {
    if (dry_ || thread_.joinable()) return;
    fetcher_ = std::make_unique<net::fetcher>(loop_);
    fetcher_->use_proxies(proxies_);
    thread_ = std::thread([this] {
        block_signals();
        loop_.run();
    });
}

template <class Keeper>
void identity_service::run(std::shared_ptr<Keeper> keeper) {
    keeper->on_trouble(tell_);
    loop_.post([this, keeper] {
        ++running_;
        net::spawn(keeper->run(), [this, keeper](const std::exception_ptr& failure) {
            if (failure) tell_("the identity thread lost one of its tasks by an exception");
            if (--running_ == 0 && ending_) loop_.stop();
        });
    });
}

template <class Keeper>
void identity_service::end(const std::shared_ptr<Keeper>& keeper) {
    loop_.post([keeper] { keeper->stop(); });
}

std::shared_ptr<identity::token_provider> identity_service::provider(const std::string& name,
                                                                     const config::token_provider& from,
                                                                     const net::ssl_ctx_ptr& tls) {
    start();
    // A refused configuration must not take the keys away from the running one, so both have their entry.
    std::string key = name + "|" + std::to_string(reinterpret_cast<std::uintptr_t>(tls.get()));
    for (const auto* part : {&from.tenant, &from.issuer, &from.authority}) key += "|" + *part;
    for (const auto& host : from.jwks_hosts) key += "|" + host;
    for (const auto part : {from.refresh.count(), from.unknown_key.count(), duration::rep{from.insecure}})
        key += "|" + std::to_string(part);
    auto& entry = providers_[key];
    if (!entry.provider) {
        entry.provider = std::make_shared<identity::token_provider>(name, from, tls);
        entry.fresh = true;
        if (!dry_) {
            entry.keeper = std::make_shared<identity::key_keeper>(*fetcher_, entry.provider, ++seed_);
            entry.keeper->on_answer([this] { answered(false); });
            when_kept_.emplace_back([this, keeper = entry.keeper] { run(keeper); });
        }
    }
    entry.round = round_;
    return entry.provider;
}

std::shared_ptr<credentials::token_cell> identity_service::token(const wanted_token& what,
                                                                 std::unique_ptr<credentials::token_source> source) {
    start();
    auto& entry = tokens_[what.identity + "|" + what.scope];
    if (!entry.cell) {
        entry.cell = std::make_shared<credentials::token_cell>();
        entry.cell->describe(what.credential, source->describe(), what.scope);
        entry.proof = what.proof;
        entry.fresh = true;
        if (!dry_) {
            entry.keeper = std::make_shared<credentials::token_keeper>(*fetcher_, entry.cell, std::move(source),
                                                                       what.scope, ++seed_);
            entry.keeper->on_answer([this] { answered(true); });
            when_kept_.emplace_back([this, keeper = entry.keeper] { run(keeper); });
        }
    } else if (entry.keeper && entry.proof != what.proof) {
        when_kept_.emplace_back(
            [this, &entry, what,
             next = std::make_shared<std::unique_ptr<credentials::token_source>>(std::move(source))] {
                entry.proof = what.proof;
                entry.cell->describe(what.credential, (*next)->describe(), what.scope);
                loop_.post([keeper = entry.keeper, next] { keeper->adopt(std::move(*next)); });
            });
    }
    entry.round = round_;
    return entry.cell;
}

void identity_service::begin() noexcept {
    drop_round();
    ++round_;
}

void identity_service::keep_round() {
    if (thread_.joinable()) loop_.post([this, rules = proxies_] { fetcher_->use_proxies(rules); });
    kept_proxies_ = proxies_;
    for (const auto& begin : std::exchange(when_kept_, {})) begin();
    const auto drop = [this](auto& all) {
        for (auto at = all.begin(); at != all.end();) {
            at->second.fresh = false;
            if (at->second.round == round_) {
                ++at;
                continue;
            }
            end(at->second.keeper);
            at = all.erase(at);
        }
    };
    drop(providers_);
    drop(tokens_);
}

void identity_service::drop_round() noexcept {
    proxies_ = kept_proxies_;
    when_kept_.clear();
    std::erase_if(providers_, [](const auto& e) { return e.second.fresh; });
    std::erase_if(tokens_, [](const auto& e) { return e.second.fresh; });
}

void identity_service::keep(const std::shared_ptr<credentials::token_cell>& cell) noexcept {
    for (auto& [key, entry] : tokens_)
        if (entry.cell == cell) entry.round = round_;
}

std::vector<identity::provider_report> identity_service::providers() const {
    std::vector<identity::provider_report> out;
    for (const auto& [name, p] : providers_) out.push_back(p.provider->report());
    return out;
}

std::vector<credentials::token_report> identity_service::tokens() const {
    std::vector<credentials::token_report> out;
    for (const auto& [name, t] : tokens_) out.push_back(t.cell->report());
    return out;
}

}  // namespace spillway::server
