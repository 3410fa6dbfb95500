#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <spillway/base/time.hpp>

// The words of single values: 250ms, 8MiB, 20%, 50M. Each parser takes the whole text or nothing.
namespace spillway::config {

std::optional<duration> parse_duration(std::string_view s) noexcept;    // 250ms, 30s, 5m, 2h, 400d, 0
std::optional<std::uint64_t> parse_size(std::string_view s) noexcept;   // 512, 16KiB, 8MiB, 1GiB
std::optional<std::uint64_t> parse_count(std::string_view s) noexcept;  // 100, 600k, 50M
// 2.50 with six places is 2,500,000: no sign, at most a million million, no digit beyond the places but zeros.
std::optional<std::int64_t> parse_decimal(std::string_view s, int places) noexcept;
std::optional<double> parse_share(std::string_view s) noexcept;  // 20%, 0.2

// 2026-12-31 (its beginning, UTC), or RFC 3339 such as 2026-12-31T18:00:00Z and 2026-12-31T18:00:00+01:00.
std::optional<wall_time> parse_moment(std::string_view s) noexcept;

// The shortest spelling that the parser reads back.
std::string print_duration(duration d);
std::string print_size(std::uint64_t bytes);
std::string print_percent(double share);

// The word of `candidates` that the writer most likely meant, empty when none is near.
template <class Range>
std::string_view nearest(std::string_view word, const Range& candidates);

// Edits (insert, delete, replace, swap of neighbours) from `a` to `b`; words beyond 64 characters are just far apart.
std::size_t edit_distance(std::string_view a, std::string_view b) noexcept;

template <class Range>
std::string_view nearest(std::string_view word, const Range& candidates) {
    std::string_view best;
    std::size_t best_distance =
        word.size() / 3 + 2;  // a third of the word may be wrong, and one letter of the shortest
    for (const auto& c : candidates) {
        const std::string_view candidate = c;
        const std::size_t d = edit_distance(word, candidate);
        if (d < best_distance && d < candidate.size()) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}

// "did you mean 'x'?", or `otherwise` when nothing is near.
template <class Range>
std::string did_you_mean(std::string_view word, const Range& candidates, std::string otherwise = {}) {
    const auto best = nearest(word, candidates);
    return best.empty() ? otherwise : "did you mean '" + std::string(best) + "'?";
}

}  // namespace spillway::config
