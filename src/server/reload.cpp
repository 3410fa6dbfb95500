#include <algorithm>

#include <spillway/server/known_names.hpp>
#include <spillway/server/preflight.hpp>

#include "daemon.hpp"

// How a configuration comes to run: everything that may refuse it first, then everything that takes effect.
namespace spillway::server {

void tell(const std::vector<config::issue>& issues) {
    for (const auto& i : issues)
        i.level == config::severity::error ? spdlog::error("{}", config::format(i))
                                           : spdlog::warn("{}", config::format(i));
}

std::optional<server::staged> server::stage(config::checked from, file_rule files,
                                            std::vector<config::issue>& issues) {
    staged s;
    s.from = std::move(from);
    s.renewal = files == file_rule::keep_old;
    const auto& t = s.from.tree;
    s.made = compiler_.compile(s.from, snapshot_.get(), files);
    issues = s.made.issues;
    issues.insert(issues.end(), s.from.warnings.begin(), s.from.warnings.end());
    if (!s.renewal) preflight(t, files, issues);
    accounting_.stage(t, issues, {.open = true, .files = files, .proxies = s.made.proxies});
    s.made.files.insert(s.made.files.end(), accounting_.files().begin(), accounting_.files().end());
    for (const auto& k : t.admin.keys)
        if (k.where() == config::secret_ref::kind::file) s.made.files.emplace_back(k.place());
    files_tried_ = {s.made.files.begin(), s.made.files.end()};
    if (s.made.snapshot && !config::has_errors(issues) && open_all(s, issues)) return s;
    accounting_.drop();
    identities_.drop_round();
    return std::nullopt;
}

// The ledger comes last, since its spool stays.
bool server::open_all(staged& s, std::vector<config::issue>& issues) {
    const auto& t = s.from.tree;
    const auto refuse = [&](const std::string& path, const fault& f) {
        issues.push_back(t.source.make(config::severity::error, path, f.message, ""));
        return false;
    };
    const auto workers = workers_wanted(s.from);
    if (!s.sockets.open(*s.made.snapshot, t, listening_, workers, issues)) return false;
    auto door = admin_.prepare(t.admin);
    if (door) s.door = std::move(*door);
    else if (!s.renewal) return refuse("admin", door.error());
    if (const auto& file = t.log.access.file; !configuration_ || file != access_log_.file()) {
        auto opened = access_log::open(file);
        if (!opened) return refuse("log.access.file", opened.error());
        s.access_log = std::move(*opened);
    }
    return accounting_.open_ledger(t, workers, issues);
}

void server::commit(staged s) {
    net::resolver::ask(s.made.dns);
    s.made.adopt_policies();
    accounting_.attach(*s.made.snapshot, s.from.tree, labels_);
    identities_.keep_round();
    log_.configure(s.from.tree.log, options_.log_level);
    if (s.access_log) access_log_.direct_to(std::move(s.access_log));
    files_in_use_ = {s.made.files.begin(), s.made.files.end()};
    configuration_ = std::move(s.from);
    snapshot_ = std::move(s.made.snapshot);
    opened_ = std::move(s.sockets);
    if (s.door) admin_.adopt(std::move(s.door));
}

// Reads, checks and follows the file, as far as that goes without telling the workers.
bool server::load(std::vector<config::issue>& issues) {
    auto checked = config::check_file(options_.config_path, known_names());
    std::optional<staged> next;
    if (checked) next = stage(std::move(*checked), file_rule::needed, issues);
    else issues = checked.error();
    if (next) commit(std::move(*next));
    watch_files();
    return next.has_value();
}

// Once the workers know the snapshot: what is new accepts, addresses that are gone stop.
void server::tell_workers_of_listeners() {
    for (const auto& [key, sockets] : opened_.hand_over()) {
        listening_.insert(key);
        spdlog::info("listener {} accepts", key);
        for (std::size_t i = 0; i < workers_.size(); ++i)
            workers_[i]->post([w = workers_[i].get(), name = sockets.listener, k = key, fd = sockets.fds[i]] {
                w->accept_on(name, k, fd);
            });
    }
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
}

void server::publish() {
    behind_ = std::make_shared<std::atomic<std::size_t>>(workers_.size());
    for (auto& w : workers_) w->post([w = w.get(), next = snapshot_, left = behind_] { w->adopt(next), --*left; });
    tell_workers_of_listeners();
    std::map<std::string, duration> hosts;
    for (const auto& i : snapshot_->instances) {
        auto [at, fresh] = hosts.emplace(i.to.dial_host(), i.dns_refresh);
        if (!fresh) at->second = std::min(at->second, i.dns_refresh);
    }
    resolver_.watch(hosts);
    look_whether_ready();
}

bool server::reload(std::string_view reason) {
    reserve_.lend(6);  // a reload has to work when clients have all descriptors
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
        spdlog::info("reload ({}): configuration {} runs", reason, snapshot_->hash);
    } else {
        ++reloads_.bad;
        reloads_.last_bad = wall_clock::now();
        spdlog::error("reload ({}): refused; configuration {} keeps running", reason, snapshot_->hash);
    }
    reserve_.refill();
    return good;
}

// A file on the disk that is refused must not keep rotated keys and certificates out: the configuration that runs is
// made anew from its own text and from the files as they are now. One that cannot be used keeps what it held.
bool server::renew() {
    std::vector<config::issue> issues;
    auto again = config::check_again(*configuration_, known_names());
    std::optional<staged> next;
    if (again) next = stage(std::move(*again), file_rule::keep_old, issues);
    else issues = again.error();
    if (!next) return false;
    tell(issues);
    commit(std::move(*next));
    publish();
    spdlog::info("files of the running configuration changed and were read, though the one on the disk is refused");
    return true;
}

void server::look_at_files() {
    const auto changed = files_.changed();
    if (changed.empty() || reload("a file changed")) return;
    const bool ours = std::any_of(changed.begin(), changed.end(), [this](const auto& f) {
        return f != options_.config_path && files_in_use_.contains(f);
    });
    if (ours) renew();
    watch_files();
}

void server::watch_files() {
    auto all = files_tried_;
    all.insert(files_in_use_.begin(), files_in_use_.end());
    all.insert(options_.config_path);
    files_.watch(all);
}

}  // namespace spillway::server
