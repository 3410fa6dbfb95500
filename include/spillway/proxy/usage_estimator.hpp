#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <spillway/core/usage_record.hpp>
#include <spillway/ledger/ledger.hpp>
#include <spillway/proxy/snapshot.hpp>

namespace spillway::proxy {

// What a request took from quotas, to be settled once its real usage is known. Moves with the record when that is
// counted elsewhere.
struct quota_hold {
    std::vector<std::shared_ptr<quota::holder>> holders;
    quota::amounts estimate;
    time_point began{};
};

// Counts tokens of answers that did not tell their usage, on a thread of its own: the vocabulary is far too slow for
// a worker. The record waits here until it has its numbers and then goes to the ledger.
class usage_estimator {
public:
    static constexpr std::size_t most_bytes =
        4 * 1024 * 1024;  // that wait, and that a crash would take; beyond, the worker guesses

    struct job {
        std::shared_ptr<const snapshot> of;  // keeps the names of the record alive
        core::usage_record record;           // its own texts are views into `texts`
        std::unique_ptr<char[]> texts;
        std::string prompt;           // the request's body; empty: prompt tokens stand in the record
        std::string answer;           // text as it passed by, escaped
        std::uint64_t answer_cut{0};  // bytes of text that were not kept
        std::optional<config::price> price;
        quota_hold hold;
    };

    usage_estimator();
    ~usage_estimator();
    usage_estimator(const usage_estimator&) = delete;
    usage_estimator& operator=(const usage_estimator&) = delete;

    // False: it is full, and the job is as it was. Any thread; a short lock, only for answers that need it.
    bool take(job& j);
    // Finishes what waits and ends the thread; then take() is no more to be called.
    void stop();
    // Where finished records go; null: nowhere. Before the first job and at reloads, main thread.
    void write_to(ledger::spool_writer* to);
    std::uint64_t finished() const noexcept { return finished_.load(std::memory_order_relaxed); }
    std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

private:
    void work();
    void finish(job& j);

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<job> waiting_;
    std::size_t waiting_bytes_{0};
    ledger::spool_writer* to_{nullptr};
    bool stopping_{false};
    std::atomic<std::uint64_t> finished_{0}, lost_{0};
    std::thread thread_;
};

// Fills in what follows from the tokens: price and time for each token.
void complete_record(core::usage_record& r, const std::optional<config::price>& price) noexcept;

}  // namespace spillway::proxy
