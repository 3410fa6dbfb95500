#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <map>

#include "worker_metrics.hpp"

namespace spillway::stats {
namespace {

using workers_span = std::span<const worker_stats* const>;
using shown_labels = std::vector<prometheus::ClientMetric::Label>;

// What OpenTelemetry's conventions call an operation. Those without a name there keep ours.
std::string gen_ai_operation(std::string operation) {
    if (operation == "responses") return "chat";
    if (operation == "completions") return "text_completion";
    return operation;
}

struct counted {
    std::uint64_t value{0};
    void add(const counter& c) { value += c.value(); }
    void add(const counted& c) { value += c.value; }
    void show(prometheus::ClientMetric& m, const worker_metric& of) const {
        const double shown = static_cast<double>(value) * of.scale;
        (of.is.kind == metric_kind::level ? m.gauge.value : m.counter.value) = shown;
    }
};

template <class Histogram>
struct distributed {
    std::array<std::uint64_t, Histogram::size> buckets{};
    double sum{0};
    void add(const Histogram& h) {
        for (std::size_t i = 0; i < Histogram::size; ++i) buckets[i] += h.bucket(i);
        sum += h.sum();
    }
    void add(const distributed& d) {
        for (std::size_t i = 0; i < Histogram::size; ++i) buckets[i] += d.buckets[i];
        sum += d.sum;
    }
    void show(prometheus::ClientMetric& m, const worker_metric&) const {
        std::uint64_t running = 0;
        for (std::size_t i = 0; i < Histogram::size; ++i) {
            running += buckets[i];
            prometheus::ClientMetric::Bucket b;
            b.cumulative_count = running;
            b.upper_bound =
                i < Histogram::bounds.size() ? Histogram::bounds[i] : std::numeric_limits<double>::infinity();
            m.histogram.bucket.push_back(b);
        }
        m.histogram.sample_count = running;
        m.histogram.sample_sum = sum;
    }
};

template <class Cell>
struct sum_of {
    using type = distributed<Cell>;
};
template <>
struct sum_of<counter> {
    using type = counted;
};

class builder {
public:
    builder(const label_table& labels, workers_span workers) : labels_(labels), workers_(workers) {}

    void add(const worker_metric& m) {
        const auto& d = m.is;
        const auto type = d.kind == metric_kind::total   ? prometheus::MetricType::Counter
                          : d.kind == metric_kind::level ? prometheus::MetricType::Gauge
                                                         : prometheus::MetricType::Histogram;
        start(d.name, d.help, type);
        std::visit([&](auto member) { collect(m, member); }, m.from);
    }

    void add(const gauge_family& g) {
        start(g.name, g.help, g.is_counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge);
        for (const auto& s : g.samples) {
            prometheus::ClientMetric m;
            for (const auto& [n, v] : s.labels) m.label.push_back({n, v});
            (g.is_counter ? m.counter.value : m.gauge.value) = s.value;
            families_.back().metric.push_back(std::move(m));
        }
    }

    std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

private:
    // A neighbour of the same name goes on with its family.
    void start(std::string_view name, std::string_view help, prometheus::MetricType type) {
        if (!families_.empty() && families_.back().name == name) return;
        auto& f = families_.emplace_back();
        f.name = name;
        f.help = help;
        f.type = type;
    }

    template <class Cell>
    void collect(const worker_metric& m, Cell worker_stats::*member) {
        if (m.is.labels == "worker") return per_worker(m, member);
        typename sum_of<Cell>::type s;
        for (const auto* w : workers_) s.add(w->*member);
        show(m, {}, s);
    }
    template <class Cell>
    void collect(const worker_metric& m, family<Cell> worker_stats::*member) {
        sum<Cell>(m, member, [](const Cell& c) -> const Cell& { return c; });
    }
    void collect(const worker_metric& m, counter usage_cells::by_type::*member) {
        sum<counter>(m, &worker_stats::usage,
                     [&](const usage_cells& c) -> const counter& { return c.*m.part.*member; });
    }
    void collect(const worker_metric& m, counter usage_cells::*member) {
        sum<counter>(m, &worker_stats::usage, [&](const usage_cells& c) -> const counter& { return c.*member; });
    }
    template <class Cell>
    void collect(const worker_metric& m, Cell model_cells::*member) {
        sum<Cell>(m, &worker_stats::models, [&](const model_cells& c) -> const Cell& { return c.*member; });
    }

    template <class Cell>
    void per_worker(const worker_metric& m, Cell worker_stats::*member) {
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            typename sum_of<Cell>::type s;
            s.add(workers_[i]->*member);
            show(m, {{"worker", std::to_string(i)}}, s);
        }
    }

    // First by key and under the families' locks, then by name: two keys may read the same.
    template <class Cell, class Holder, class Pick>
    void sum(const worker_metric& m, family<Holder> worker_stats::*member, Pick pick) {
        using total = typename sum_of<Cell>::type;
        const auto names = label_names(m.is);
        std::size_t used = 0;
        for (const auto& n : names) used += n.value.empty() ? 1 : 0;
        std::map<key, total> by_key;
        for (const auto* w : workers_)
            (w->*member).each([&](key k, const Holder& h) {
                std::fill(k.begin() + static_cast<std::ptrdiff_t>(used), k.end(), label{0});
                by_key[k].add(pick(h));
            });
        std::map<std::vector<std::string>, total> by_name;
        for (const auto& [k, t] : by_key) by_name[values_of(k, names)].add(t);
        for (const auto& [values, t] : by_name) {
            shown_labels shown;
            for (std::size_t i = 0; i < names.size(); ++i)
                if (!names[i].optional || !values[i].empty())
                    shown.push_back({std::string(names[i].name), values[i]});
            show(m, std::move(shown), t);
        }
    }

    std::vector<std::string> values_of(key k, const std::vector<label_name>& names) const {
        std::vector<std::string> out;
        std::size_t at = 0;
        for (const auto& n : names) {
            if (!n.value.empty()) out.emplace_back(n.value);
            else if (n.name == "gen_ai_operation_name") out.push_back(gen_ai_operation(labels_.name(k[at++])));
            else out.push_back(labels_.name(k[at++]));
        }
        return out;
    }

    template <class Sum>
    void show(const worker_metric& m, shown_labels labels, const Sum& s) {
        prometheus::ClientMetric shown;
        shown.label = std::move(labels);
        s.show(shown, m);
        families_.back().metric.push_back(std::move(shown));
    }

    const label_table& labels_;
    workers_span workers_;
    std::vector<prometheus::MetricFamily> families_;
};

}  // namespace

std::string expose(const label_table& labels, workers_span workers, std::span<const gauge_family> extra) {
    builder b(labels, workers);
    for (const auto& m : worker_metrics()) b.add(m);
    for (const auto& g : extra) b.add(g);
    return b.text();
}

}  // namespace spillway::stats
