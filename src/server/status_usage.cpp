#include "status_usage.hpp"

#include <algorithm>
#include <tuple>

namespace spillway::server {
namespace {

using json = nlohmann::json;

double seconds_of(duration d) { return std::chrono::duration<double>(d).count(); }

// Nothing when there is no such limit, so that readers need not know which limits exist.
template <class Number>
void bound(json& to, const char* name, const std::optional<Number>& limit, std::int64_t used) {
    if (limit) to[name] = {{"limit", *limit}, {"used", std::max<std::int64_t>(0, used)}};
}

// A rate is told for a minute, but what is left is of its bucket, which holds what the burst amounts to.
void rate(json& to, const char* name, const std::optional<std::int64_t>& limit,
          const std::optional<std::int64_t>& left, const std::optional<duration>& reset, duration burst) {
    if (!limit) return;
    const auto room = static_cast<std::int64_t>(static_cast<double>(*limit) * seconds_of(burst) / 60);
    to[name] = {{"limit", *limit}, {"room", room}, {"used", std::max<std::int64_t>(0, room - left.value_or(room))}};
    if (reset) to[name]["reset_seconds"] = seconds_of(*reset);
}

// Who says how much of a budget is spent: this gateway by its own count, the others as they have told.
json spenders_of(const quota::holder::state& h) {
    constexpr std::size_t most = 32;
    const auto row = [](const json& who, std::int64_t tokens, std::int64_t nanos) {
        return json{{"gateway", who}, {"tokens", tokens}, {"money_nanos", nanos}};
    };
    json out = json::array();
    out.push_back(row(nullptr, h.budget_tokens_here, h.budget_money_nanos_here));
    auto others = h.others;
    std::sort(others.begin(), others.end(), [](const auto& a, const auto& b) {
        return std::tie(a.tokens, a.money_nanos) > std::tie(b.tokens, b.money_nanos);
    });
    if (others.size() > most) others.resize(most);
    for (const auto& o : others) out.push_back(row(o.gateway, o.tokens, o.money_nanos));
    return out;
}

json holder_of(const quota::holder::state& h, duration burst) {
    json limits = json::object();
    rate(limits, "requests", h.left.limit_requests, h.left.requests, h.left.reset_requests, burst);
    rate(limits, "tokens", h.left.limit_tokens, h.left.tokens, h.left.reset_tokens, burst);
    bound(limits, "concurrent", h.limit_concurrent, h.concurrent);
    bound(limits, "budget_tokens", h.limit_budget_tokens, h.budget_tokens);
    bound(limits, "budget_money_nanos", h.limit_budget_money_nanos, h.budget_money_nanos);
    json out{{"name", h.name}, {"limits", limits}, {"period", text_or_null(h.period)}, {"refused", h.refused}};
    if (h.alone) out["alone"] = true;
    if (!h.period.empty()) out["spent_by"] = spenders_of(h);
    return out;
}

}  // namespace

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json usage_of(const state& s) {
    const auto* l = s.usage_ledger();
    if (l == nullptr) return nullptr;
    const auto r = l->report();
    return {{"store", r.store},
            {"up", r.store_up},
            {"written", r.written},
            {"waiting", r.waiting},
            {"oldest_waiting_seconds", r.oldest_waiting_seconds},
            {"lost", r.lost},
            {"set_aside",
             {{"records", r.aside.records},
              {"oldest_seconds", r.oldest_aside_seconds},
              {"refused", r.refused},
              {"last_reason", text_or_null(r.aside.reason)}}},
            {"spool_bytes", r.spool_bytes},
            {"spool_limit", r.spool_limit},
            {"spool_full", r.spool_full},
            {"store_failures", r.store_failures},
            {"last_error", text_or_null(r.last_error)}};
}

json quotas_of(const state& s, time_point now, wall_time wall) {
    const auto* q = s.quota_store();
    if (q == nullptr) return nullptr;
    const auto r = q->look();
    json holders = json::array();
    const auto burst = s.configuration().tree.quotas.burst;
    for (const auto& h : q->holders(now, wall)) holders.push_back(holder_of(h, burst));
    return {{"store", r.kind},
            {"up", r.up},
            {"last_error", text_or_null(r.last_error)},
            {"round_trips", r.round_trips},
            {"failures", r.failures},
            {"asks", r.asks},
            {"round_trip_seconds", r.round_trip_seconds},
            {"holders", holders}};
}

json traces_of(const state& s) {
    const auto* t = s.trace_exporter();
    if (t == nullptr) return nullptr;
    const auto r = t->look();
    return {{"exported", r.exported},
            {"dropped", r.dropped},
            {"failures", r.failures},
            {"last_error", text_or_null(r.last_error)}};
}

json errors_of(const state& s) {
    json out = json::array();
    for (const auto& e : s.errors().list())
        out.push_back({{"at", std::chrono::duration<double>(e.at.time_since_epoch()).count()},
                       {"status", e.status},
                       {"code", e.code},
                       {"client", e.client},
                       {"pool", e.pool},
                       {"backend", e.backend},
                       {"operation", e.operation},
                       {"request_id", e.request_id}});
    return out;
}

}  // namespace spillway::server
