#pragma once

#include <span>
#include <variant>

#include <spillway/stats/declaration.hpp>

namespace spillway::stats {

// Where the numbers of a metric lie. Declared labels take the parts of a cell's key in turn; parts without a label
// are summed over.
using cells_of = std::variant<counter worker_stats::*, histogram worker_stats::*, family<counter> worker_stats::*,
                              family<histogram> worker_stats::*, family<operation_histogram> worker_stats::*,
                              counter usage_cells::by_type::*, counter usage_cells::*, token_histogram model_cells::*,
                              first_token_histogram model_cells::*, token_time_histogram model_cells::*>;

struct worker_metric {
    declaration is;
    cells_of from;
    usage_cells::by_type usage_cells::*part{nullptr};  // for members of by_type
    double scale{1};                                   // of the shown value to the counted one
};

std::span<const worker_metric> worker_metrics() noexcept;
std::span<const declaration> server_metric_declarations() noexcept;

}  // namespace spillway::stats
