#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <spillway/net/loop.hpp>
#include <spillway/net/task.hpp>
#include <spillway/net/upstream.hpp>

#include "histogram.hpp"
#include "load_options.hpp"
#include "message.hpp"

namespace spillway::bench {

// What was seen since the warm-up ended.
struct totals {
    histogram latency;     // from the time that a request was due to the last byte of its answer
    histogram first_byte;  // to the first byte
    std::uint64_t completed{0}, bytes{0}, events{0};
    std::uint64_t sent_again{0};   // a kept-alive connection was closed under the request; repeated on a fresh one
    std::uint64_t reconnected{0};  // a kept-alive connection was closed while idle
    std::map<std::string, std::uint64_t> failures;  // by kind
    duration elapsed{};
};

class generator {
public:
    generator(net::loop& l, const load_options& o, net::ssl_ctx_ptr tls);
    ~generator();

    // Runs to the end of the load; the loop stops by itself. `tell` is called with the name of each stage reached.
    void run(void (*tell)(const char* stage));

    const totals& seen() const noexcept { return totals_; }
    const net::upstream_counters& connections() const noexcept { return upstream_.counters(); }
    std::string tls_description() const { return tls_description_; }

private:
    struct worker;
    struct next_job;

    net::task<> work(worker& w);
    net::task<> exchange(worker& w, time_point due);
    net::task<std::string> attempt(worker& w, time_point& first_byte);
    net::task<std::string> connect(worker& w);
    std::string judge(const worker& w) const;
    net::task<> pace();
    net::task<> keep_time();
    void hand_out(time_point due);
    void begin_measurement();
    void finish();
    bool over() const noexcept;
    void note_open();
    void worker_ended() noexcept;

    net::loop& loop_;
    const load_options& options_;
    net::upstream upstream_;
    totals totals_;
    std::vector<std::unique_ptr<worker>> workers_;
    std::deque<worker*> idle_;
    std::deque<time_point> overdue_;  // due, but every connection is busy
    std::vector<char> buffer_;        // for whoever reads: nobody keeps bytes in it across a wait
    std::string tls_description_;
    void (*tell_)(const char* stage){nullptr};
    time_point begin_{}, end_{};
    std::uint64_t started_{0};
    std::uint32_t connecting_{0}, open_{0}, running_{0};
    bool measuring_{false}, finished_{false};
};

}  // namespace spillway::bench
