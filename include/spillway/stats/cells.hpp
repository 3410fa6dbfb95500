#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// Numbers that one worker writes and the scraper reads. Writing is a relaxed load and store: no lock prefix, no
// shared cache line between workers. Sums are made when they are read.
namespace spillway::stats {

// A label value, interned once when the configuration is compiled. Values come from configured names only, never from
// what a client sends, so the number of series is bounded by the configuration.
using label = std::uint16_t;

class label_table {
public:
    // Any thread; takes a lock, so not for the request path. Id 0 is the empty string.
    label intern(std::string_view name);
    std::string name(label id) const;

private:
    mutable std::mutex mutex_;
    std::unordered_map<std::string, label> ids_{{"", 0}};
    std::vector<std::string> names_{""};
};

class counter {
public:
    void add(std::uint64_t n = 1) noexcept {
        v_.store(v_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void set(std::uint64_t n) noexcept { v_.store(n, std::memory_order_relaxed); }
    void sub(std::uint64_t n) noexcept { add(0 - n); }
    std::uint64_t value() const noexcept { return v_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> v_{0};
};

// Seconds; wide enough for a reasoning model, fine enough for the gateway's own overhead.
inline constexpr std::array<double, 20> time_bounds{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1,
                                                    .25,   .5,     1,     2.5,  5,     10,   30,  60,   120, 600};

// The bounds that OpenTelemetry's conventions for generative AI name. Those for the first token go on to a minute:
// a reasoning model thinks for longer than the ten seconds at which the conventions end.
inline constexpr std::array<double, 14> token_bounds{1,     4,     16,     64,      256,     1024,     4096,
                                                     16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};
inline constexpr std::array<double, 14> operation_bounds{.01,  .02,  .04,  .08,   .16,   .32,   .64,
                                                         1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
inline constexpr std::array<double, 21> first_token_bounds{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75,
                                                           1,    2.5,  5,   7.5, 10,  15,  20,  30, 45,  60};
inline constexpr std::array<double, 13> token_time_bounds{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5};

// `Bounds` ascend; the bucket above the last one is implied.
template <const auto& Bounds>
class basic_histogram {
public:
    void observe(double value) noexcept {
        const auto at = std::lower_bound(Bounds.begin(), Bounds.end(), value) - Bounds.begin();
        buckets_[static_cast<std::size_t>(at)].add();
        sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    }
    std::uint64_t bucket(std::size_t i) const noexcept { return buckets_[i].value(); }
    double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }
    static constexpr const auto& bounds = Bounds;
    static constexpr std::size_t size = Bounds.size() + 1;

private:
    std::array<counter, size> buckets_;
    std::atomic<double> sum_{0};
};

using histogram = basic_histogram<time_bounds>;
using token_histogram = basic_histogram<token_bounds>;
using operation_histogram = basic_histogram<operation_bounds>;
using first_token_histogram = basic_histogram<first_token_bounds>;
using token_time_histogram = basic_histogram<token_time_bounds>;

// Up to four labels of one series.
using key = std::array<label, 4>;

// The series of one metric in one worker, made when first used. Only the owning worker calls at(); each() may be
// called from any thread.
template <class Cell>
class family {
public:
    Cell& at(key k) {
        const std::uint64_t packed = pack(k);
        if (packed == last_key_ && last_ != nullptr) return *last_;
        const auto found = index_.find(packed);
        Cell* cell = found != index_.end() ? found->second : insert(k, packed);
        last_key_ = packed;
        last_ = cell;
        return *cell;
    }

    template <class F>
    void each(F&& f) const {
        const std::lock_guard lock(mutex_);
        for (const auto& e : cells_) f(e.k, e.cell);
    }

private:
    struct entry {
        explicit entry(key with) : k(with) {}
        key k;
        Cell cell;
    };
    static std::uint64_t pack(key k) noexcept {
        return static_cast<std::uint64_t>(k[0]) << 48 | static_cast<std::uint64_t>(k[1]) << 32 |
               static_cast<std::uint64_t>(k[2]) << 16 | k[3];
    }
    Cell* insert(key k, std::uint64_t packed) {
        const std::lock_guard lock(mutex_);
        Cell* cell = &cells_.emplace_back(k).cell;
        index_.emplace(packed, cell);
        return cell;
    }

    mutable std::mutex mutex_;  // growth against a scrape; never taken for a series that exists
    std::deque<entry> cells_;
    std::unordered_map<std::uint64_t, Cell*> index_;
    std::uint64_t last_key_{0};
    Cell* last_{nullptr};
};

}  // namespace spillway::stats
