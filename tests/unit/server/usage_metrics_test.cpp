#include <gtest/gtest.h>

#include <spillway/server/usage_metrics.hpp>

namespace spillway::server {
namespace {

// The values of a metric by its labels' values, joined with a slash.
std::map<std::string, double> values(const metric_families& all, const std::string& name) {
    std::map<std::string, double> out;
    for (const auto& f : all) {
        if (f.name != name) continue;
        for (const auto& s : f.samples) {
            std::string key;
            for (const auto& [label, value] : s.labels) key += (key.empty() ? "" : " ") + value;
            out[key] = s.value;
        }
    }
    return out;
}
using expected = std::map<std::string, double>;

TEST(usage_metrics, the_ledger_tells_how_it_does) {
    ledger::report r;
    r.store_up = true;
    r.waiting = 12;
    r.oldest_waiting_seconds = 1.5;
    r.spool_bytes = 700;
    r.spool_limit = 1000;
    r.written = 90;
    r.lost = 3;
    r.store_failures = 2;
    r.refused = 5;
    r.aside.records = 4;
    metric_families out;
    add_ledger(r, out);
    EXPECT_EQ(values(out, "spillway_ledger_up"), (expected{{"", 1}}));
    EXPECT_EQ(values(out, "spillway_ledger_waiting_records"), (expected{{"", 12}}));
    EXPECT_EQ(values(out, "spillway_ledger_oldest_waiting_seconds"), (expected{{"", 1.5}}));
    EXPECT_EQ(values(out, "spillway_ledger_spool_bytes"), (expected{{"", 700}}));
    EXPECT_EQ(values(out, "spillway_ledger_spool_limit_bytes"), (expected{{"", 1000}}));
    EXPECT_EQ(values(out, "spillway_ledger_written_total"), (expected{{"", 90}}));
    EXPECT_EQ(values(out, "spillway_ledger_lost_total"), (expected{{"", 3}}));
    EXPECT_EQ(values(out, "spillway_ledger_store_failures_total"), (expected{{"", 2}}));
    EXPECT_EQ(values(out, "spillway_ledger_set_aside_total"), (expected{{"", 5}}));
    EXPECT_EQ(values(out, "spillway_ledger_set_aside_records"), (expected{{"", 4}}));
}

TEST(usage_metrics, holders_show_the_limits_that_they_have_and_no_others) {
    quota::holder::state shop;
    shop.name = "client:shop";
    shop.left.limit_tokens = 1000;
    shop.left.tokens = 250;
    shop.limit_concurrent = 10;
    shop.concurrent = 4;
    shop.budget_money_nanos = 80;
    shop.limit_budget_money_nanos = 100;
    shop.refused = 5;
    quota::holder::state none;
    none.name = "group:production";
    metric_families out;
    add_quotas({shop, none}, out);
    EXPECT_EQ(values(out, "spillway_quota_limit"),
              (expected{{"client:shop tokens", 1000}, {"client:shop concurrent", 10}}));
    EXPECT_EQ(values(out, "spillway_quota_remaining"),
              (expected{{"client:shop tokens", 250}, {"client:shop concurrent", 6}}));
    EXPECT_EQ(values(out, "spillway_budget_spent_ratio"), (expected{{"client:shop money", 0.8}}));
    EXPECT_EQ(values(out, "spillway_quota_holder_refused_total"),
              (expected{{"client:shop", 5}, {"group:production", 0}}));
}

TEST(usage_metrics, a_budget_of_nothing_is_spent) {
    quota::holder::state h;
    h.name = "client:x";
    h.limit_budget_tokens = 0;
    metric_families out;
    add_quotas({h}, out);
    EXPECT_EQ(values(out, "spillway_budget_spent_ratio"), (expected{{"client:x tokens", 1}}));
}

TEST(usage_metrics, a_quota_store_that_is_away_is_shown) {
    quota::store::report r;
    r.kind = "redis";
    r.up = false;
    r.failures = 7;
    r.last_error = "connection refused";
    metric_families out;
    add_quota_store(r, out);
    EXPECT_EQ(values(out, "spillway_quota_store_up"), (expected{{"redis", 0}}));
    EXPECT_EQ(values(out, "spillway_quota_store_failures_total"), (expected{{"redis", 7}}));
}

TEST(usage_metrics, spans_by_what_became_of_them_and_capacity_by_pool) {
    trace::exporter::report r;
    r.exported = 100;
    r.dropped = 4;
    r.failures = 1;
    metric_families out;
    add_traces(r, out);
    add_capacity({{"gpt-4o", 0.25}}, out);
    EXPECT_EQ(values(out, "spillway_trace_spans_total"), (expected{{"exported", 100}, {"dropped", 4}}));
    EXPECT_EQ(values(out, "spillway_trace_export_failures_total"), (expected{{"", 1}}));
    EXPECT_EQ(values(out, "spillway_pool_capacity_share"), (expected{{"gpt-4o", 0.25}}));
}

}  // namespace
}  // namespace spillway::server
