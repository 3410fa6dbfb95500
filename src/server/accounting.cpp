#include <spillway/server/accounting.hpp>

#include <unistd.h>

#include <algorithm>
#include <set>

#include <spillway/base/text.hpp>
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
    for (const auto& [name, value] : labels) {
        out += out.size() > 1 ? ",\"" : "\"";
        text::append_json_escaped(out, name);
        out += "\":\"";
        text::append_json_escaped(out, value);
        out += '"';
    }
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

// Without making the file: that is for the writer, who gives it a mode that keeps others out.
bool can_write(const std::string& file) {
    if (::access(file.c_str(), F_OK) == 0) return ::access(file.c_str(), W_OK) == 0;
    const auto slash = file.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : file.substr(0, slash);
    return ::access(folder.c_str(), W_OK) == 0;
}

// Each once, however often it is named.
std::set<std::string> groups_of(const config::client& c) { return {c.groups.begin(), c.groups.end()}; }

bool has_rate(const config::quota& q) { return q.requests_per_minute || q.tokens_per_minute; }

}  // namespace

std::optional<std::string> accounting::secret(const config::secret_ref& ref, const std::string& key,
                                              const config::tree& t, issues_list& issues) {
    if (ref.empty()) return std::string();
    if (ref.where() == config::secret_ref::kind::file) files_.emplace_back(ref.place());
    auto value = config::resolve(ref);
    if (value) return *value;
    error(t, key, value.error().message, issues);
    return std::nullopt;
}

bool accounting::prepare(const config::tree& t, std::size_t workers, issues_list& issues) {
    files_.clear();
    next_ = {};
    auto redact = redactor::make(t.log.capture);
    if (!redact) {
        error(t, "log.capture.redact", redact.error().message, issues);
        return false;
    }
    next_.redact = std::move(*redact);
    if (const auto& file = t.log.capture.file; !file.empty() && !can_write(file)) {
        error(t, "log.capture.file", "cannot write to " + file, issues);
        return false;
    }
    // Replaced exporters end here, not on a worker that happens to be the last to know them: ending takes a while.
    std::erase_if(retired_, [](const auto& e) { return e.use_count() == 1; });
    return prepare_ledger(t, workers, issues) && prepare_quotas(t, issues) && prepare_tracer(t, issues);
}

// What runs follows only when nothing can refuse the configuration any more.
void accounting::commit(const config::tree& t) {
    if (const auto f = captures_.direct_to(t.log.capture.file, std::move(next_.redact)); f && tell_)
        tell_("capture: " + f->message);
    if (t.usage && ledger_ && next_.follow_ledger)
        if (const auto f = ledger_->configure(*t.usage, next_.ledger_password); f && tell_)
            tell_("usage: " + f->message);
    if (quotas_ && next_.quota_password) quotas_->renew(std::move(*next_.quota_password));
    next_.quota_password.reset();
    if (tracer_ && tracer_ != next_.tracer) retired_.push_back(std::move(tracer_));
    tracer_ = std::move(next_.tracer);
    tracer_from_ = std::move(next_.tracer_from);
    // A budget that comes with this configuration knows what was spent before it.
    if (quotas_) seed_budgets(t);
}

bool accounting::prepare_ledger(const config::tree& t, std::size_t workers, issues_list& issues) {
    if (!t.usage) {
        if (ledger_)
            issues.push_back(t.source.make(config::severity::warning, "usage",
                                           "the section is gone: requests are not recorded any more",
                                           "put it back if that is not meant"));
        return true;
    }
    const auto password = secret(t.usage->password, "usage.password", t, issues);
    if (!password) return false;
    if (ledger_) {
        if (t.usage->spool != ledger_spool_) {
            error(t, "usage.spool", "the folder cannot change while the gateway runs; restart it", issues);
            return false;
        }
        next_.ledger_password = *password;
        next_.follow_ledger = true;
        return true;
    }
    ledger::opening with;
    with.settings = *t.usage;
    with.password = *password;
    with.gateway = t.gateway.name;
    with.writers = workers + 1;  // the last one is the estimator's
    with.alarm = tell_;
    auto opened = ledger::open(std::move(with));
    if (!opened) {
        error(t, "usage.spool", opened.error().message, issues);
        return false;
    }
    ledger_ = std::move(*opened);
    ledger_spool_ = t.usage->spool;
    estimator_.write_to(&ledger_->writer(workers));
    return true;
}

bool accounting::prepare_quotas(const config::tree& t, issues_list& issues) {
    if (!any_quota(t) && !quotas_) return true;
    auto password = secret(t.quotas.password, "quotas.password", t, issues);
    if (!password) return false;
    if (!t.quotas.ca_file.empty()) {
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
        // That of another store is not for this one to see.
        if (t.quotas.store == quotas_store_) next_.quota_password = secret_text(std::move(*password));
        return true;
    }
    shared::opening with;
    with.settings = t.quotas;
    with.password = *password;
    with.gateway = t.gateway.name;
    with.alarm = tell_;
    auto opened = shared::open(std::move(with));
    if (!opened) {
        error(t, "quotas.store", opened.error().message, issues);
        return false;
    }
    quotas_ = std::move(*opened);
    quotas_from_ = from;
    quotas_store_ = t.quotas.store;
    return true;
}

// What was spent in the running periods, for whoever may have a budget or get one.
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

bool accounting::prepare_tracer(const config::tree& t, issues_list& issues) {
    const auto settings = trace::with_environment(t.tracing, config::process_environment());
    if (settings.endpoint.empty()) return true;
    trace::opening with;
    with.settings = settings;
    with.gateway = t.gateway.name;
    with.region = t.gateway.region;
    with.version = SPILLWAY_VERSION;
    with.alarm = tell_;
    std::string from = settings.endpoint + "|" + settings.service + "|" + settings.ca_file;
    for (const auto& [name, ref] : settings.headers) {
        auto value = secret(ref, "tracing.headers." + name, t, issues);
        if (!value) return false;
        from += "|" + name + ":" + std::to_string(std::hash<std::string>{}(*value));
        with.headers.push_back({name, std::move(*value)});
    }
    if (!settings.ca_file.empty()) files_.push_back(settings.ca_file);
    next_.tracer_from = from;
    if (tracer_ && from == tracer_from_) {
        next_.tracer = tracer_;
        return true;
    }
    auto opened = trace::open(std::move(with));
    if (!opened) {
        error(t, "tracing", opened.error().message, issues);
        return false;
    }
    next_.tracer = std::move(*opened);
    return true;
}

void accounting::attach(proxy::snapshot& s, const config::tree& t, stats::label_table& labels) {
    commit(t);
    s.gateway = t.gateway.name;
    s.keeps_records = t.usage.has_value();
    s.asks_usage = t.usage && t.usage->streams == config::stream_usage::ask;
    s.end_users = t.usage && t.usage->end_users;
    s.capture_bytes = t.log.capture.max_bytes;
    s.tracing = trace::with_environment(t.tracing, config::process_environment());
    s.tracer = tracer_;
    if (t.usage) s.ledger = ledger_;
    s.counts_tokens = t.usage || any_quota(t) || tracer_;
    for (const auto& r : t.routes) s.captures.push_back(r.capture);
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
    if (const auto f = captures_.reopen(); f && tell_) tell_("capture: " + f->message);
}

void accounting::stop() {
    estimator_.stop();
    quotas_.reset();  // its thread answers requests of workers, whose loops are still there
    if (ledger_) ledger_->stop(seconds(3));
}

}  // namespace spillway::server
