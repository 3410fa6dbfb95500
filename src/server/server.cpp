#include <spillway/server/server.hpp>

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <map>
#include <random>
#include <set>
#include <thread>

#include <spillway/core/balancer.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/net/resolver.hpp>
#include <spillway/server/accounting.hpp>
#include <spillway/server/admin.hpp>
#include <spillway/server/compile.hpp>
#include <spillway/server/cores.hpp>
#include <spillway/server/file_watch.hpp>
#include <spillway/server/health.hpp>
#include <spillway/server/log_writer.hpp>
#include <spillway/server/probe_schedule.hpp>
#include <spillway/server/process.hpp>

namespace spillway::server {
namespace {

namespace asio = boost::asio;

class server final : public state {
public:
    explicit server(options with)
        : options_(std::move(with)),
          identities_([this](std::string what) { asio::post(io_, [w = std::move(what)] { spdlog::warn("{}", w); }); },
                      [this] { asio::post(io_, [this] { look_whether_ready(); }); }),
          compiler_(labels_, identities_),
          accounting_(
              [this](std::string what) { asio::post(io_, [w = std::move(what)] { spdlog::warn("{}", w); }); }),
          signals_(io_, SIGTERM, SIGINT, SIGHUP),
          tick_(io_),
          admin_(io_, *this),
          resolver_(
              [this](const std::string& host, const net::address_list& found) { tell_addresses(host, found); }) {}

    ~server() override {
        for (auto& w : workers_) w->stop();
        for (auto& t : threads_) t.join();
        accounting_.stop();
    }

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
    const shared::store* quota_store() const override { return accounting_.quota_store(); }
    const trace::exporter* trace_exporter() const override { return accounting_.trace_exporter(); }
    const proxy::recent_errors& errors() const override { return process_.errors; }
    bool ready() const override { return process_.ready.load(); }
    bool draining() const override { return process_.draining.load(); }
    wall_time started_at() const override { return started_; }
    bool reload(std::string_view reason) override;

private:
    bool load(std::vector<config::issue>& issues);
    bool start_workers(std::vector<config::issue>& issues);
    std::size_t workers_wanted(const config::checked& from) const;
    bool open_listeners(const proxy::snapshot& next, const config::tree& tree, std::vector<config::issue>& issues);
    void publish();
    void watch_files(const std::vector<std::string>& read);
    void tell_addresses(const std::string& host, const net::address_list& found);
    void on_tick();
    void on_signal();
    void look_whether_ready();
    void begin_drain();
    void continue_drain();
    void finish();
    std::size_t open_sessions() const;

    options options_;
    asio::io_context io_{1};
    wall_time started_{wall_clock::now()};
    stats::label_table labels_;
    identity_service identities_;
    compiler compiler_;
    accounting accounting_;
    probe_schedule probes_;
    proxy::process_state process_;
    log_writer access_log_;
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
    struct listening_sockets {
        std::string listener;
        std::vector<int> fds;  // one a worker
    };
    std::map<std::string, listening_sockets> opened_;  // by name@address, not yet with the workers
    reload_state reloads_;
    file_watch files_;
    time_point pre_drain_until_{}, drain_until_{};
    bool accepting_stopped_{false}, cut_{false};
    net::resolver resolver_;  // last: its threads post to workers
};

// Reads, checks and compiles the file. On success the result is the current configuration.
bool server::load(std::vector<config::issue>& issues) {
    const auto names = core::config_names();
    auto checked = config::check_file(options_.config_path, {names.operations, names.balancers});
    if (!checked) {
        issues = checked.error();
        return false;
    }
    auto made = compiler_.compile(*checked, snapshot_.get());
    issues = made.issues;
    issues.insert(issues.end(), checked->warnings.begin(), checked->warnings.end());
    const bool counts = made.snapshot && accounting_.prepare(checked->tree, workers_wanted(*checked), issues);
    made.files.insert(made.files.end(), accounting_.files().begin(), accounting_.files().end());
    watch_files(made.files);
    if (!counts) return false;
    if (!workers_.empty() && !open_listeners(*made.snapshot, checked->tree, issues)) return false;
    accounting_.attach(*made.snapshot, checked->tree, labels_);
    configuration_ = std::move(*checked);
    snapshot_ = std::move(made.snapshot);
    return true;
}

void server::watch_files(const std::vector<std::string>& read) {
    std::set<std::string> all(read.begin(), read.end());
    all.insert(options_.config_path);
    files_.watch(all);
}

// As many as the process began with: their number does not change while it runs.
std::size_t server::workers_wanted(const config::checked& from) const {
    if (!workers_.empty()) return workers_.size();
    return from.tree.gateway.workers != 0 ? from.tree.gateway.workers : granted_cores();
}

bool server::start_workers(std::vector<config::issue>& issues) {
    const auto count = static_cast<unsigned>(workers_wanted(*configuration_));
    std::random_device entropy;
    for (unsigned i = 0; i < count; ++i) {
        stats_.push_back(std::make_unique<stats::worker_stats>());
        const std::uint64_t seed = static_cast<std::uint64_t>(entropy()) << 32 | entropy();
        workers_.push_back(std::make_unique<proxy::worker>(
            i, seed, process_, *stats_.back(), labels_,
            [this](std::string&& lines) { return access_log_.take(std::move(lines)); }));
    }
    process_.alarm = [this](std::string what) {
        asio::post(io_, [what = std::move(what)] { spdlog::warn("{}", what); });
    };
    process_.capture = [this](proxy::captured&& c) { return accounting_.capture(std::move(c)); };
    process_.estimator = &accounting_.estimator();
    for (auto& w : workers_) w->set_peers(workers_);
    if (!open_listeners(*snapshot_, configuration_->tree, issues)) return false;
    publish();
    for (auto& w : workers_)
        threads_.emplace_back([&w] {
            // Signals are the main thread's.
            sigset_t all;
            sigfillset(&all);
            pthread_sigmask(SIG_BLOCK, &all, nullptr);
            w->run();
        });
    return true;
}

// Opens what is new; publish() hands it to the workers once they know the snapshot. Addresses that are gone stop
// accepting there, too.
bool server::open_listeners(const proxy::snapshot& next, const config::tree& tree,
                            std::vector<config::issue>& issues) {
    const auto fail = [&](const std::string& name, const std::string& what) {
        issues.push_back(tree.source.make(config::severity::error, "listeners." + name + ".address", what,
                                          "choose another address, or end the process that uses it"));
        for (const auto& [key, sockets] : opened_)
            for (const int fd : sockets.fds) ::close(fd);
        opened_.clear();
        return false;
    };
    for (const auto& l : next.listeners) {
        const std::string address = l->at.to_string(), key = l->name + "@" + address;
        if (listening_.contains(key)) continue;
        const bool ours = std::any_of(listening_.begin(), listening_.end(),
                                      [&](const std::string& k) { return k.ends_with("@" + address); });
        if (!ours && !net::address_is_free(l->at)) return fail(l->name, address + " is in use by another process");
        auto& sockets = opened_[key];
        sockets.listener = l->name;
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            const auto fd = net::listen_on(l->at, true);
            if (!fd) return fail(l->name, fd.error().message);
            sockets.fds.push_back(*fd);
        }
    }
    return true;
}

void server::publish() {
    identities_.keep_round();
    set_up_log(configuration_->tree.log, options_.log_level);
    access_log_.direct_to(configuration_->tree.log.access.file);
    behind_ = std::make_shared<std::atomic<std::size_t>>(workers_.size());
    for (auto& w : workers_) w->post([w = w.get(), next = snapshot_, left = behind_] { w->adopt(next), --*left; });
    for (const auto& [key, sockets] : opened_) {
        listening_.insert(key);
        spdlog::info("listener {} accepts", key);
        for (std::size_t i = 0; i < workers_.size(); ++i)
            workers_[i]->post([w = workers_[i].get(), name = sockets.listener, k = key, fd = sockets.fds[i]] {
                w->accept_on(name, k, fd);
            });
    }
    opened_.clear();
    std::set<std::string> wanted;
    for (const auto& l : snapshot_->listeners) wanted.insert(l->name + "@" + l->at.to_string());
    for (auto at = listening_.begin(); at != listening_.end();) {
        if (wanted.contains(*at)) {
            ++at;
            continue;
        }
        for (auto& w : workers_) w->post([w = w.get(), key = *at] { w->stop_accepting(key); });
        spdlog::info("listener {} closed", *at);
        at = listening_.erase(at);
    }
    std::map<std::string, duration> hosts;
    for (const auto& i : snapshot_->instances) {
        auto [at, fresh] = hosts.emplace(i.to.host, i.dns_refresh);
        if (!fresh) at->second = std::min(at->second, i.dns_refresh);
    }
    resolver_.watch(hosts);
    look_whether_ready();
}

void server::look_whether_ready() {
    process_.ready = snapshot_ && publish_health(*snapshot_, clock::now()) && !draining();
}

void server::tell_addresses(const std::string& host, const net::address_list& found) {
    if (found.empty()) spdlog::warn("{} does not resolve", host);
    for (auto& w : workers_) w->post([w = w.get(), host, found] { w->set_addresses(host, found); });
}

bool server::reload(std::string_view reason) {
    std::vector<config::issue> issues;
    const bool good = load(issues);
    reloads_.last_issues = issues;
    tell(issues);
    if (good) {
        const unsigned wanted = configuration_->tree.gateway.workers;
        if (wanted != 0 && wanted != workers_.size())
            spdlog::warn("gateway.workers: {} take effect at the next start; {} run", wanted, workers_.size());
        ++reloads_.good;
        reloads_.last_good = wall_clock::now();
        publish();
        if (const auto f = admin_.configure(configuration_->tree.admin)) spdlog::error("admin: {}", f->message);
        spdlog::info("reload ({}): configuration {} runs", reason, snapshot_->hash);
    } else {
        ++reloads_.bad;
        reloads_.last_bad = wall_clock::now();
        spdlog::error("reload ({}): refused; configuration {} keeps running", reason, snapshot_->hash);
    }
    return good;
}

std::size_t server::open_sessions() const {
    std::size_t n = 0;
    for (const auto& w : workers_) n += w->sessions();
    return n;
}

void server::on_tick() {
    if (draining()) {
        continue_drain();
    } else {
        if (!files_.changed().empty()) reload("a file changed");
        probes_.tick(snapshot_, workers_, worker_stats(), clock::now());
        look_whether_ready();
    }
    tick_.expires_after(draining() ? milliseconds(50) : milliseconds(500));
    tick_.async_wait([this](const boost::system::error_code& ec) {
        if (!ec) on_tick();
    });
}

void server::on_signal() {
    signals_.async_wait([this](const boost::system::error_code& ec, int signal) {
        if (ec) return;
        if (signal == SIGHUP) {
            access_log_.reopen();
            accounting_.reopen_files();
            if (!draining()) reload("SIGHUP");
        } else if (!draining()) {
            begin_drain();
        } else if (!cut_) {
            // Sessions are cut and end by themselves, which takes two ticks; a third signal does not wait for them.
            spdlog::warn("second signal: ending at once");
            pre_drain_until_ = drain_until_ = clock::now();
        } else {
            finish();
            return;
        }
        on_signal();
    });
}

void server::begin_drain() {
    const auto& how = configuration_->tree.shutdown;
    process_.draining = true;
    process_.ready = false;
    pre_drain_until_ = clock::now() + how.pre_drain;
    drain_until_ = pre_drain_until_ + how.drain;
    spdlog::info("draining: not ready any more, {} connections open", open_sessions());
    tick_.expires_after(milliseconds(0));
    tick_.async_wait([this](const boost::system::error_code& ec) {
        if (!ec) on_tick();
    });
}

void server::continue_drain() {
    const time_point now = clock::now();
    if (now < pre_drain_until_) return;
    if (!accepting_stopped_) {
        accepting_stopped_ = true;
        for (auto& w : workers_) w->post([w = w.get()] { w->begin_drain(); });
        return;
    }
    const std::size_t left = open_sessions();
    if (left == 0) {
        finish();
    } else if (now >= drain_until_) {
        spdlog::warn("drain time is over: ending {} connections", left);
        for (auto& w : workers_) w->post([w = w.get()] { w->cut_all(); });
        drain_until_ = now + seconds(1);
        if (cut_) finish();
        cut_ = true;
    }
}

void server::finish() {
    tick_.cancel();
    signals_.cancel();
    admin_.stop();
    io_.stop();
}

int server::run() {
    set_up_log({}, options_.log_level);
    raise_descriptor_limit();
    std::vector<config::issue> issues;
    const bool loaded = load(issues);
    if (loaded && !configuration_->tree.gateway.core_dumps) forbid_core_dumps();
    const bool good = loaded && start_workers(issues);
    tell(issues);
    if (!good) {
        spdlog::error("not started: {} has errors", options_.config_path);
        return 1;
    }
    reloads_.last_issues = issues;
    reloads_.last_good = wall_clock::now();
    if (const auto f = admin_.configure(configuration_->tree.admin)) {
        spdlog::error("admin: {}", f->message);
        return 1;
    }
    on_signal();
    on_tick();
    spdlog::info("spillway {} serves configuration {} with {} workers", SPILLWAY_VERSION, snapshot_->hash,
                 workers_.size());
    io_.run();
    spdlog::info("ended");
    return 0;
}

}  // namespace

int run(const options& with) {
    std::signal(SIGPIPE, SIG_IGN);
    server s(with);
    return s.run();
}

}  // namespace spillway::server
