#include "values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include <spillway/base/civil.hpp>
#include <spillway/base/text.hpp>

namespace spillway::config {
namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array time_units{unit{"ms", 1}, unit{"s", 1000}, unit{"m", 60'000}, unit{"h", 3'600'000},
                                unit{"d", 86'400'000}};
constexpr std::array size_units{unit{"KiB", 1ULL << 10}, unit{"MiB", 1ULL << 20}, unit{"GiB", 1ULL << 30}};
constexpr std::array count_units{unit{"k", 1000}, unit{"M", 1'000'000}};

// Digits and one of the units, without overflow. A bare number is taken when `bare` says so.
template <std::size_t N>
std::optional<std::uint64_t> scaled(std::string_view s, const std::array<unit, N>& units, bool bare) noexcept {
    const auto end = std::min(s.find_first_not_of("0123456789"), s.size());
    const auto number = text::parse_unsigned(s.substr(0, end));
    const auto suffix = s.substr(end);
    if (!number) return std::nullopt;
    if (suffix.empty()) return bare || *number == 0 ? number : std::nullopt;
    for (const auto& u : units) {
        if (u.name == suffix) {
            if (*number > std::numeric_limits<std::uint64_t>::max() / u.factor) return std::nullopt;
            return *number * u.factor;
        }
    }
    return std::nullopt;
}

template <std::size_t N>
std::string print_scaled(std::uint64_t value, const std::array<unit, N>& units) {
    for (auto u = units.rbegin(); u != units.rend(); ++u) {
        if (value != 0 && value % u->factor == 0) return std::to_string(value / u->factor) + std::string(u->name);
    }
    return std::to_string(value);
}

}  // namespace

std::optional<duration> parse_duration(std::string_view s) noexcept {
    constexpr std::uint64_t longest = 1000ULL * 3600 * 24 * 365 * 100;  // a hundred years, far from overflow
    const auto ms = scaled(s, time_units, false);
    if (!ms || *ms > longest) return std::nullopt;
    return milliseconds(static_cast<std::int64_t>(*ms));
}

std::optional<std::uint64_t> parse_size(std::string_view s) noexcept { return scaled(s, size_units, true); }

std::optional<std::uint64_t> parse_count(std::string_view s) noexcept { return scaled(s, count_units, true); }

std::optional<std::int64_t> parse_decimal(std::string_view s, int places) noexcept {
    const auto dot = std::min(s.find('.'), s.size());
    const auto whole = text::parse_unsigned(s.substr(0, dot));
    auto fraction = dot < s.size() ? s.substr(dot + 1) : std::string_view{};
    if (!whole || *whole > 1'000'000'000'000ULL || (dot < s.size() && fraction.empty())) return std::nullopt;
    while (fraction.size() > static_cast<std::size_t>(places) && fraction.back() == '0') fraction.remove_suffix(1);
    if (fraction.size() > static_cast<std::size_t>(places)) return std::nullopt;
    std::uint64_t value = *whole;
    for (int i = 0; i < places; ++i) {
        unsigned digit = 0;
        if (static_cast<std::size_t>(i) < fraction.size()) {
            const char c = fraction[static_cast<std::size_t>(i)];
            if (c < '0' || c > '9') return std::nullopt;
            digit = static_cast<unsigned>(c - '0');
        }
        if (value > (static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) - digit) / 10)
            return std::nullopt;
        value = value * 10 + digit;
    }
    return static_cast<std::int64_t>(value);
}

std::optional<double> parse_share(std::string_view s) noexcept {
    const bool percent = !s.empty() && s.back() == '%';
    if (percent) s.remove_suffix(1);
    if (s.empty() || s.find_first_not_of("0123456789.") != std::string_view::npos) return std::nullopt;
    double value = 0;
    const auto [end, failed] = std::from_chars(s.data(), s.data() + s.size(), value, std::chars_format::fixed);
    if (failed != std::errc{} || end != s.data() + s.size()) return std::nullopt;
    return percent ? value / 100 : value;
}

std::optional<wall_time> parse_moment(std::string_view s) noexcept {
    const auto at = civil::parse_moment(s);
    return at ? std::optional(civil::wall_time_of(*at)) : std::nullopt;
}

std::string print_duration(duration d) {
    const auto ms = std::chrono::duration_cast<milliseconds>(d).count();
    return ms == 0 ? "0" : print_scaled(static_cast<std::uint64_t>(ms), time_units);
}

std::string print_size(std::uint64_t bytes) { return print_scaled(bytes, size_units); }

std::string print_percent(double share) {
    std::array<char, 32> out{};
    const auto end = std::to_chars(out.data(), out.data() + out.size(), std::round(share * 1e6) / 1e4);
    return std::string(out.data(), end.ptr) + "%";
}

std::size_t edit_distance(std::string_view a, std::string_view b) noexcept {
    constexpr std::size_t longest = 64;
    if (a.size() > longest || b.size() > longest) return std::numeric_limits<std::size_t>::max();
    std::array<std::array<std::size_t, longest + 1>, 3> rows{};  // two rows back, because neighbours may be swapped
    auto *before = &rows[0], *last = &rows[1], *now = &rows[2];
    std::iota(last->begin(), last->begin() + static_cast<std::ptrdiff_t>(b.size()) + 1, std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        (*now)[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t same = text::lower(a[i - 1]) == text::lower(b[j - 1]) ? 0 : 1;
            std::size_t best = std::min({(*last)[j] + 1, (*now)[j - 1] + 1, (*last)[j - 1] + same});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = std::min(best, (*before)[j - 2] + 1);
            (*now)[j] = best;
        }
        std::swap(before, last);
        std::swap(last, now);
    }
    return (*last)[b.size()];
}

}  // namespace spillway::config
