#include "usage_check.hpp"

#include <algorithm>
#include <set>

#include <spillway/base/text.hpp>

#include "issue_sink.hpp"
#include "values.hpp"

namespace spillway::config {
namespace {

// A password in a URL would end up in logs and status pages.
bool has_password(std::string_view url) noexcept {
    const auto scheme = url.find("://");
    if (scheme == std::string_view::npos) return false;
    const auto rest = url.substr(scheme + 3);
    const auto at = rest.substr(0, rest.find('/')).rfind('@');
    return at != std::string_view::npos && rest.substr(0, at).find(':') != std::string_view::npos;
}

// What is said to such a host crosses no network.
bool is_loopback(std::string_view url) noexcept {
    auto host = url.substr(url.find("://") + 3);
    host = host.substr(0, host.find('/'));
    host = host.substr(host.rfind('@') + 1);  // without one: from the begin
    if (host.starts_with("[::1]")) return true;
    const auto name = host.substr(0, host.find(':'));
    const bool v4 = std::all_of(name.begin(), name.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
    return name == "localhost" || (v4 && name.starts_with("127."));
}

class usage_check : tree_check {
public:
    usage_check(const tree& t, std::span<const store_form> stores, std::vector<issue>& out)
        : tree_check(t, out), stores_(stores) {}

    void run() {
        if (tree_.usage) check_ledger(*tree_.usage);
        check_prices();
        check_stores();
        for (const auto& [name, c] : tree_.clients) check_client("clients." + name, c);
        check_groups();
        for (const auto& [name, p] : tree_.pools)
            if (p.shed && p.shed->normal > p.shed->low)
                error("pools." + name + ".shed", "normal would be refused before low",
                      "make normal at most as high as low");
        check_capture();
        check_tracing();
    }

private:
    void check_ledger(const usage& u) {
        if (u.spool.empty()) error("usage.spool", "no folder is named", "write a path that the gateway may write to");
        const auto form = std::find_if(stores_.begin(), stores_.end(), [&](const store_form& f) {
            return u.store.starts_with(f.prefix) && u.store.size() > f.prefix.size();
        });
        if (form == stores_.end()) {
            std::string remedy = "write ";
            for (const auto& f : stores_) remedy.append(&f == stores_.data() ? "" : " or ").append(f.example);
            error("usage.store", "the store is of no known kind", remedy);
        } else if (!form->takes_password && !u.password.empty()) {
            warn("usage.password", "this kind of store wants no password", "take it out");
        }
        if (has_password(u.store))
            error("usage.store", "a password stands in the URL, where logs would show it",
                  "put it into usage.password");
    }

    void check_prices() {
        std::set<std::string> models;
        for (const auto& [name, p] : tree_.pools) {
            models.insert(p.model);
            for (const auto& b : p.backends) models.insert(p.model + "." + std::string(to_string(b.type)));
        }
        for (const auto& [name, price] : tree_.prices.models)
            if (!models.contains(name))
                warn("prices.models." + name, "no pool has this model",
                     did_you_mean(name, models, "use the model of a pool, or model.type"));
        const auto& c = tree_.prices.currency;
        if (c.size() != 3 || !std::all_of(c.begin(), c.end(), [](char x) { return x >= 'A' && x <= 'Z'; }))
            error("prices.currency", "'" + c + "' is no currency", "write three capital letters, such as USD");
        if (tree_.prices.models.empty()) return;
        const bool money = limits_money();
        for (const auto& [name, p] : tree_.pools) {
            const auto at = tree_.prices.models.find(p.model);
            if (at != tree_.prices.models.end()) {
                if (at->second.output == 0 && at->second.input != 0 && p.model.find("embed") == std::string::npos)
                    warn("prices.models." + p.model, "answers of this model cost nothing", "set output");
                continue;
            }
            const std::string what = "the price list does not have " + p.model;
            if (money)
                warn("pools." + name + ".model", what + ", so budgets of money do not limit it",
                     "add prices.models." + p.model + ", with 0 if it is free");
            else
                warn("pools." + name + ".model", what,
                     "add prices.models." + p.model + ", or its records have no price");
        }
    }

    bool limits_money() const {
        const auto has = [](const quota& q) { return q.budget && q.budget->money; };
        return std::any_of(tree_.groups.begin(), tree_.groups.end(),
                           [&](const auto& g) { return has(g.second.quota); }) ||
               std::any_of(tree_.clients.begin(), tree_.clients.end(), [&](const auto& c) {
                   return has(c.second.quota) || std::any_of(c.second.pool_quotas.begin(), c.second.pool_quotas.end(),
                                                             [&](const auto& q) { return has(q.second); });
               });
    }

    void check_stores() {
        const auto& q = tree_.quotas;
        if (q.store != "memory" && !q.store.starts_with("redis://") && !q.store.starts_with("rediss://"))
            error("quotas.store", "the store is of no known kind",
                  "write memory, redis://host[:port][/database] or rediss:// for TLS");
        if (!q.ca_file.empty() && !q.store.starts_with("rediss://"))
            error("quotas.ca_file", "the store does not speak TLS", "write rediss:// in quotas.store, or remove it");
        if (q.store.starts_with("redis://") && !q.password.empty() && !is_loopback(q.store))
            warn("quotas.store", "the password of Redis crosses the network in clear",
                 "write rediss:// where Redis offers TLS");
        if (has_password(q.store))
            error("quotas.store", "a password stands in the URL, where logs would show it",
                  "put it into quotas.password");
        if (q.store == "memory" && q.gateways > 1)
            warn("quotas.gateways",
                 "each gateway counts by itself: clients get their quota as often as there are gateways",
                 "use redis:// or rediss://, or divide the quotas by hand");
    }

    void check_quota(const std::string& path, const quota& q) {
        if (!q.budget) return;
        if (!q.budget->tokens && !q.budget->money)
            error(path + ".budget", "the budget limits nothing", "set tokens or money");
        if (!tree_.usage)
            warn(path + ".budget", "without a usage section the gateway forgets at its end what was spent",
                 "add usage: {}");
        if (q.budget->money && tree_.prices.models.empty())
            error(path + ".budget.money", "there is no price list", "add prices.models, or set budget.tokens");
    }

    void check_client(const std::string& path, const client& c) {
        check_quota(path + ".quota", c.quota);
        for (const auto& [name, q] : c.pool_quotas) {
            const auto at = path + ".pool_quotas." + name;
            if (!tree_.pools.contains(name))
                error(at, "there is no pool called '" + name + "'",
                      did_you_mean(name, names_of(tree_.pools), "use the name of one that exists"));
            check_quota(at, q);
        }
    }

    void check_groups() {
        std::set<std::string> used;
        for (const auto& [name, c] : tree_.clients) used.insert(c.groups.begin(), c.groups.end());
        for (const auto& [name, g] : tree_.groups) {
            if (!used.contains(name))
                warn("groups." + name, "no client is in this group",
                     did_you_mean(name, used, "put a client into it"));
            check_quota("groups." + name + ".quota", g.quota);
        }
    }

    void check_capture() {
        for (std::size_t i = 0; i < tree_.routes.size(); ++i)
            if (tree_.routes[i].capture != capture_what::none && tree_.log.capture.file.empty())
                error(child_path("routes", i) + ".capture", "there is no file for prompts and answers",
                      "set log.capture.file");
    }

    void check_tracing() {
        const auto& e = tree_.tracing.endpoint;
        if (e.empty()) return;
        if (!text::istarts_with(e, "http://") && !text::istarts_with(e, "https://"))
            error("tracing.endpoint", "the endpoint is no URL", "write http(s)://host[:port]");
        else if (e.substr(0, e.find('/', e.find("://") + 3)).find('@') != std::string::npos)
            error("tracing.endpoint", "a password stands in the URL, where logs would show it",
                  "send it as a header: tracing.headers");
    }

    std::span<const store_form> stores_;
};

}  // namespace

void check_usage(const tree& t, std::span<const store_form> stores, std::vector<issue>& out) {
    usage_check(t, stores, out).run();
}

}  // namespace spillway::config
