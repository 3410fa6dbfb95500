#pragma once

#include <string_view>
#include <vector>

#include <spillway/stats/declaration.hpp>

namespace spillway::server {

// A metric without labels: one series.
template <class Number>
void add_single(std::string_view name, Number value, std::vector<stats::gauge_family>& out) {
    stats::server_metric(name).add({}, static_cast<double>(value)).to(out);
}

}  // namespace spillway::server
