#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <map>

#include <spillway/stats/worker_stats.hpp>

namespace spillway::stats {
namespace {

using workers_span = std::span<const worker_stats* const>;
using label_names = std::vector<std::string>;

class builder {
public:
    builder(const label_table& labels, workers_span workers) : labels_(labels), workers_(workers) {}

    void counters(const char* name, const char* help, family<counter> worker_stats::*member,
                  const label_names& names) {
        std::map<key, std::uint64_t> sums;
        for (const auto* w : workers_) (w->*member).each([&](key k, const counter& c) { sums[k] += c.value(); });
        auto& f = start(name, help, prometheus::MetricType::Counter);
        for (const auto& [k, v] : sums) {
            prometheus::ClientMetric m;
            m.label = labels_of(k, names);
            m.counter.value = static_cast<double>(v);
            f.metric.push_back(std::move(m));
        }
    }

    void histograms(const char* name, const char* help, family<histogram> worker_stats::*member,
                    const label_names& names) {
        std::map<key, sum_of> sums;
        for (const auto* w : workers_) (w->*member).each([&](key k, const histogram& h) { sums[k].add(h); });
        auto& f = start(name, help, prometheus::MetricType::Histogram);
        for (const auto& [k, s] : sums) f.metric.push_back(s.metric(labels_of(k, names)));
    }

    void histogram_of_all(const char* name, const char* help, histogram worker_stats::*member) {
        sum_of s;
        for (const auto* w : workers_) s.add(w->*member);
        start(name, help, prometheus::MetricType::Histogram).metric.push_back(s.metric({}));
    }

    void total(const char* name, const char* help, counter worker_stats::*member, bool gauge = false) {
        double v = 0;
        for (const auto* w : workers_) v += static_cast<double>((w->*member).value());
        auto& f = start(name, help, gauge ? prometheus::MetricType::Gauge : prometheus::MetricType::Counter);
        prometheus::ClientMetric m;
        (gauge ? m.gauge.value : m.counter.value) = v;
        f.metric.push_back(std::move(m));
    }

    // One value a worker, to see whether the kernel spreads connections evenly.
    void per_worker(const char* name, const char* help, counter worker_stats::*member) {
        auto& f = start(name, help, prometheus::MetricType::Gauge);
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            prometheus::ClientMetric m;
            m.label = {{"worker", std::to_string(i)}};
            m.gauge.value = static_cast<double>((workers_[i]->*member).value());
            f.metric.push_back(std::move(m));
        }
    }

    void add(const gauge_family& g) {
        auto& f = start(g.name.c_str(), g.help.c_str(),
                        g.is_counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge);
        for (const auto& s : g.samples) {
            prometheus::ClientMetric m;
            for (const auto& [n, v] : s.labels) m.label.push_back({n, v});
            (g.is_counter ? m.counter.value : m.gauge.value) = s.value;
            f.metric.push_back(std::move(m));
        }
    }

    std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

private:
    struct sum_of {
        std::array<std::uint64_t, histogram::size> buckets{};
        double sum{0};
        void add(const histogram& h) {
            for (std::size_t i = 0; i < histogram::size; ++i) buckets[i] += h.bucket(i);
            sum += h.sum();
        }
        prometheus::ClientMetric metric(std::vector<prometheus::ClientMetric::Label> labels) const {
            prometheus::ClientMetric m;
            m.label = std::move(labels);
            std::uint64_t running = 0;
            for (std::size_t i = 0; i < histogram::size; ++i) {
                running += buckets[i];
                prometheus::ClientMetric::Bucket b;
                b.cumulative_count = running;
                b.upper_bound = i < time_bounds.size() ? time_bounds[i] : std::numeric_limits<double>::infinity();
                m.histogram.bucket.push_back(b);
            }
            m.histogram.sample_count = running;
            m.histogram.sample_sum = sum;
            return m;
        }
    };

    std::vector<prometheus::ClientMetric::Label> labels_of(key k, const label_names& names) const {
        std::vector<prometheus::ClientMetric::Label> out;
        for (std::size_t i = 0; i < names.size(); ++i) out.push_back({names[i], labels_.name(k[i])});
        return out;
    }

    prometheus::MetricFamily& start(const char* name, const char* help, prometheus::MetricType type) {
        auto& f = families_.emplace_back();
        f.name = name;
        f.help = help;
        f.type = type;
        return f;
    }

    const label_table& labels_;
    workers_span workers_;
    std::vector<prometheus::MetricFamily> families_;
};

}  // namespace

std::string expose(const label_table& labels, workers_span workers, std::span<const gauge_family> extra) {
    using s = worker_stats;
    builder b(labels, workers);
    b.counters("spillway_requests_total", "Answered requests", &s::requests,
               {"client", "pool", "operation", "status"});
    b.histograms("spillway_request_duration_seconds", "From the request's head to the last byte of the answer",
                 &s::request_seconds, {"pool", "operation"});
    b.histograms("spillway_first_byte_seconds", "From sending an attempt to the first byte of its answer",
                 &s::first_byte_seconds, {"pool", "backend"});
    b.counters("spillway_attempts_total", "Attempts on backends by outcome", &s::attempts,
               {"pool", "backend", "outcome"});
    b.counters("spillway_retries_total", "Attempts that followed a refused one", &s::retries, {"pool", "reason"});
    b.counters("spillway_spillovers_total", "Requests served below the highest priority", &s::spillovers, {"pool"});
    b.counters("spillway_local_replies_total", "Answers made by the gateway itself", &s::local_replies, {"code"});
    b.counters("spillway_limits_hit_total", "Times that a configured limit was hit", &s::limits, {"limit"});
    b.counters("spillway_authentications_total", "Requests by how their client proved itself, and with what result",
               &s::authentications, {"method", "result"});
    b.counters("spillway_broken_streams_total", "Answers that broke off after their head", &s::broken_streams,
               {"pool", "reason"});
    b.histogram_of_all("spillway_overhead_seconds", "Gateway's own time before the first attempt was sent",
                       &s::overhead_seconds);
    b.total("spillway_connections_accepted_total", "Client connections accepted", &s::connections_accepted);
    b.total("spillway_connections_refused_total", "Client connections refused at a limit", &s::connections_refused);
    b.per_worker("spillway_connections_open", "Client connections open now", &s::connections_open);
    b.total("spillway_tls_handshakes_total", "TLS handshakes with clients", &s::tls_handshakes);
    b.total("spillway_tls_resumed_total", "TLS handshakes with clients that resumed a session", &s::tls_resumed);
    b.total("spillway_tls_failures_total", "TLS handshakes with clients that failed", &s::tls_failures);
    b.total("spillway_requests_active", "Requests being served now", &s::requests_active, true);
    b.total("spillway_streams_active", "Answers being relayed now", &s::streams_active, true);
    b.total("spillway_client_left_total", "Requests whose client went away before the end", &s::client_left);
    b.total("spillway_client_bytes_received_total", "Bytes of request bodies", &s::bytes_from_clients);
    b.total("spillway_client_bytes_sent_total", "Bytes of answers", &s::bytes_to_clients);
    b.total("spillway_upstream_connections_opened_total", "Connections opened to instances", &s::upstream_opened);
    b.total("spillway_upstream_connections_reused_total", "Attempts that used a warm connection",
            &s::upstream_reused);
    b.total("spillway_upstream_tls_resumed_total", "Connections that resumed a TLS session", &s::upstream_resumed);
    b.total("spillway_upstream_connect_failures_total", "Failed connects", &s::upstream_failed);
    b.total("spillway_upstream_connections_idle", "Warm connections to instances now", &s::upstream_idle, true);
    b.total("spillway_upstream_unexpected_bytes_total", "Idle connections closed for bytes that nobody asked for",
            &s::upstream_unexpected);
    b.total("spillway_tokens_verified_total", "Signatures of clients' tokens checked; others were known already",
            &s::tokens_verified);
    b.total("spillway_slowed_down_total", "Refusals that were delayed because of repeated failures", &s::slowed_down);
    b.total("spillway_credential_renewals_total", "Repeats with a renewed credential after a backend refused ours",
            &s::credential_renewals);
    b.total("spillway_body_memory_bytes", "Memory held by request bodies now", &s::body_memory, true);
    b.total("spillway_log_dropped_total", "Access log lines dropped because the writer fell behind", &s::log_dropped);
    b.total("spillway_exceptions_total", "Sessions ended by an unexpected exception", &s::exceptions);
    for (const auto& g : extra) b.add(g);
    return b.text();
}

}  // namespace spillway::stats
