#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <set>

#include <spillway/base/random.hpp>
#include <spillway/net/fetch.hpp>
#include <spillway/net/loop.hpp>

#include "span_queue.hpp"

namespace spillway::trace {

// How an attempt to send a batch ended.
struct verdict {
    enum class kind : std::uint8_t { accepted, again, lost };
    kind what{kind::again};
    std::string reason;
    std::uint64_t rejected{0};         // of an accepted batch
    std::optional<duration> told;      // how long the collector asks to wait
    std::string_view trouble{"away"};  // kind of trouble, told once
};
verdict judge(const result<net::fetched>& answer, wall_time now);

// Takes spans from the queue and sends them, on one loop's thread.
class sender {
public:
    struct counters {
        std::atomic<std::uint64_t> exported{0}, dropped{0}, failures{0};
    };

    sender(net::loop& l, const opening& from, std::string url, net::ssl_ctx_ptr tls, span_queue& from_workers,
           counters& count);

    // Until end() was called and everything is sent or the time for that is over.
    net::task<> run();
    void wake() noexcept { wake_.fire(); }
    void end() noexcept;

    std::string last_error() const;  // any thread

private:
    net::task<> send(std::vector<span> batch);
    net::task<> wait_for_work();
    void lose(std::size_t spans, const verdict& why);
    void tell(std::string_view kind, const std::string& what);
    duration pause_before(unsigned next_try, const verdict& last);
    static void on_time_over(void* self) noexcept { static_cast<sender*>(self)->cut_.fire(); }

    net::loop& loop_;
    export_limits limits_;
    std::function<void(std::string)> alarm_;
    std::string opening_;
    net::fetch_request request_;
    span_queue& queue_;
    counters& count_;
    std::deque<span> taken_;
    random_source random_;
    bool ending_{false};
    std::uint64_t told_drops_{0};
    std::set<std::string, std::less<>> told_;
    mutable std::mutex error_mutex_;
    std::string last_error_;
    net::interrupt wake_;   // there is a batch, or it ends
    net::interrupt hurry_;  // it ends: no more pauses
    net::interrupt cut_;    // the time for the end is over
    net::timer time_over_{&on_time_over, this};
    net::fetcher fetcher_;
};

}  // namespace spillway::trace
