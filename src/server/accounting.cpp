#include <spillway/server/accounting.hpp>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include <spillway/base/json_text.hpp>
#include <spillway/core/period.hpp>
#include <spillway/net/tls_context.hpp>
#include <spillway/trace/environment.hpp>

namespace spillway::server {
namespace {

using issues_list = std::vector<config::issue>;

void error(const config::tree& t, const std::string& key, std::string what, issues_list& out) {
    out.push_back(t.source.make(config::severity::error, key, std::move(what), ""));
}

std::string labels_json(const config::named<std::string>& labels) {
    if (labels.empty()) return {};
    std::string out = "{";
    for (const auto& [name, value] : labels) text::append_json_member(out, name, value);
    return out + "}";
}

std::optional<config::price> price_of(const config::prices& all, const std::string& model, std::string_view type) {
    if (const auto at = all.models.find(model + "." + std::string(type)); !type.empty() && at != all.models.end())
        return at->second;
    const auto at = all.models.find(model);
    return at == all.models.end() ? std::nullopt : std::optional(at->second);
}

bool any_quota(const config::tree& t) {
    return std::any_of(t.groups.begin(), t.groups.end(), [](const auto& g) { return g.second.quota.any(); }) ||
           std::any_of(t.clients.begin(), t.clients.end(),
                       [](const auto& c) { return c.second.quota.any() || !c.second.pool_quotas.empty(); });
}

// Each once, however often it is named.
std::set<std::string> groups_of(const config::client& c) { return {c.groups.begin(), c.groups.end()}; }

bool has_rate(const config::quota& q) { return q.requests_per_minute || q.tokens_per_minute; }

}  // namespace

std::optional<std::string> accounting::secret(const config::secret_ref& ref, const std::string& key,
                                              const config::tree& t, issues_list& issues) {
    if (ref.empty()) return std::string();
    if (ref.where() == config::secret_ref::kind::file) {
        files_.emplace_back(ref.place());
        if (how_.files == file_rule::if_there && ::access(files_.back().c_str(), R_OK) != 0) return std::string();
    }
    auto value = key.starts_with("tracing.") ? config::resolve_field(ref) : config::resolve_line(ref);
    if (value) return *value;
    if (renewing())
        issues.push_back(
            t.source.make(config::severity::warning, key, value.error().message, "the old one serves on"));
    else error(t, key, value.error().message, issues);
    return std::nullopt;
}

bool accounting::stage(const config::tree& t, issues_list& issues, staging how) {
    how_ = how;
    files_.clear();
    next_ = {};
    // Replaced exporters end here, not on a worker that happens to be the last to know them: ending takes a while.
    std::erase_if(retired_, [](const auto& e) { return e.use_count() == 1; });
    // All of them, so that everything is told that is wrong.
    bool good = stage_capture(t, issues);
    good = stage_ledger(t, issues) && good;
    good = stage_quotas(t, issues) && good;
    return stage_tracer(t, issues) && good;
}

bool accounting::stage_capture(const config::tree& t, issues_list& issues) {
    auto redact = redactor::make(t.log.capture);
    if (!redact) {
        error(t, "log.capture.redact", redact.error().message, issues);
        return false;
    }
    const auto& file = t.log.capture.file;
    if (file.empty()) return true;
    if (renewing()) {
        next_.capture = captures_.present();
        return true;
    }
    if (!how_.open) {
        const bool there = ::access(file.c_str(), F_OK) == 0;
        const auto f = there || how_.files == file_rule::needed ? capture_writer::trouble_with(file) : std::nullopt;
        if (f) error(t, "log.capture.file", f->message, issues);
        return !f;
    }
    auto opened = capture_writer::open(file, std::move(*redact));
    if (!opened) {
        error(t, "log.capture.file", opened.error().message, issues);
        return false;
    }
    next_.capture = std::move(*opened);
    return true;
}

// What runs follows only when nothing can refuse the configuration any more.
void accounting::commit(const config::tree& t) {
    captures_.direct_to(std::move(next_.capture));
    reopen_due_ = false;
    if (next_.ledger) {
        ledger_ = std::move(next_.ledger);
        ledger_spool_ = t.usage->spool;
    }
    if (t.usage && ledger_ && next_.follow_ledger)
        if (const auto f = ledger_->configure(*t.usage, next_.ledger_password); f && tell_)
            tell_("usage: " + f->message);
    if (next_.quotas) {
        quotas_ = std::move(next_.quotas);
        quotas_from_ = std::move(next_.quotas_from);
        quotas_store_ = t.quotas.store;
    } else if (quotas_ && next_.quota_password) {
        quotas_->renew(std::move(*next_.quota_password));
    }
    if (tracer_ && tracer_ != next_.tracer) retired_.push_back(std::move(tracer_));
    tracer_ = std::move(next_.tracer);
    tracer_from_ = std::move(next_.tracer_from);
    tracer_proxies_ = std::move(next_.tracer_proxies);
    next_ = {};
    // A budget that comes with this configuration knows what was spent before it.
    if (quotas_) seed_budgets(t);
}

bool accounting::stage_ledger(const config::tree& t, issues_list& issues) {
    if (!t.usage) {
        if (ledger_)
            issues.push_back(t.source.make(config::severity::warning, "usage",
                                           "the section is gone: requests are not recorded any more",
                                           "put it back if that is not meant"));
        return true;
    }
    auto password = secret(t.usage->password, "usage.password", t, issues);
    if (!password) return renewing();
    if (ledger_ && t.usage->spool != ledger_spool_) {
        error(t, "usage.spool", "the folder cannot change while the gateway runs; restart it", issues);
        return false;
    }
    std::error_code ignored;
    if (const std::filesystem::path spool(t.usage->spool);
        std::filesystem::exists(spool, ignored) && !std::filesystem::is_directory(spool, ignored)) {
        error(t, "usage.spool", "the spool has to be a folder, and " + t.usage->spool + " is none", issues);
        return false;
    }
    next_.ledger_password = std::move(*password);
    next_.follow_ledger = ledger_ != nullptr;
    return true;
}

bool accounting::open_ledger(const config::tree& t, std::size_t workers, issues_list& issues) {
    if (!t.usage || ledger_) return true;
    ledger::opening with;
    with.settings = *t.usage;
    with.password = next_.ledger_password;
    with.gateway = t.gateway.name;
    with.writers = workers + 1;  // the last one is the estimator's
    with.alarm = tell_;
    auto opened = ledger::open(std::move(with));
    if (!opened) {
        error(t, "usage.spool", opened.error().message, issues);
        return false;
    }
    next_.ledger = std::move(*opened);
    estimator_.write_to(&next_.ledger->writer(workers));
    return true;
}

bool accounting::stage_quotas(const config::tree& t, issues_list& issues) {
    if (!any_quota(t) && !quotas_) return true;
    auto password = secret(t.quotas.password, "quotas.password", t, issues);
    if (!password) return renewing();
    if (const auto wrong = quota::trouble_with(t.quotas)) {
        error(t, "quotas.store", wrong->message, issues);
        return false;
    }
    const bool there = how_.files == file_rule::needed || ::access(t.quotas.ca_file.c_str(), R_OK) == 0;
    if (!t.quotas.ca_file.empty() && there && !renewing()) {
        if (const auto made = net::make_client_context(t.quotas.ca_file); !made) {
            error(t, "quotas.ca_file", made.error().message, issues);
            return false;
        }
    }
    const std::string from = t.quotas.store + "|" + t.quotas.ca_file + "|" + t.quotas.prefix + "|" +
                             std::to_string(t.quotas.gateways) + "|" + std::to_string(t.quotas.burst.count());
    if (quotas_) {
        if (from != quotas_from_)
            issues.push_back(t.source.make(config::severity::warning, "quotas",
                                           "the change takes effect at the next start", "restart the gateway"));
        // Never give this store the password of another.
        if (t.quotas.store == quotas_store_) next_.quota_password = secret_text(std::move(*password));
        return true;
    }
    if (!how_.open) return true;
    quota::opening with;
    with.settings = t.quotas;
    with.password = *password;
    with.gateway = t.gateway.name;
    with.alarm = tell_;
    auto opened = quota::open(std::move(with));
    if (!opened) {
        error(t, "quotas.store", opened.error().message, issues);
        return false;
    }
    next_.quotas = std::move(*opened);
    next_.quotas_from = from;
    return true;
}

// What was spent in the running periods, for holders with a budget, now or later.
void accounting::seed_budgets(const config::tree& t) {
    if (!ledger_) return;
    std::map<std::pair<std::string, std::string>, ledger::spent> sums;
    for (const auto& [key, spent] : ledger_->spent_now()) {
        const auto first = key.find('|'), last = key.rfind('|');
        if (first == std::string::npos || last == first) continue;
        const auto client = key.substr(0, first), pool = key.substr(first + 1, last - first - 1),
                   period = key.substr(last + 1);
        std::vector<std::string> holders{"client:" + client, "client:" + client + "/pool:" + pool};
        if (const auto c = t.clients.find(client); c != t.clients.end())
            for (const auto& g : groups_of(c->second)) holders.push_back("group:" + g);
        for (const auto& h : holders) {
            auto& sum = sums[{h, period}];
            sum.tokens = add_sat(sum.tokens, spent.tokens);
            sum.money_nanos = add_sat(sum.money_nanos, spent.money_nanos);
        }
    }
    for (const auto& [who, sum] : sums)
        quotas_->seed(who.first, who.second, static_cast<std::int64_t>(sum.tokens), sum.money_nanos);
}

bool accounting::stage_tracer(const config::tree& t, issues_list& issues) {
    const auto settings = trace::with_environment(t.tracing, config::process_environment());
    if (settings.endpoint.empty()) return true;
    trace::opening with;
    with.settings = settings;
    with.gateway = t.gateway.name;
    with.region = t.gateway.region;
    with.version = SPILLWAY_VERSION;
    with.alarm = tell_;
    with.proxies = how_.proxies;
    std::string from = settings.endpoint + "|" + settings.service + "|" + settings.ca_file;
    for (const auto& [name, ref] : settings.headers) {
        auto value = secret(ref, "tracing.headers." + name, t, issues);
        if (!value && renewing()) {
            keep_tracer();
            return true;
        }
        if (!value) return false;
        from += "|" + name + ":" + std::to_string(std::hash<std::string>{}(*value));
        with.headers.push_back({name, std::move(*value)});
    }
    if (!settings.ca_file.empty()) files_.push_back(settings.ca_file);
    if (tracer_ && from == tracer_from_ && how_.proxies == tracer_proxies_) {
        keep_tracer();
        return true;
    }
    next_.tracer_from = from;
    next_.tracer_proxies = how_.proxies;
    if (how_.files == file_rule::if_there && ::access(settings.ca_file.c_str(), R_OK) != 0)
        with.settings.ca_file = {};
    auto opened = trace::open(std::move(with));
    if (!opened) {
        if (renewing()) {
            keep_tracer();
            return true;
        }
        error(t, "tracing", opened.error().message, issues);
        return false;
    }
    next_.tracer = std::move(*opened);
    return true;
}

void accounting::keep_tracer() {
    next_.tracer = tracer_;
    next_.tracer_from = tracer_from_;
    next_.tracer_proxies = tracer_proxies_;
}

void accounting::attach(proxy::snapshot& s, const config::tree& t, stats::label_table& labels) {
    commit(t);
    s.tracing = trace::with_environment(t.tracing, config::process_environment());
    s.tracer = tracer_;
    if (t.usage) s.ledger = ledger_;
    s.counts_tokens = t.usage || any_quota(t) || tracer_;
    for (auto& p : s.pools) {
        const auto& from = t.pools.find(p.name)->second;
        p.model_label = labels.intern(p.model);
        p.price = price_of(t.prices, p.model, {});
        p.shed = from.shed;
        for (std::size_t i = 0; i < p.backends.size(); ++i) {
            p.backends[i].price = price_of(t.prices, p.model, p.backends[i].type);
            if (const auto limit = from.backends[i].limits.tokens_per_minute)
                p.backends[i].tokens_limit = static_cast<std::int64_t>(*limit);
        }
    }
    std::size_t index = 0;
    for (const auto& [name, c] : t.clients) attach_client(s.clients[index++], name, t);
}

void accounting::attach_client(proxy::client& c, const std::string& name, const config::tree& t) {
    const auto& from = t.clients.find(name)->second;
    c.labels_json = labels_json(from.labels);
    c.priority = from.priority;
    const auto add = [&](const std::string& holder, std::string_view kind, const config::quota& limits) {
        if (!limits.any()) return;
        c.holders.push_back(quotas_->get(holder, limits));
        c.holder_kinds.push_back(kind);
        c.has_rate = c.has_rate || has_rate(limits);
    };
    add("client:" + name, "client", from.quota);
    for (const auto& g : groups_of(from))
        if (const auto at = t.groups.find(g); at != t.groups.end()) add("group:" + g, "group", at->second.quota);
    if (from.pool_quotas.empty()) return;
    for (const auto& [pool, unused] : t.pools) {
        const auto at = from.pool_quotas.find(pool);
        const bool limited = at != from.pool_quotas.end() && at->second.any();
        c.pool_holders.push_back(limited ? quotas_->get("client:" + name + "/pool:" + pool, at->second) : nullptr);
        c.pool_rates.push_back(limited && has_rate(at->second));
    }
}

void accounting::reopen_files() {
    const auto f = captures_.reopen();
    const bool told = std::exchange(reopen_due_, f.has_value());
    if (f && !told && tell_) tell_("capture: " + f->message + "; it is tried again");
}

void accounting::stop(farewell& all, time_point until) {
    all.add("the usage ledger's store", [this, until] {
        estimator_.stop();  // its last records go into the spool
        if (ledger_) ledger_->stop(std::max(duration::zero(), until - clock::now()));
    });
    // Its thread answers requests of workers, whose loops are still there.
    all.add("Redis", [this] { quotas_.reset(); });
    all.add("the file of captured texts", [this] { captures_.finish(); });
}

}  // namespace spillway::server
