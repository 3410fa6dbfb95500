#include <algorithm>
#include <array>
#include <iomanip>
#include <set>
#include <sstream>
#include <stdexcept>

#include "worker_metrics.hpp"

namespace spillway::stats {
namespace {

constexpr const char* opening = R"(# Metrics

`GET /metrics` on the admin listener, in the text form of Prometheus. This page is made from the declarations that the
exposition is made of (`spillway reference --metrics`). [Operations](operations.md#metrics) tells which to look at first; alert
rules are in [config/prometheus](../config/prometheus/alerts.yaml), dashboards in [config/grafana](../config/grafana).

- Label values are names from the configuration and fixed words, never what a client or a backend sent: the number of series is
  bounded by the configuration.
- Counters begin at 0 with the process; take `rate()` or `increase()` of them, and sum over gateways after that.
- `gen_ai_*` are the metrics of OpenTelemetry's conventions for generative AI, with their names, buckets and labels (dots became
  underscores). As a server the gateway tells what its clients see, as a client what backends do for it.
- Money and tokens are exact in the [ledger](chargeback.md); the counters here are for graphs and alerts.

)";

struct part {
    metric_group group;
    const char* title;
};
constexpr std::array parts{
    part{metric_group::requests, "Requests"},
    part{metric_group::usage, "Tokens and money"},
    part{metric_group::gen_ai, "OpenTelemetry, generative AI"},
    part{metric_group::quotas, "Quotas and shedding"},
    part{metric_group::ledger, "Usage ledger"},
    part{metric_group::backends, "Backends"},
    part{metric_group::clients, "Who calls"},
    part{metric_group::connections, "Connections"},
    part{metric_group::telemetry, "Traces, logs, capture"},
    part{metric_group::process, "The process"},
};

struct meaning {
    std::string_view label, about;
};
constexpr std::array meanings{
    meaning{"backend", "`instance/deployment`"},
    meaning{"client", "name of the client; empty: nobody was recognised"},
    meaning{"code", "the gateway's [error code](errors.md)"},
    meaning{"credential", "what the gateway proves itself by"},
    meaning{"error_type", "status or [reason](errors.md#what-an-attempt-can-meet); missing on success"},
    meaning{"gen_ai_operation_name",
            "`chat` (also the Responses API), `text_completion`, `embeddings`, `images`, `speech`"},
    meaning{"gen_ai_provider_name", "`azure.ai.openai`"},
    meaning{"gen_ai_request_model", "the pool's `model`"},
    meaning{"gen_ai_token_type", "`input`, `output`"},
    meaning{"hash", "of the running configuration"},
    meaning{"health", "`usable`, `throttled`, `dead`"},
    meaning{"holder", "whose quota: `client:NAME`, `group:NAME`, `client:NAME/pool:NAME`"},
    meaning{"holder_kind", "`client`, `group`, `pool`"},
    meaning{"instance", "name of the Azure OpenAI resource"},
    meaning{"limit",
            "which limit: `requests`, `tokens`, `concurrent`, `budget_tokens`, `budget_money`; of "
            "`spillway_limits_hit_total`: `body`, `body_memory`, `client_body_memory`, `head`, `head_timeout` and "
            "others"},
    meaning{"log", "`access`, `daemon`: which of the two logs"},
    meaning{"method", "`key`, `token`, `certificate`, `none`"},
    meaning{"operation",
            "as routes call it: `chat`, `completions`, `embeddings`, `responses`, `images`, `speech`, `models`"},
    meaning{"outcome",
            "of an attempt: status or [reason](errors.md#what-an-attempt-can-meet); of a record: `ok`, "
            "`client_left`, `broken`, `refused`, `failed`, `error`"},
    meaning{"pool", "name of the pool"},
    meaning{"priority", "class of the client: `low`, `normal`, `high`"},
    meaning{"provider", "name of the token provider"},
    meaning{"reason", "one word, listed in [errors](errors.md)"},
    meaning{"result",
            "`ok`, `failed` or why not; of reloads: `good`, `bad`; of spans: `exported`, `dropped`; of probes what "
            "they showed: `proven`, `throttled`, "
            "`failing`, `missing`, `refused`, `unreachable`, `silent`, `none`"},
    meaning{"scope", "what the token is for"},
    meaning{"source", "`exact`: as a backend told; `estimated`: counted by the gateway"},
    meaning{"state", "`closed`, `throttled`, `unhealthy`, `misconfigured`, `half_open`, `busy`"},
    meaning{"status", "HTTP status that the client got"},
    meaning{"store", "`memory`, `redis`"},
    meaning{"type", "`prompt`, `completion`, `cached`, `reasoning`"},
    meaning{"unit", "`tokens`, `money`"},
    meaning{"version", "of the gateway"},
    meaning{"worker", "number of the worker, from 0"},
};

std::string_view kind_word(metric_kind k) {
    switch (k) {
        case metric_kind::total: return "counter";
        case metric_kind::level: return "gauge";
        default: return "histogram";
    }
}

void row(const declaration& d, std::ostream& out) {
    out << "| `" << d.name << "` | " << kind_word(d.kind) << " | ";
    const char* between = "";
    for (const auto& l : label_names(d)) {
        out << between << '`' << l.name << '`';
        between = ", ";
    }
    out << " | " << d.help << " |\n";
}

// The upper bounds of the buckets; empty for a metric that is no histogram.
template <class Cell>
std::string bounds_text() {
    std::ostringstream out;
    if constexpr (requires { Cell::bounds; })
        for (std::size_t i = 0; i < Cell::bounds.size(); ++i)
            out << (i == 0 ? "" : ", ") << std::setprecision(10) << Cell::bounds[i];
    return out.str();
}
template <class Cell>
std::string bounds_of(Cell worker_stats::*) {
    return bounds_text<Cell>();
}
template <class Cell>
std::string bounds_of(family<Cell> worker_stats::*) {
    return bounds_text<Cell>();
}
template <class Cell>
std::string bounds_of(Cell model_cells::*) {
    return bounds_text<Cell>();
}
template <class Cell, class Of>
std::string bounds_of(Cell Of::*) {
    return {};
}

void list_labels(const std::vector<declaration>& all, std::ostream& out) {
    std::set<std::string_view> used;
    for (const auto& d : all)
        for (const auto& l : label_names(d)) used.insert(l.name);
    out << "## Labels\n\n| label | value |\n|---|---|\n";
    for (const auto name : used) {
        const auto m = std::find_if(meanings.begin(), meanings.end(), [&](const auto& e) { return e.label == name; });
        if (m == meanings.end()) throw std::logic_error("label without meaning: " + std::string(name));
        out << "| `" << name << "` | " << m->about << " |\n";
    }
}

void list_buckets(std::ostream& out) {
    out << "\n## Buckets\n\n| histogram | upper bounds |\n|---|---|\n";
    std::string_view before;
    for (const auto& m : worker_metrics()) {
        const auto bounds = std::visit([](auto member) { return bounds_of(member); }, m.from);
        if (!bounds.empty() && m.is.name != before) out << "| `" << m.is.name << "` | " << bounds << " |\n";
        before = m.is.name;
    }
}

}  // namespace

std::string reference_markdown() {
    const auto all = declarations();
    std::ostringstream out;
    out << opening;
    for (const auto& p : parts) {
        out << "## " << p.title << "\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n";
        std::string_view before;
        for (const auto& d : all) {
            if (d.group != p.group) continue;
            if (d.name != before) row(d, out);
            before = d.name;
        }
        out << "\n";
    }
    list_labels(all, out);
    list_buckets(out);
    return out.str();
}

}  // namespace spillway::stats
