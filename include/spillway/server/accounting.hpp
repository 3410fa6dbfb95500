#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/secret_text.hpp>
#include <spillway/config/tree.hpp>
#include <spillway/ledger/ledger.hpp>
#include <spillway/proxy/snapshot.hpp>
#include <spillway/proxy/usage_estimator.hpp>
#include <spillway/quota/holder.hpp>
#include <spillway/server/capture_writer.hpp>
#include <spillway/server/farewell.hpp>
#include <spillway/server/file_rule.hpp>
#include <spillway/stats/cells.hpp>
#include <spillway/trace/span.hpp>

namespace spillway::server {

// What counts and limits, behind the workers: ledger, quotas, traces, capture. Outlives snapshots; main thread.
class accounting {
public:
    using alarm = std::function<void(std::string)>;

    explicit accounting(alarm tell) : tell_(std::move(tell)), captures_(tell_) {}
    accounting(const accounting&) = delete;
    accounting& operator=(const accounting&) = delete;

    // Everything that may refuse a configuration before anything runs by it, in two steps; drop() forgets both.
    // stage(): reads secrets and opens what leaves no trace. Errors become issues with the place of their key.
    struct staging {
        bool open{true};  // no: a configuration is checked and will not run
        file_rule files{file_rule::needed};
        net::proxy_rules proxies{};  // to the collector of traces
    };
    bool stage(const config::tree& t, std::vector<config::issue>& issues, staging how);
    // Makes the spool, which stays: the very last thing that may refuse. `workers` as at the start of the process.
    bool open_ledger(const config::tree& t, std::size_t workers, std::vector<config::issue>& issues);
    void drop() { next_ = {}; }
    // Follows the staged configuration and gives its snapshot the accounting part. Limits of quotas change in place.
    void attach(proxy::snapshot& s, const config::tree& t, stats::label_table& labels);
    // Files that were read, to be watched.
    const std::vector<std::string>& files() const noexcept { return files_; }
    // After the workers have ended: what waits is written, as far as that is possible until then.
    void stop(farewell& all, time_point until);
    // After a rotation. A file that cannot be opened now is tried again by look().
    void reopen_files();
    void look() {
        if (reopen_due_) reopen_files();
    }

    const quota::store* quota_store() const noexcept { return quotas_.get(); }
    bool reset_quota(const std::string& holder) { return quotas_ && quotas_->reset(holder); }
    const trace::exporter* trace_exporter() const noexcept { return tracer_.get(); }
    proxy::usage_estimator& estimator() noexcept { return estimator_; }
    bool capture(proxy::captured&& c) { return captures_.take(std::move(c)); }
    std::uint64_t captures_dropped() const noexcept { return captures_.dropped(); }

private:
    bool stage_ledger(const config::tree& t, std::vector<config::issue>& issues);
    bool stage_quotas(const config::tree& t, std::vector<config::issue>& issues);
    bool stage_tracer(const config::tree& t, std::vector<config::issue>& issues);
    void keep_tracer();
    bool stage_capture(const config::tree& t, std::vector<config::issue>& issues);
    void commit(const config::tree& t);
    void seed_budgets(const config::tree& t);
    void attach_client(proxy::client& c, const std::string& name, const config::tree& t);
    std::optional<std::string> secret(const config::secret_ref& ref, const std::string& key, const config::tree& t,
                                      std::vector<config::issue>& issues);

    bool renewing() const noexcept { return how_.files == file_rule::keep_old; }

    alarm tell_;
    staging how_;  // of the present stage()
    std::vector<std::string> files_;
    struct {
        std::shared_ptr<capture_writer::target> capture;
        std::string ledger_password, tracer_from, quotas_from;
        std::optional<secret_text> quota_password;
        bool follow_ledger{false};
        std::shared_ptr<ledger::service> ledger;
        std::shared_ptr<quota::store> quotas;
        std::shared_ptr<trace::exporter> tracer;
        net::proxy_rules tracer_proxies;
    } next_;  // staged, not followed yet
    std::shared_ptr<ledger::service> ledger_;
    std::string ledger_spool_;
    std::shared_ptr<quota::store> quotas_;
    std::string quotas_from_, quotas_store_;
    std::shared_ptr<trace::exporter> tracer_;
    std::string tracer_from_;
    net::proxy_rules tracer_proxies_;
    std::vector<std::shared_ptr<trace::exporter>> retired_;  // replaced, perhaps still known to a request
    capture_writer captures_;
    bool reopen_due_{false};
    proxy::usage_estimator estimator_;
};

}  // namespace spillway::server
