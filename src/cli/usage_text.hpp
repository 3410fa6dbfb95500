#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/ledger/usage_report.hpp>

// Words of `spillway usage`: times in, tables out.
namespace spillway::cli {

// "2026-11-26" or RFC 3339 such as "2026-11-26T08:30:00Z" or "...+01:00", in microseconds since 1970.
std::optional<std::int64_t> parse_moment(std::string_view s);
// Beginning and end of "2026-11" or "2026-11-26".
struct period_us {
    std::int64_t from, to;
};
std::optional<period_us> parse_month(std::string_view s);
std::optional<period_us> parse_day(std::string_view s);
std::string format_moment(std::int64_t us);

enum class usage_format : std::uint8_t { table, csv, json };

struct usage_output {
    usage_format format{usage_format::table};
    std::string currency;
    ledger::usage_query query;
};

void write_report(std::ostream& out, const usage_output& how, const ledger::usage_report& r);

// Single records as they come; finish() ends the document.
class record_writer {
public:
    record_writer(std::ostream& out, const usage_output& how);
    void add(const ledger::record_values& values);
    void finish();

private:
    std::ostream& out_;
    const usage_output& how_;
    std::uint64_t count_{0};
};

}  // namespace spillway::cli
