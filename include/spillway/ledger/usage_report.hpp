#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/core/usage_record.hpp>

// What finance asks of the ledger. Reads a store beside the gateway that writes it, without holding it up.
namespace spillway::ledger {

enum class dimension : std::uint8_t {
    client,
    pool,
    backend,
    instance,
    region,
    deployment,
    model,
    operation,
    route,
    gateway,
    label,  // of the client, by its name
    outcome,
    status,
    end_user,
    hour,
    day,
    week,
    month,  // UTC; weeks begin on Monday
};

struct grouping {
    dimension by{dimension::client};
    std::string label;  // name of the label
};
// "client", "label:team". Nothing: no such name.
std::optional<grouping> parse_grouping(std::string_view word);
std::string to_string(const grouping& g);
// All names, separated by commas, for people.
std::string grouping_names();

// Filters of one dimension (or label) are alternatives, all others have to hold together. Not for outcome, status,
// end user and times.
struct usage_filter {
    grouping of;
    std::string value;
};

struct usage_query {
    std::optional<std::int64_t> from_us, to_us;  // microseconds since 1970; `to` is not part of it; unset: no bound
    std::vector<grouping> by;
    std::vector<usage_filter> filters;
};

struct usage_sums {
    std::uint64_t requests{0};
    std::uint64_t errors{0};  // outcomes other than ok and client_left
    std::uint64_t prompt{0}, completion{0}, cached{0}, reasoning{0};
    std::uint64_t estimated{0};  // of prompt and completion: tokens that were not told by a backend
    std::int64_t price_nanos{0};

    std::uint64_t total() const noexcept { return add_sat(prompt, completion); }
    std::uint64_t exact() const noexcept { return total() - estimated; }
    usage_sums& operator+=(const usage_sums& o) noexcept;
    friend bool operator==(const usage_sums&, const usage_sums&) = default;
};

// Days whose single records are gone have no status and no end user (empty), and their hour is the day
// ("2026-11-26").
struct usage_row {
    std::vector<std::string> keys;  // as `by` of the query
    usage_sums sums;
};

struct usage_report {
    std::vector<usage_row> rows;  // sorted by keys
    usage_sums totals;
    // Days that are only kept as sums and lie partly outside of the period: left out.
    std::uint64_t cut_days{0};
    // Records and sums of days that tell what cannot be: more than core::most_tokens for a request, or a negative
    // price. They are in the sums, which mean nothing then; repair_usage() puts them right.
    std::uint64_t impossible{0};
};

// An amount of nanounits as a plain decimal number with at least two and only needed digits: "0.00015".
std::string price_text(std::int64_t nanos);

// Names of the columns of single records, and which of them stand for numbers or JSON.
enum class column_kind : std::uint8_t { text, number, flag, json };
struct record_column {
    std::string_view name;
    column_kind kind;
};
std::span<const record_column> record_columns() noexcept;
using record_values = std::vector<std::optional<std::string>>;  // as record_columns()

class usage_reader {
public:
    virtual ~usage_reader() = default;
    virtual result<usage_report> sum(const usage_query& q) = 0;
    // Single records, newest first, at most `limit`.
    virtual std::optional<fault> records(const usage_query& q, std::uint64_t limit,
                                         const std::function<void(const record_values&)>& each) = 0;
};

// By what the URL begins with: "sqlite:" or "postgresql://". Writes nothing. Faults: `usage_store_away`.
result<std::unique_ptr<usage_reader>> open_usage_reader(const std::string& url, const std::string& password);

// Figures that cannot be become none: those tokens and that price are 0 from then on, for the right ones are
// lost; the requests stay. Also while a gateway writes. Faults: `usage_store_away`.
struct repaired {
    std::uint64_t records{0}, days{0};
};
result<repaired> repair_usage(const std::string& url, const std::string& password);

}  // namespace spillway::ledger
