#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include <spillway/proxy/worker.hpp>
#include <spillway/stats/worker_stats.hpp>

namespace spillway::server {

// Has workers ask those backends that no request proves, and keeps up to date how long the pools' attempts usually
// wait for their first byte. Main thread.
class probe_schedule {
public:
    struct due {
        std::size_t pool{0}, backend{0};
    };
    // Backends to be asked now. The right to ask each is taken. One backend stands for an instance that is
    // down: its deployments need no probe each.
    std::vector<due> look(const proxy::snapshot& s, time_point now);
    // look(), and the workers ask, in turn; measure().
    void tick(const std::shared_ptr<const proxy::snapshot>& s, std::vector<std::unique_ptr<proxy::worker>>& workers,
              std::span<const stats::worker_stats* const> stats, time_point now);
    // Reads the workers' histograms at most once in a few seconds.
    void measure(const proxy::snapshot& s, std::span<const stats::worker_stats* const> workers, time_point now);

private:
    using counts = std::array<std::uint64_t, stats::histogram::size>;
    struct waits {
        counts before{}, since{};  // totals when the last window began, and when the present one did
    };

    std::map<std::string, time_point> asked_;  // by instance
    std::size_t next_worker_{0};
    std::map<stats::label, waits> waits_;  // by pool
    time_point measured_{}, window_began_{};
};

}  // namespace spillway::server
