#include <spillway/core/told_time.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <spillway/base/text.hpp>
#include <spillway/http/date.hpp>

namespace spillway::core {
namespace {

// Longer than is ever meant; also keeps the arithmetic of durations from overflowing.
constexpr double longest_seconds = 365.0 * 24 * 3600;

std::optional<double> number(std::string_view s) noexcept {
    s = text::trim(s);
    if (s.empty() || s.front() < '0' || s.front() > '9') return std::nullopt;
    double v = 0;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v, std::chars_format::fixed);
    if (error != std::errc{} || end != s.data() + s.size() || !std::isfinite(v)) return std::nullopt;
    return v;
}

duration of_seconds(double s) noexcept {
    return std::chrono::duration_cast<duration>(std::chrono::duration<double>(std::min(s, longest_seconds)));
}

std::int64_t epoch_seconds(wall_time t) noexcept {
    return std::chrono::duration_cast<seconds>(t.time_since_epoch()).count();
}

std::optional<duration> date_wait(std::string_view s, std::string_view sender_date, wall_time now) noexcept {
    const auto here = epoch_seconds(now);
    const auto at = http::parse_http_date(text::trim(s), here);
    if (!at) return std::nullopt;
    const auto there = sender_date.empty() ? std::nullopt : http::parse_http_date(text::trim(sender_date), here);
    const auto wait = *at - there.value_or(here);
    if (wait < 0) return std::nullopt;
    return of_seconds(static_cast<double>(wait));
}

// Seconds of one unit; 0 when it is none.
double unit_seconds(std::string_view unit) noexcept {
    if (unit == "ms") return 0.001;
    if (unit == "s") return 1;
    if (unit == "m") return 60;
    if (unit == "h") return 3600;
    if (unit == "d") return 86400;
    return 0;
}

}  // namespace

std::optional<duration> parse_wait(std::string_view s) noexcept {
    s = text::trim(s);
    if (const auto plain = number(s)) return of_seconds(*plain);
    double sum = 0;
    if (s.empty()) return std::nullopt;
    while (!s.empty()) {
        const auto digits = std::min(s.find_first_not_of("0123456789."), s.size());
        const auto v = number(s.substr(0, digits));
        s.remove_prefix(digits);
        const auto letters = std::min(s.find_first_of("0123456789."), s.size());
        const double unit = unit_seconds(s.substr(0, letters));
        if (!v || unit == 0) return std::nullopt;
        s.remove_prefix(letters);
        sum += *v * unit;
    }
    return of_seconds(sum);
}

std::optional<duration> told_time(const throttle_fields& f, int status, wall_time now) noexcept {
    for (const auto ms : {f.retry_after_ms, f.x_ms_retry_after_ms})
        if (const auto v = number(ms)) return of_seconds(*v / 1000);
    if (const auto v = number(f.retry_after)) return of_seconds(*v);
    if (!f.retry_after.empty())
        if (const auto v = date_wait(f.retry_after, f.date, now)) return v;
    if (status != 429) return std::nullopt;
    std::optional<duration> longest;
    const auto consider = [&](std::string_view remaining, std::string_view reset) {
        if (text::trim(remaining) != "0") return;
        if (const auto v = parse_wait(reset)) longest = std::max(longest.value_or(duration::zero()), *v);
    };
    consider(f.remaining_requests, f.reset_requests);
    consider(f.remaining_tokens, f.reset_tokens);
    return longest;
}

}  // namespace spillway::core
