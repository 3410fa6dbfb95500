#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/stats/worker_stats.hpp>

// Every metric is declared once; exposition, reference and the checks of dashboards and alerts walk the declarations.
namespace spillway::stats {

enum class metric_kind : std::uint8_t { total, level, distribution };  // counter, gauge, histogram
enum class metric_group : std::uint8_t {
    requests,
    usage,
    gen_ai,
    quotas,
    ledger,
    backends,
    clients,
    connections,
    telemetry,
    process
};

struct declaration {
    std::string_view name;
    metric_kind kind;
    metric_group group;
    // Names with blanks between. "name=value" is always that value; "name?" is left out when it is empty.
    std::string_view labels;
    std::string_view help;
};

struct label_name {
    std::string_view name, value;  // the value of a fixed label
    bool optional{false};
};
std::vector<label_name> label_names(const declaration& d);

// What workers count, and then what the server knows. A name may stand in neighbouring entries that differ in a fixed
// label.
std::vector<declaration> declarations();

// The Markdown of docs/metrics.md.
std::string reference_markdown();

// Fills a family of the server's with values in the order of its declared labels. The name has to be declared.
class server_metric {
public:
    explicit server_metric(std::string_view name);
    server_metric& add(std::initializer_list<std::string_view> label_values, double value);
    bool empty() const noexcept { return family_.samples.empty(); }
    void to(std::vector<gauge_family>& out) { out.push_back(std::move(family_)); }

private:
    std::vector<label_name> labels_;
    gauge_family family_;
};

}  // namespace spillway::stats
