#include "report.hpp"

#include <sys/resource.h>

#include <iostream>

#include <nlohmann/json.hpp>

namespace spillway::bench {
namespace {

nlohmann::json percentiles(const histogram& h) {
    return {{"p50", h.percentile_us(0.5)},
            {"p90", h.percentile_us(0.9)},
            {"p99", h.percentile_us(0.99)},
            {"p99_9", h.percentile_us(0.999)},
            {"max", h.max_us()}};
}

double in_seconds(duration d) { return std::chrono::duration<double>(d).count(); }

double own_cpu_seconds() {
    rusage u{};
    ::getrusage(RUSAGE_SELF, &u);
    const auto of = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return of(u.ru_utime) + of(u.ru_stime);
}

}  // namespace

void print_stage(const char* stage) { std::cout << nlohmann::json{{"stage", stage}}.dump() << std::endl; }

void print_result(const load_options& o, const generator& g) {
    const totals& t = g.seen();
    nlohmann::json out{{"stage", "done"},
                       {"completed", t.completed},
                       {"seconds", in_seconds(t.elapsed)},
                       {"bytes", t.bytes},
                       {"events", t.events},
                       {"latency_us", percentiles(t.latency)},
                       {"first_byte_us", percentiles(t.first_byte)},
                       {"failures", t.failures},
                       {"sent_again", t.sent_again},
                       {"reconnected", t.reconnected},
                       {"connections", o.connections},
                       {"rate", o.rate},
                       {"opened", g.connections().opened},
                       {"tls_resumed", g.connections().resumed},
                       {"tls", g.tls_description()},
                       {"client_cpu_seconds", own_cpu_seconds()}};
    const double s = in_seconds(t.elapsed);
    out["requests_per_second"] = s > 0 ? static_cast<double>(t.completed) / s : 0.0;
    std::cout << out.dump() << std::endl;
}

}  // namespace spillway::bench
