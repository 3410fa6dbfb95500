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
#include <spillway/server/capture_writer.hpp>
#include <spillway/shared/quota.hpp>
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

    // Opens what the configuration wants and checks what it changes; nothing that runs follows yet. Errors become
    // issues with the place of their key. `workers` as at the start of the process.
    bool prepare(const config::tree& t, std::size_t workers, std::vector<config::issue>& issues);
    // Follows the prepared configuration and gives its snapshot the accounting part. Only when nothing can refuse it
    // any more: limits of quotas change in place.
    void attach(proxy::snapshot& s, const config::tree& t, stats::label_table& labels);
    // Files that were read, to be watched.
    const std::vector<std::string>& files() const noexcept { return files_; }
    // After the workers have ended: what waits is written, as far as that is possible soon.
    void stop();
    void reopen_files();

    const shared::store* quota_store() const noexcept { return quotas_.get(); }
    const trace::exporter* trace_exporter() const noexcept { return tracer_.get(); }
    proxy::usage_estimator& estimator() noexcept { return estimator_; }
    bool capture(proxy::captured&& c) { return captures_.take(std::move(c)); }

private:
    bool prepare_ledger(const config::tree& t, std::size_t workers, std::vector<config::issue>& issues);
    bool prepare_quotas(const config::tree& t, std::vector<config::issue>& issues);
    bool prepare_tracer(const config::tree& t, std::vector<config::issue>& issues);
    void commit(const config::tree& t);
    void seed_budgets(const config::tree& t);
    void attach_client(proxy::client& c, const std::string& name, const config::tree& t);
    std::optional<std::string> secret(const config::secret_ref& ref, const std::string& key, const config::tree& t,
                                      std::vector<config::issue>& issues);

    alarm tell_;
    std::vector<std::string> files_;
    struct {
        redactor redact;
        std::string ledger_password, tracer_from;
        std::optional<secret_text> quota_password;
        bool follow_ledger{false};
        std::shared_ptr<trace::exporter> tracer;
    } next_;  // prepared, not followed yet
    std::shared_ptr<ledger::service> ledger_;
    std::string ledger_spool_;
    std::shared_ptr<shared::store> quotas_;
    std::string quotas_from_, quotas_store_;
    std::shared_ptr<trace::exporter> tracer_;
    std::string tracer_from_;
    std::vector<std::shared_ptr<trace::exporter>> retired_;  // replaced, perhaps still known to a request
    capture_writer captures_;
    proxy::usage_estimator estimator_;
};

}  // namespace spillway::server
