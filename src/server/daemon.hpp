#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <set>
#include <thread>

#include <spillway/net/resolver.hpp>
#include <spillway/server/accounting.hpp>
#include <spillway/server/admin.hpp>
#include <spillway/server/compile.hpp>
#include <spillway/server/file_watch.hpp>
#include <spillway/server/log_writer.hpp>
#include <spillway/server/probe_schedule.hpp>
#include <spillway/server/process.hpp>

#include "listener_sockets.hpp"

namespace spillway::server {

namespace asio = boost::asio;

// The daemon: main thread, workers, what a reload changes (reload.cpp) and how it begins and ends (server.cpp).
class server final : public state {
public:
    explicit server(options with);
    ~server() override;

    int run();

    std::shared_ptr<const proxy::snapshot> current() const override { return snapshot_; }
    bool followed() const override { return !behind_ || *behind_ == 0; }
    const config::checked& configuration() const override { return *configuration_; }
    const reload_state& reloads() const override { return reloads_; }
    std::vector<const stats::worker_stats*> worker_stats() const override {
        std::vector<const stats::worker_stats*> out;
        for (const auto& s : stats_) out.push_back(s.get());
        return out;
    }
    std::vector<std::unique_ptr<proxy::worker>>& workers() override { return workers_; }
    const stats::label_table& labels() const override { return labels_; }
    const identity_service& identities() const override { return identities_; }
    const ledger::service* usage_ledger() const override { return snapshot_ ? snapshot_->ledger.get() : nullptr; }
    const quota::store* quota_store() const override { return accounting_.quota_store(); }
    bool reset_quota(const std::string& holder) override { return accounting_.reset_quota(holder); }
    const trace::exporter* trace_exporter() const override { return accounting_.trace_exporter(); }
    const proxy::recent_errors& errors() const override { return process_.errors; }
    bool ready() const override { return process_.ready.load(); }
    bool draining() const override { return process_.draining.load(); }
    wall_time started_at() const override { return started_; }
    std::vector<net::name_report> names() const override { return resolver_.report(); }
    lost_lines logs_lost() const override {
        return {access_log_.lost(), log_.lost(), accounting_.captures_dropped()};
    }
    bool reload(std::string_view reason) override;

private:
    // A configuration with everything opened that it needs, and nothing that runs changed.
    struct staged {
        config::checked from;
        compiled made;
        listener_sockets sockets;
        bool renewal{false};
        std::shared_ptr<admin::prepared> door;    // null: the present one stays
        std::shared_ptr<output_file> access_log;  // null: the present one stays
    };
    // Everything that may refuse a configuration, and then nothing may any more; commit() is the rest.
    std::optional<staged> stage(config::checked from, file_rule files, std::vector<config::issue>& issues);
    bool open_all(staged& s, std::vector<config::issue>& issues);
    void commit(staged s);
    void publish();
    void tell_workers_of_listeners();
    bool load(std::vector<config::issue>& issues);
    bool renew();
    void look_at_files();
    void watch_files();

    void start_workers();
    std::size_t workers_wanted(const config::checked& from) const;
    void tell_addresses(const std::string& host, const net::address_list& found);
    void on_tick();
    void on_signal();
    void look_whether_ready();
    void begin_drain();
    void continue_drain();
    void finish();
    void leave();
    std::size_t open_sessions() const;

    daemon_log log_;  // first: it outlives whatever has something to say
    options options_;
    asio::io_context io_{1};
    descriptor_reserve reserve_{8};
    wall_time started_{wall_clock::now()};
    stats::label_table labels_;
    identity_service identities_;
    compiler compiler_;
    accounting accounting_;
    probe_schedule probes_;
    proxy::process_state process_;
    access_log access_log_;
    std::vector<std::unique_ptr<stats::worker_stats>> stats_;
    std::vector<std::unique_ptr<proxy::worker>> workers_;
    std::vector<std::thread> threads_;
    asio::signal_set signals_;
    asio::steady_timer tick_;
    admin admin_;
    std::optional<config::checked> configuration_;
    std::shared_ptr<const proxy::snapshot> snapshot_;
    std::shared_ptr<std::atomic<std::size_t>> behind_;  // workers that do not know it yet
    std::set<std::string> listening_;                   // name@address
    listener_sockets opened_;                           // not yet with the workers
    reload_state reloads_;
    file_watch files_;
    std::set<std::string> files_in_use_, files_tried_;  // of the running configuration; of the last attempt
    time_point pre_drain_until_{}, drain_until_{}, leave_by_{};
    bool accepting_stopped_{false}, cut_{false};
    net::resolver resolver_;  // last: its threads post to workers
};

void tell(const std::vector<config::issue>& issues);

}  // namespace spillway::server
