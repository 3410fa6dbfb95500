#pragma once

#include <functional>
#include <memory>

#include <spillway/base/random.hpp>
#include <spillway/identity/discovery.hpp>
#include <spillway/identity/token_provider.hpp>
#include <spillway/net/fetch.hpp>

namespace spillway::identity {

// Reads a provider's keys by OpenID discovery and again before they grow old, at once when a token names an unknown
// key. A failure keeps the last good keys and is repeated with growing pauses. Belongs to its loop's thread.
class key_keeper {
public:
    key_keeper(net::fetcher& by, std::shared_ptr<token_provider> of, std::uint64_t seed);
    key_keeper(const key_keeper&) = delete;
    key_keeper& operator=(const key_keeper&) = delete;
    ~key_keeper();

    // Called on trouble: the first failure of a row, and its end; keys that were published and cannot be used. Set
    // before run().
    void on_trouble(std::function<void(std::string)> tell) { tell_ = std::move(tell); }
    // Called when keys came or did not. Set before run().
    void on_answer(std::function<void()> tell) { answered_ = std::move(tell); }
    // Runs until stop().
    net::task<> run();
    void stop() noexcept;

private:
    net::task<result<provider_keys>> read();
    net::task<result<std::string>> document(std::string url);
    net::task<result<discovery>> discover(std::string url);

    void tell_left_out(const key_set::passed_over& now);

    net::fetcher& fetcher_;
    std::shared_ptr<token_provider> provider_;
    random_source random_;
    net::interrupt wake_, stop_;
    std::shared_ptr<key_keeper*> self_;  // null once this object is gone, for what was posted before
    bool stopping_{false};
    key_set::passed_over left_out_;  // as it was told last
    std::function<void(std::string)> tell_;
    std::function<void()> answered_;
};

}  // namespace spillway::identity
