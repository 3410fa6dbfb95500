#include "usage_report.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <spillway/base/time.hpp>
#include <spillway/core/period.hpp>

#include "store.hpp"

namespace spillway::ledger {
namespace {

struct named_dimension {
    std::string_view name;
    dimension by;
};

constexpr std::array dimensions{
    named_dimension{"client", dimension::client},       named_dimension{"label", dimension::label},
    named_dimension{"pool", dimension::pool},           named_dimension{"backend", dimension::backend},
    named_dimension{"instance", dimension::instance},   named_dimension{"region", dimension::region},
    named_dimension{"model", dimension::model},         named_dimension{"deployment", dimension::deployment},
    named_dimension{"operation", dimension::operation}, named_dimension{"route", dimension::route},
    named_dimension{"gateway", dimension::gateway},     named_dimension{"end_user", dimension::end_user},
    named_dimension{"outcome", dimension::outcome},     named_dimension{"status", dimension::status},
    named_dimension{"hour", dimension::hour},           named_dimension{"day", dimension::day},
    named_dimension{"week", dimension::week},           named_dimension{"month", dimension::month},
};

constexpr std::array columns{
    record_column{"id", column_kind::text},
    record_column{"time", column_kind::text},
    record_column{"client", column_kind::text},
    record_column{"labels", column_kind::json},
    record_column{"end_user", column_kind::text},
    record_column{"route", column_kind::text},
    record_column{"pool", column_kind::text},
    record_column{"backend", column_kind::text},
    record_column{"instance", column_kind::text},
    record_column{"region", column_kind::text},
    record_column{"deployment", column_kind::text},
    record_column{"model", column_kind::text},
    record_column{"operation", column_kind::text},
    record_column{"streaming", column_kind::flag},
    record_column{"status", column_kind::number},
    record_column{"outcome", column_kind::text},
    record_column{"code", column_kind::text},
    record_column{"attempts", column_kind::number},
    record_column{"tries", column_kind::json},
    record_column{"prompt_tokens", column_kind::number},
    record_column{"completion_tokens", column_kind::number},
    record_column{"cached_tokens", column_kind::number},
    record_column{"reasoning_tokens", column_kind::number},
    record_column{"audio_prompt_tokens", column_kind::number},
    record_column{"audio_completion_tokens", column_kind::number},
    record_column{"token_source", column_kind::text},
    record_column{"bytes_in", column_kind::number},
    record_column{"bytes_out", column_kind::number},
    record_column{"first_byte_seconds", column_kind::number},
    record_column{"token_seconds", column_kind::number},
    record_column{"duration_seconds", column_kind::number},
    record_column{"price", column_kind::number},
    record_column{"gateway", column_kind::text},
    record_column{"request_id", column_kind::text},
};

std::int64_t floor_days(std::int64_t us) noexcept { return us / day_us - (us % day_us < 0 ? 1 : 0); }

}  // namespace

std::optional<grouping> parse_grouping(std::string_view word) {
    constexpr std::string_view label = "label:";
    if (word.starts_with(label) && word.size() > label.size())
        return grouping{dimension::label, std::string(word.substr(label.size()))};
    for (const auto& d : dimensions)
        if (d.name == word && d.by != dimension::label) return grouping{d.by, {}};
    return {};
}

std::string to_string(const grouping& g) {
    const auto* at = std::find_if(dimensions.begin(), dimensions.end(), [&](const auto& d) { return d.by == g.by; });
    return std::string(at->name) + (g.label.empty() ? "" : ":" + g.label);
}

std::string grouping_names() {
    std::string out;
    for (const auto& d : dimensions) {
        if (!out.empty()) out += ", ";
        out += d.name;
        if (d.by == dimension::label) out += ":NAME";
    }
    return out;
}

usage_sums& usage_sums::operator+=(const usage_sums& o) noexcept {
    requests += o.requests;
    errors += o.errors;
    prompt = add_sat(prompt, o.prompt);
    completion = add_sat(completion, o.completion);
    cached += o.cached;
    reasoning += o.reasoning;
    estimated = add_sat(estimated, o.estimated);
    price_nanos = add_sat(price_nanos, o.price_nanos);
    return *this;
}

std::span<const record_column> record_columns() noexcept { return columns; }

std::string price_text(std::int64_t nanos) {
    auto digits =
        std::to_string(nanos < 0 ? 0 - static_cast<std::uint64_t>(nanos) : static_cast<std::uint64_t>(nanos));
    if (digits.size() < 10) digits.insert(0, 10 - digits.size(), '0');
    digits.insert(digits.size() - 9, 1, '.');
    for (int spare = 7; spare > 0 && digits.back() == '0'; --spare) digits.pop_back();
    return (nanos < 0 ? "-" : "") + digits;
}

usage_report row_table::take() && {
    usage_report out;
    for (auto& [keys, sums] : rows_) {
        out.totals += sums;
        out.rows.push_back({keys, sums});
    }
    return out;
}

day_range days_of(const usage_query& q) noexcept {
    constexpr std::int64_t far = 1'000'000;
    const auto from = q.from_us ? floor_days(*q.from_us) : -far;
    const auto to = q.to_us ? floor_days(*q.to_us) : far;
    const bool from_inside = q.from_us && *q.from_us != from * day_us;
    const bool to_inside = q.to_us && *q.to_us != to * day_us;
    return {from + (from_inside ? 1 : 0), to, from, to + (to_inside ? 1 : 0)};
}

std::string time_key(std::int64_t us, dimension by) {
    const wall_time at{microseconds(us)};
    switch (by) {
        case dimension::week: return core::period_key(at, config::period::week);
        case dimension::month: return core::period_key(at, config::period::month);
        case dimension::hour: {
            const auto hour = (us - floor_days(us) * day_us) / 3'600'000'000;
            return core::period_key(at, config::period::day) + (hour < 10 ? "T0" : "T") + std::to_string(hour) +
                   ":00Z";
        }
        default: return core::period_key(at, config::period::day);
    }
}

}  // namespace spillway::ledger
