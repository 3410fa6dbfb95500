#pragma once

#include <functional>
#include <memory>

#include <spillway/base/random.hpp>
#include <spillway/credentials/source.hpp>
#include <spillway/credentials/token.hpp>

namespace spillway::credentials {

// Keeps one cell filled: the first token at once, the next ones ahead of any need, single flight. While a source
// fails, the old token serves until its end. Belongs to its loop's thread.
class token_keeper {
public:
    token_keeper(net::fetcher& by, std::shared_ptr<token_cell> cell, std::unique_ptr<token_source> source,
                 std::string scope, std::uint64_t seed);
    token_keeper(const token_keeper&) = delete;
    token_keeper& operator=(const token_keeper&) = delete;
    ~token_keeper();

    // Called on trouble: the first failure of a row, and its end. Set before run().
    void on_trouble(std::function<void(std::string)> tell) { tell_ = std::move(tell); }
    // Called when a token came or did not. Set before run().
    void on_answer(std::function<void()> tell) { answered_ = std::move(tell); }
    // Runs until stop().
    net::task<> run();
    void stop() noexcept;
    // The same identity with another secret: asked at once, while the present token serves on.
    void adopt(std::unique_ptr<token_source> source);

private:
    net::fetcher& fetcher_;
    std::shared_ptr<token_cell> cell_;
    std::unique_ptr<token_source> source_, next_source_;
    std::string scope_;
    random_source random_;
    net::interrupt wake_, stop_;
    std::shared_ptr<token_keeper*> self_;  // null once this object is gone, for what was posted before
    bool stopping_{false};
    std::function<void(std::string)> tell_;
    std::function<void()> answered_;
};

}  // namespace spillway::credentials
