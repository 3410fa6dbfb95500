#include "../../../src/sim/fault_rule.hpp"

#include <gtest/gtest.h>

#include "../../../src/sim/fault_answer.hpp"

using namespace spillway;
using namespace spillway::sim;

namespace {

fault_rule rule(const char* text) {
    problems out;
    fault_rule r = read_fault(json::parse(text), {}, out);
    EXPECT_TRUE(out.found.empty()) << out.found.front();
    return r;
}

std::string refusal(const char* text) {
    problems out;
    read_fault(json::parse(text), {}, out);
    return out.found.empty() ? "" : out.found.front();
}

std::string header(const answer& a, std::string_view name) {
    for (const auto& [n, value] : a.headers)
        if (n == name) return value;
    return {};
}

}  // namespace

TEST(fault_rule, unknown_words_and_missing_details_are_refused) {
    EXPECT_NE(refusal(R"({"fault":"explode"})"), "");
    EXPECT_NE(refusal(R"({"fault":"hang","status":429})").find("status"), std::string::npos);
    EXPECT_NE(refusal(R"({"fault":"status","status":199})"), "");
    EXPECT_NE(refusal(R"({"fault":"error_event","status":200})"), "");
    EXPECT_NE(refusal(R"({"fault":"interim","status":101})"), "");
    EXPECT_NE(refusal(R"({"fault":"preamble","count":0})"), "");
    EXPECT_NE(refusal(R"({"fault":"preamble","what":"song"})"), "");
    EXPECT_NE(refusal(R"({"fault":"drift"})"), "");
    EXPECT_NE(refusal(R"({"fault":"early_refusal","status":429,"deployment":"d"})"), "");
    EXPECT_NE(refusal(R"({"fault":"delay"})"), "");
    EXPECT_NE(refusal(R"({"fault":"close"})"), "");
    EXPECT_NE(refusal(R"({"fault":"reset","after_bytes":1,"after_events":1})"), "");
    EXPECT_NE(refusal(R"({"fault":"status","status":500,"share":2})"), "");
    EXPECT_NE(refusal(R"({"fault":"refuse_tls","deployment":"d"})"), "");
    EXPECT_NE(refusal(R"({"fault":"refuse_connection","times":2})"), "");
}

TEST(fault_table, a_counted_fault_ends_by_itself_and_an_uncounted_one_when_it_is_cleared) {
    fault_table t(1);
    t.add(rule(R"({"fault":"status","status":429,"times":2})"));
    EXPECT_FALSE(t.choose("a", "d", false).empty());
    EXPECT_FALSE(t.choose("a", "d", false).empty());
    EXPECT_TRUE(t.choose("a", "d", false).empty());
    EXPECT_EQ(t.rules().front().applied, 2U);
    t.add(rule(R"({"fault":"hang"})"));
    EXPECT_FALSE(t.choose("a", "d", false).empty());
    t.clear();
    EXPECT_TRUE(t.choose("a", "d", false).empty());
}

TEST(fault_table, the_next_rule_of_a_kind_takes_its_turn_when_the_first_is_used_up) {
    fault_table t(1);
    t.add(rule(R"({"fault":"status","status":429,"times":1})"));
    t.add(rule(R"({"fault":"status","status":503,"times":1})"));
    EXPECT_EQ(t.choose("a", "", false).find(fault_kind::status)->status, 429);
    EXPECT_EQ(t.choose("a", "", false).find(fault_kind::status)->status, 503);
    EXPECT_TRUE(t.choose("a", "", false).empty());
}

TEST(fault_table, a_rule_is_for_its_instance_and_its_deployment_alone) {
    fault_table t(1);
    t.add(rule(R"({"fault":"hang","instance":"a","deployment":"d"})"));
    EXPECT_TRUE(t.choose("b", "d", false).empty());
    EXPECT_TRUE(t.choose("a", "e", false).empty());
    EXPECT_TRUE(t.choose("a", "", false).empty());
    EXPECT_FALSE(t.choose("a", "d", false).empty());
}

TEST(fault_table, faults_of_streams_wait_for_a_stream) {
    fault_table t(1);
    t.add(rule(R"({"fault":"error_event","times":1})"));
    t.add(rule(R"({"fault":"reset","after_events":2})"));
    EXPECT_TRUE(t.choose("a", "", false).empty());
    const auto chosen = t.choose("a", "", true);
    EXPECT_NE(chosen.find(fault_kind::error_event), nullptr);
    EXPECT_NE(chosen.find(fault_kind::reset), nullptr);
}

TEST(fault_table, a_share_meets_about_that_part_of_the_requests) {
    fault_table t(7);
    t.add(rule(R"({"fault":"hang","share":0.2})"));
    int hit = 0;
    for (int i = 0; i < 1000; ++i) hit += t.choose("a", "", false).empty() ? 0 : 1;
    EXPECT_GT(hit, 150);
    EXPECT_LT(hit, 250);
}

TEST(fault_table, faults_of_connections_are_not_met_by_requests) {
    fault_table t(1);
    const auto id = t.add(rule(R"({"fault":"drop_idle","for":"1s","times":1})"));
    EXPECT_TRUE(t.choose("a", "", true).empty());
    EXPECT_TRUE(t.choose_for_connection(fault_kind::drop_idle, "a").has_value());
    EXPECT_TRUE(t.choose_for_connection(fault_kind::drop_idle, "a").has_value()) << "not counted before it happened";
    t.count_applied(id);
    EXPECT_FALSE(t.choose_for_connection(fault_kind::drop_idle, "a").has_value());
    EXPECT_TRUE(t.remove(id));
    EXPECT_FALSE(t.remove(id));
}

TEST(fault_answer, every_form_of_retry_after_can_be_sent) {
    EXPECT_EQ(header(answer_of(rule(R"({"fault":"status","status":429,"retry_after":1.5})")), "Retry-After"), "1.5");
    EXPECT_EQ(
        header(answer_of(rule(R"({"fault":"status","status":429,"retry_after_date":"9s"})")), "Retry-After").size(),
        29U);
    const auto both =
        answer_of(rule(R"({"fault":"status","status":429,"retry_after_ms":70,"x_ms_retry_after_ms":"80"})"));
    EXPECT_EQ(header(both, "Retry-After"), "");
    EXPECT_EQ(header(both, "retry-after-ms"), "70");
    EXPECT_EQ(header(both, "x-ms-retry-after-ms"), "80");
}

TEST(fault_answer, the_body_is_azures_unless_another_is_given) {
    const auto usual = answer_of(rule(R"({"fault":"status","status":503,"code":"ServiceUnavailable"})"));
    EXPECT_EQ(json::parse(usual.pieces[0].bytes)["error"]["code"], "ServiceUnavailable");
    const auto filter =
        json::parse(answer_of(rule(R"({"fault":"status","status":400,"code":"content_filter"})")).pieces[0].bytes);
    EXPECT_EQ(filter["error"]["innererror"]["code"], "ResponsibleAIPolicyViolation");
    EXPECT_EQ(answer_of(rule(R"({"fault":"status","status":502,"body":"<html>"})")).pieces[0].bytes, "<html>");
}
