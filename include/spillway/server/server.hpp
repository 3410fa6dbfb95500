#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <spillway/config/issue.hpp>
#include <spillway/config/validate.hpp>
#include <spillway/ledger/ledger.hpp>
#include <spillway/net/resolver.hpp>
#include <spillway/proxy/snapshot.hpp>
#include <spillway/proxy/worker.hpp>
#include <spillway/quota/holder.hpp>
#include <spillway/server/identity_service.hpp>
#include <spillway/stats/worker_stats.hpp>
#include <spillway/trace/span.hpp>

namespace spillway::server {

struct options {
    std::string config_path;
    std::string log_level;  // overrides log.level when not empty
};

// What became of the last reloads; told by /config, /status and metrics.
struct reload_state {
    std::uint64_t good{0}, bad{0};
    wall_time last_good{}, last_bad{};
    std::vector<config::issue> last_issues;  // of the last attempt: errors when it failed, else warnings
};

// Lines that were not written: full disk, reader that stopped.
struct lost_lines {
    std::uint64_t access{0}, daemon{0}, captures{0};
};

// What the admin listener, the status page and the metrics may see of the running daemon. Main thread only.
class state {
public:
    virtual ~state() = default;
    virtual std::shared_ptr<const proxy::snapshot> current() const = 0;
    virtual const config::checked& configuration() const = 0;
    virtual const reload_state& reloads() const = 0;
    virtual std::vector<const stats::worker_stats*> worker_stats() const = 0;
    virtual std::vector<std::unique_ptr<proxy::worker>>& workers() = 0;
    virtual const stats::label_table& labels() const = 0;
    virtual const identity_service& identities() const = 0;
    // Null where the configuration has none.
    virtual const ledger::service* usage_ledger() const { return nullptr; }
    virtual const quota::store* quota_store() const { return nullptr; }
    // See quota::store::reset().
    virtual bool reset_quota(const std::string& /*holder*/) { return false; }
    virtual const trace::exporter* trace_exporter() const { return nullptr; }
    virtual const proxy::recent_errors& errors() const = 0;
    virtual bool ready() const = 0;
    virtual bool draining() const = 0;
    virtual wall_time started_at() const = 0;
    virtual lost_lines logs_lost() const { return {}; }
    // Of instances and proxies.
    virtual std::vector<net::name_report> names() const { return {}; }
    // Reads the file again now. True: the new configuration runs (or is the same); issues in reloads().
    virtual bool reload(std::string_view reason) = 0;
    // Every worker serves by the running configuration: a moment after reload().
    virtual bool followed() const { return true; }
};

// Runs the gateway until a signal ends it: SIGTERM and SIGINT drain, SIGHUP reloads. Returns the exit code:
// 0 after a clean end, 1 when it cannot start (bad configuration, address in use).
int run(const options& with);

}  // namespace spillway::server
