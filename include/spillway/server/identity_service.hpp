#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <spillway/credentials/token_keeper.hpp>
#include <spillway/identity/key_keeper.hpp>

namespace spillway::server {

// The thread that talks to identity providers, so that no worker ever does: reads keys, keeps the gateway's tokens
// fresh. What it keeps outlives reloads. All calls come from the main thread.
class identity_service {
public:
    using alarm = std::function<void(std::string)>;

    // `tokens_changed` and what on_answer() sets are called on the service's own thread. `dry`: no request is
    // sent, as when a configuration is only checked.
    explicit identity_service(alarm tell, std::function<void()> tokens_changed = {}, bool dry = false);
    ~identity_service();  // stop()
    identity_service(const identity_service&) = delete;
    identity_service& operator=(const identity_service&) = delete;

    // Ends the thread, which gives up what it is asking for. Nothing may be asked for afterwards.
    void stop() noexcept;

    // Called once now, in case that something has come already, and whenever a token or keys came or did not.
    void on_answer(std::function<void()> tell);

    // The provider of that name, the running one when it stands for the same keys.
    std::shared_ptr<identity::token_provider> provider(const std::string& name, const config::token_provider& from,
                                                       const net::ssl_ctx_ptr& tls);
    // The token of an identity for a scope. `proof` is a digest of the secret: when it is another one than before,
    // the source takes over, while the present token serves on.
    struct wanted_token {
        std::string credential;  // name, for people
        std::string identity;    // config::credential_identity
        std::string scope, proof;
    };
    std::shared_ptr<credentials::token_cell> token(const wanted_token& what,
                                                   std::unique_ptr<credentials::token_source> source);
    // What a configuration asks for lies between begin() and one of the two others. keep_round(): it runs, so what is
    // new begins its work, and what was asked for before begin() and not after it ends. drop_round(): it was refused,
    // and nothing of it has happened.
    void begin() noexcept;
    void keep_round();
    // The way out of the round that has begun; it is taken once the round is kept.
    void use_proxies(net::proxy_rules rules) { proxies_ = std::move(rules); }
    void drop_round() noexcept;
    // Stays, though its source could not be made anew.
    void keep(const std::shared_ptr<credentials::token_cell>& cell) noexcept;

    std::vector<identity::provider_report> providers() const;
    std::vector<credentials::token_report> tokens() const;

private:
    struct provider_entry {
        std::shared_ptr<identity::token_provider> provider;
        std::shared_ptr<identity::key_keeper> keeper;
        std::uint64_t round{0};
        bool fresh{false};  // of the round that is neither kept nor dropped yet
    };
    struct token_entry {
        std::shared_ptr<credentials::token_cell> cell;
        std::shared_ptr<credentials::token_keeper> keeper;
        std::string proof;
        std::uint64_t round{0};
        bool fresh{false};
    };
    void answered(bool token) const;
    void start();
    template <class Keeper>
    void run(std::shared_ptr<Keeper> keeper);
    template <class Keeper>
    void end(const std::shared_ptr<Keeper>& keeper);

    alarm tell_;
    std::function<void()> tokens_changed_, answered_;  // the second belongs to the service's thread
    bool dry_;
    net::loop loop_;
    net::proxy_rules proxies_, kept_proxies_;
    std::unique_ptr<net::fetcher> fetcher_;  // made when something is to be fetched
    std::uint64_t seed_, round_{1};
    std::map<std::string, provider_entry> providers_;
    std::map<std::string, token_entry> tokens_;
    std::vector<std::function<void()>> when_kept_;  // what the present round begins
    std::size_t running_{0};                        // of the loop's thread
    bool ending_{false};
    std::thread thread_;
};

}  // namespace spillway::server
