#include <spillway/core/evidence.hpp>

#include <algorithm>

namespace spillway::core {
namespace {

using word = std::uint64_t;

constexpr word failure_one = 1, success_one = word{1} << 16;
constexpr word most_failures = 0xffff, most_successes = 0xfffff;
constexpr int number_shift = 36;
constexpr word number_mask = (word{1} << 28) - 1;
// Additions of workers that looked at the same moment must not run over into the next field.
constexpr word headroom = 1024;

word failures_in(word w) noexcept { return w & most_failures; }
word successes_in(word w) noexcept { return (w >> 16) & most_successes; }
word number_in(word w) noexcept { return w >> number_shift; }

duration::rep ticks(time_point t) noexcept { return t.time_since_epoch().count(); }

}  // namespace

void evidence_window::set_length(duration length) noexcept {
    const auto width = std::max<duration::rep>(1, length.count() / static_cast<duration::rep>(count));
    if (width_.exchange(width, std::memory_order_relaxed) != width) clear();
}

std::uint64_t evidence_window::number_of(time_point t) const noexcept {
    // Never 0, which is the number of a bucket that was never used.
    return (static_cast<word>(ticks(t) / width_.load(std::memory_order_relaxed)) + count) & number_mask;
}

void evidence_window::add(std::uint64_t number, word one) noexcept {
    auto& b = buckets_[number % count];
    word seen = b.load(std::memory_order_relaxed);
    while (number_in(seen) != number)
        if (b.compare_exchange_weak(seen, number << number_shift | one, std::memory_order_relaxed)) return;
    const bool full = one == failure_one ? failures_in(seen) >= most_failures - headroom
                                         : successes_in(seen) >= most_successes - headroom;
    if (!full) b.fetch_add(one, std::memory_order_relaxed);
}

void evidence_window::success(time_point now) noexcept {
    if (run_.load(std::memory_order_relaxed) != 0) run_.store(0, std::memory_order_relaxed);
    add(number_of(now), success_one);
}

evidence_window::tally evidence_window::failure(time_point now) noexcept {
    run_.fetch_add(1, std::memory_order_relaxed);
    add(number_of(now), failure_one);
    return read(now);
}

evidence_window::tally evidence_window::turned(time_point began, time_point now) noexcept {
    const auto number = number_of(began);
    auto& b = buckets_[number % count];
    word seen = b.load(std::memory_order_relaxed);
    while (number_in(seen) == number && successes_in(seen) > 0)
        if (b.compare_exchange_weak(seen, seen - success_one, std::memory_order_relaxed)) break;
    return failure(now);
}

evidence_window::tally evidence_window::read(time_point now) const noexcept {
    tally out;
    const word present = number_of(now);
    for (const auto& b : buckets_) {
        const word w = b.load(std::memory_order_relaxed);
        if (((present - number_in(w)) & number_mask) >= count) continue;
        out.failed += static_cast<std::uint32_t>(failures_in(w));
        out.ended += static_cast<std::uint32_t>(failures_in(w) + successes_in(w));
    }
    out.run = std::min(run_.load(std::memory_order_relaxed), out.failed);
    return out;
}

void evidence_window::clear() noexcept {
    for (auto& b : buckets_) b.store(0, std::memory_order_relaxed);
    run_.store(0, std::memory_order_relaxed);
}

bool client_marks::mark(std::uint32_t client, time_point now, duration window) noexcept {
    auto& at = at_[client % slots];
    auto last = at.load(std::memory_order_relaxed);
    if (last != 0 && ticks(now) - last <= window.count()) return false;
    return at.compare_exchange_strong(last, ticks(now), std::memory_order_relaxed);
}

void client_marks::renew(std::uint32_t client, time_point now) noexcept {
    at_[client % slots].store(ticks(now), std::memory_order_relaxed);
}

bool client_marks::marked(std::uint32_t client, time_point now, duration window) const noexcept {
    const auto last = at_[client % slots].load(std::memory_order_relaxed);
    return last != 0 && ticks(now) - last <= window.count();
}

void client_marks::clear() noexcept {
    for (auto& at : at_) at.store(0, std::memory_order_relaxed);
}

std::uint32_t client_marks::count_since(time_point since) const noexcept {
    std::uint32_t n = 0;
    for (const auto& at : at_) {
        const auto last = at.load(std::memory_order_relaxed);
        n += last != 0 && last > ticks(since) ? 1 : 0;
    }
    return n;
}

void client_evidence::served(std::uint32_t client, time_point now, duration window) noexcept {
    const auto before = served_at_.load(std::memory_order_relaxed);
    if (client_.load(std::memory_order_relaxed) != client) {
        other_served_at_.store(before, std::memory_order_relaxed);
        client_.store(client, std::memory_order_relaxed);
    }
    // Often enough for a window, and seldom enough for the cores not to fight for the word.
    if (ticks(now) - before > window.count() / 16) served_at_.store(ticks(now), std::memory_order_relaxed);
}

bool client_evidence::counts(std::uint32_t client, time_point now, duration window) noexcept {
    const bool last = client_.load(std::memory_order_relaxed) == client;
    const auto at = (last ? other_served_at_ : served_at_).load(std::memory_order_relaxed);
    const bool alone = at == 0 || ticks(now) - at > window.count();
    return marks_.mark(client, now, window) || alone;
}

void pool_evidence::served(time_point now) noexcept {
    // Nothing is written while none fails, so that the cores do not fight for the word.
    if (last_failed_.load(std::memory_order_relaxed) > last_served_.load(std::memory_order_relaxed))
        last_served_.store(ticks(now), std::memory_order_relaxed);
}

bool pool_evidence::failed_everywhere(std::uint32_t client, time_point now, duration window,
                                      std::uint32_t enough) noexcept {
    last_failed_.store(ticks(now), std::memory_order_relaxed);
    marks_.renew(client, now);
    if (last_client_.exchange(client, std::memory_order_relaxed) == client) return false;
    const time_point served{duration(last_served_.load(std::memory_order_relaxed))};
    return marks_.count_since(std::max(served, now - window)) >= enough;
}

bool pool_evidence::failed_lately(std::uint32_t client, time_point now, duration window) const noexcept {
    return marks_.marked(client, now, window);
}

}  // namespace spillway::core
