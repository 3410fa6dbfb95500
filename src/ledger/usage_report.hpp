#pragma once

#include <map>

#include <spillway/ledger/usage_report.hpp>

// What the readers of both stores share.
namespace spillway::ledger {

#define SPILLWAY_STORE(prefix, example, takes_password, name) \
    result<std::unique_ptr<usage_reader>> read_##name(const std::string& url, const std::string& password);
#include "stores.inc"
#undef SPILLWAY_STORE

// Rows under their keys, as a report wants them.
class row_table {
public:
    void add(std::vector<std::string> keys, const usage_sums& s) { rows_[std::move(keys)] += s; }
    usage_report take() &&;

private:
    std::map<std::vector<std::string>, usage_sums> rows_;
};

inline constexpr std::int64_t day_us = 86'400'000'000;

// The days (since 1970) that lie in the period as a whole; those that it only touches are counted apart.
struct day_range {
    std::int64_t first, end;  // whole
    std::int64_t touched_first, touched_end;
};
day_range days_of(const usage_query& q) noexcept;

// A moment as this dimension shows it; `by` is hour, day, week or month.
std::string time_key(std::int64_t us, dimension by);

}  // namespace spillway::ledger
