#include "explain_limits.hpp"

#include <array>
#include <cstdio>

namespace spillway::server {
namespace {

using nlohmann::json;

std::string money_text(std::int64_t nanos, const std::string& currency) {
    std::array<char, 40> out{};
    std::snprintf(out.data(), out.size(), "%.2f", static_cast<double>(nanos) * 1e-9);
    return std::string(out.data()) + ' ' + currency;
}

json quota_of(const std::string& holder, const config::quota& q, const config::tree& t) {
    constexpr std::array<const char*, 3> periods{"day", "week", "month"};
    json limits = json::object();
    if (q.concurrent) limits["concurrent"] = *q.concurrent;
    if (q.requests_per_minute) limits["requests_per_minute"] = *q.requests_per_minute;
    if (q.tokens_per_minute) limits["tokens_per_minute"] = *q.tokens_per_minute;
    if (q.budget) {
        const std::string per = periods[static_cast<std::size_t>(q.budget->per)];
        if (q.budget->tokens) limits["tokens_per_" + per] = *q.budget->tokens;
        if (q.budget->money) limits["money_per_" + per] = money_text(*q.budget->money, t.prices.currency);
    }
    return {{"holder", holder}, {"limits", limits}};
}

}  // namespace

json explain_limits(const config::tree& t, const std::string& client, const std::vector<std::string>& pools) {
    constexpr std::array<const char*, 3> priorities{"low", "normal", "high"};
    const auto& c = t.clients.find(client)->second;
    json quotas = json::array();
    if (c.quota.any()) quotas.push_back(quota_of("client " + client, c.quota, t));
    for (const auto& g : c.groups)
        if (const auto at = t.groups.find(g); at != t.groups.end() && at->second.quota.any())
            quotas.push_back(quota_of("group " + g, at->second.quota, t));
    json out{{"priority", priorities[static_cast<std::size_t>(c.priority)]}, {"gives_way_in", json::array()}};
    for (const auto& pool : pools) {
        if (const auto at = c.pool_quotas.find(pool); at != c.pool_quotas.end() && at->second.any())
            quotas.push_back(quota_of("client " + client + " on pool " + pool, at->second, t));
        const auto& p = t.pools.find(pool)->second;
        const double below = !p.shed                                        ? 0.0
                             : c.priority == config::priority_class::low    ? p.shed->low
                             : c.priority == config::priority_class::normal ? p.shed->normal
                                                                            : 0.0;
        if (below > 0) out["gives_way_in"].push_back({{"pool", pool}, {"below_share", below}});
    }
    out["quotas"] = std::move(quotas);
    out["records"] = t.usage ? json(t.usage->store) : json(nullptr);
    return out;
}

}  // namespace spillway::server
