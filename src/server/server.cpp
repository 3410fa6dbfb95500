#include <spillway/server/server.hpp>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstdlib>
#include <random>

#include <spillway/server/cores.hpp>
#include <spillway/server/farewell.hpp>
#include <spillway/server/health.hpp>
#include <spillway/server/preflight.hpp>
#include <spillway/server/probe_schedule.hpp>

#include "daemon.hpp"

namespace spillway::server {
namespace {

// Sessions that are cut and farewells together take no longer than this beyond the drain, whatever others do.
constexpr duration beyond_drain = seconds(1);
constexpr duration least_farewell = beyond_drain / 2, most_farewell = seconds(3);
constexpr duration longest_end = seconds(1);  // and then for taking everything apart and the last lines of the log

}  // namespace

server::server(options with)
    : options_(std::move(with)),
      identities_([this](std::string what) { asio::post(io_, [w = std::move(what)] { spdlog::warn("{}", w); }); },
                  [this] { asio::post(io_, [this] { look_whether_ready(); }); }),
      compiler_(labels_, identities_),
      accounting_([this](std::string what) { asio::post(io_, [w = std::move(what)] { spdlog::warn("{}", w); }); }),
      signals_(io_, SIGTERM, SIGINT, SIGHUP),
      tick_(io_),
      admin_(io_, *this, reserve_),
      resolver_([this](const std::string& host, const net::address_list& found) { tell_addresses(host, found); }) {}

server::~server() {
    identities_.stop();  // it tells the workers what it hears
    for (auto& w : workers_) w->stop();
    for (auto& t : threads_)
        if (t.joinable()) t.join();
    farewell rest;
    accounting_.stop(rest, clock::now());
    rest.wait(time_point::max());
}

// Everything that waits for others gets its chance: three seconds for all together, a second beyond the drain at
// most. A slower thread is left behind: what counts lies on the disk, the rest would be lost by a kill as well.
// Then nothing may be taken apart any more, since threads still use it.
void server::leave() {
    const time_point now = clock::now();
    const time_point until = std::clamp(leave_by_, now + least_farewell, now + most_farewell);
    leave_at_the_latest(until + longest_end);
    for (auto& w : workers_) w->stop();
    farewell rest, workers;
    rest.add("identity providers", [this] { identities_.stop(); });
    workers.add("a worker", [this] {
        for (auto& t : threads_) t.join();
    });
    auto left = workers.wait(until);
    const time_point last = std::max(until, clock::now() + least_farewell / 2);
    accounting_.stop(rest, last);
    rest.add("the access log", [this] { access_log_.finish(); });
    for (auto& what : rest.wait(last)) left.push_back(std::move(what));
    for (const auto& what : left) spdlog::warn("ended without {}: no answer in time", what);
    spdlog::info("ended");
    if (left.empty()) return;
    log_.finish();
    std::_Exit(0);
}

// As many as the process began with: their number does not change while it runs.
std::size_t server::workers_wanted(const config::checked& from) const {
    if (!workers_.empty()) return workers_.size();
    return from.tree.gateway.workers != 0 ? from.tree.gateway.workers : granted_cores();
}

void server::start_workers() {
    const auto count = static_cast<unsigned>(workers_wanted(*configuration_));
    std::random_device entropy;
    for (unsigned i = 0; i < count; ++i) {
        stats_.push_back(std::make_unique<stats::worker_stats>());
        const std::uint64_t seed = static_cast<std::uint64_t>(entropy()) << 32 | entropy();
        workers_.push_back(
            std::make_unique<proxy::worker>(i, seed, process_, *stats_.back(), labels_,
                                            [this](std::string&& lines) { access_log_.take(std::move(lines)); }));
    }
    process_.alarm = [this](std::string what) {
        asio::post(io_, [what = std::move(what)] { spdlog::warn("{}", what); });
    };
    process_.capture = [this](proxy::captured&& c) { return accounting_.capture(std::move(c)); };
    process_.estimator = &accounting_.estimator();
    for (auto& w : workers_) w->set_peers(workers_);
    identities_.on_answer([this] {
        for (auto& w : workers_) w->post([w = w.get()] { w->tools().answers().fire(); });
    });
    process_.most_sessions = most_connections(descriptor_limit() - open_descriptors());
    publish();
    for (auto& w : workers_)
        threads_.emplace_back([&w] {
            // Signals are the main thread's, but for the one that a page of the spool may raise right here.
            sigset_t all;
            sigfillset(&all);
            sigdelset(&all, SIGBUS);
            pthread_sigmask(SIG_BLOCK, &all, nullptr);
            w->run();
        });
}

void server::look_whether_ready() {
    process_.ready = snapshot_ && publish_health(*snapshot_, clock::now()) && !draining();
}

void server::tell_addresses(const std::string& host, const net::address_list& found) {
    if (found.empty()) spdlog::warn("{} does not resolve", host);
    for (auto& w : workers_) w->post([w = w.get(), host, found] { w->set_addresses(host, found); });
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
        look_at_files();
        probes_.tick(snapshot_, workers_, worker_stats(), clock::now());
        look_whether_ready();
    }
    reserve_.refill();
    access_log_.look();
    accounting_.look();
    log_.look();
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
            leave_by_ = drain_until_ + beyond_drain;
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
    leave_by_ = drain_until_ + beyond_drain;
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
        drain_until_ = now + beyond_drain / 2;
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
    log_.configure({}, options_.log_level);
    raise_descriptor_limit();
    std::vector<config::issue> issues;
    const bool good = load(issues);
    tell(issues);
    if (!good) {
        spdlog::error("not started: {} has errors", options_.config_path);
        return 1;
    }
    if (!configuration_->tree.gateway.core_dumps) forbid_core_dumps();
    reloads_.last_issues = issues;
    reloads_.last_good = wall_clock::now();
    start_workers();
    on_signal();
    on_tick();
    spdlog::info("spillway {} serves configuration {} with {} workers", SPILLWAY_VERSION, snapshot_->hash,
                 workers_.size());
    io_.run();
    leave();
    return 0;
}

int run(const options& with) {
    std::signal(SIGPIPE, SIG_IGN);
    server s(with);
    return s.run();
}

}  // namespace spillway::server
