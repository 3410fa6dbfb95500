#include "merge.hpp"

#include <algorithm>
#include <array>
#include <functional>

namespace spillway::tokens {
namespace {

// Up to here looking through all pairs for each join is faster than the heap.
constexpr std::size_t short_piece = 64;

}  // namespace

std::size_t merger::count(std::string_view piece) {
    std::size_t n = 0;
    for (; piece.size() > longest_piece; piece.remove_prefix(longest_piece))
        n += count_long(piece.substr(0, longest_piece));
    if (piece.empty()) return n;
    if (piece.size() == 1 || vocabulary_.find(piece) != no_rank) return n + 1;
    return n + (piece.size() <= short_piece ? count_short(piece) : count_long(piece));
}

std::size_t merger::count_short(std::string_view piece) noexcept {
    std::array<std::uint8_t, short_piece + 1> starts;
    std::array<rank, short_piece> joined;  // of the parts i and i + 1
    std::size_t n = piece.size();
    const auto rank_at = [&](std::size_t i) {
        return i + 2 <= n ? vocabulary_.find(piece.substr(starts[i], starts[i + 2] - starts[i])) : no_rank;
    };
    for (std::size_t i = 0; i <= n; ++i) starts[i] = static_cast<std::uint8_t>(i);
    for (std::size_t i = 0; i < n; ++i) joined[i] = rank_at(i);
    while (n > 1) {
        const auto best =
            static_cast<std::size_t>(std::min_element(joined.begin(), joined.begin() + n) - joined.begin());
        if (joined[best] == no_rank) break;
        std::copy(starts.begin() + best + 2, starts.begin() + n + 1, starts.begin() + best + 1);
        std::copy(joined.begin() + best + 2, joined.begin() + n, joined.begin() + best + 1);
        --n;
        joined[best] = rank_at(best);
        if (best > 0) joined[best - 1] = rank_at(best - 1);
    }
    return n;
}

std::size_t merger::count_long(std::string_view piece) {
    const auto end = static_cast<std::uint32_t>(piece.size());
    const auto entry = [](rank r, std::uint32_t at) { return std::uint64_t{r} << 32 | at; };
    // A part that was joined to the one before it has `next` 0; no other has.
    const auto rank_at = [&](std::uint32_t at) {
        const auto second = parts_[at].next;
        return second == end ? no_rank : vocabulary_.find(piece.substr(at, parts_[second].next - at));
    };
    parts_.resize(end);
    heap_.clear();
    for (std::uint32_t i = 0; i < end; ++i) parts_[i] = {i - 1, i + 1, no_rank};
    for (std::uint32_t i = 0; i < end; ++i)
        if (parts_[i].joined = rank_at(i); parts_[i].joined != no_rank) heap_.push_back(entry(parts_[i].joined, i));
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());

    const auto renew = [&](std::uint32_t at) {
        const auto r = parts_[at].joined = rank_at(at);
        if (r == no_rank) return;
        heap_.push_back(entry(r, at));
        std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    };
    std::size_t n = piece.size();
    while (!heap_.empty()) {
        std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
        const auto top = heap_.back();
        heap_.pop_back();
        const auto at = static_cast<std::uint32_t>(top);
        auto& first = parts_[at];
        if (first.next == 0 || first.joined != static_cast<rank>(top >> 32)) continue;
        auto& second = parts_[first.next];
        first.next = second.next;
        second.next = 0;
        if (first.next != end) parts_[first.next].previous = at;
        --n;
        renew(at);
        if (at != 0) renew(first.previous);
    }
    return n;
}

}  // namespace spillway::tokens
