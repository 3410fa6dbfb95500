#include "../../../src/trace/otlp_json.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace spillway::trace {
namespace {

nlohmann::json encoded(const span& s, const opening& o = {}) {
    return nlohmann::json::parse(otlp_request(otlp_opening(o), std::span(&s, 1)));
}
nlohmann::json only_span(const span& s) { return encoded(s)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]; }

TEST(otlp_json, has_the_forms_that_the_protocol_wants) {
    span s;
    s.trace_id = {0x4b, 0xf9, 0x2f};
    s.span_id = {0x00, 0xf0};
    s.parent_id = {0xff};
    s.name = "chat \"gpt\"";
    s.what = span::kind::client;
    s.begin = wall_time(nanoseconds(1'700'000'000'123'456'789));
    s.end = s.begin + nanoseconds(1);
    s.failed = true;
    s.status_message = "throttled";
    s.attributes = {{.key = "t", .text = "\n\xff"},
                    {.key = "c", .what = attribute::kind::constant, .constant = "fixed"},
                    {.key = "n", .what = attribute::kind::number, .number = 9'007'199'254'740'993},
                    {.key = "r", .what = attribute::kind::real, .real = 0.25},
                    {.key = "nan", .what = attribute::kind::real, .real = std::nan("")},
                    {.key = "inf", .what = attribute::kind::real, .real = -std::numeric_limits<double>::infinity()},
                    {.key = "f", .what = attribute::kind::flag, .number = 1}};
    const auto wanted = nlohmann::json::parse(R"({
        "traceId": "4bf92f00000000000000000000000000", "spanId": "00f0000000000000",
        "parentSpanId": "ff00000000000000", "flags": 257, "name": "chat \"gpt\"", "kind": 3,
        "startTimeUnixNano": "1700000000123456789", "endTimeUnixNano": "1700000000123456790",
        "attributes": [{"key": "t", "value": {"stringValue": "\n\ufffd"}},
                       {"key": "c", "value": {"stringValue": "fixed"}},
                       {"key": "n", "value": {"intValue": "9007199254740993"}},
                       {"key": "r", "value": {"doubleValue": 0.25}},
                       {"key": "nan", "value": {"doubleValue": "NaN"}},
                       {"key": "inf", "value": {"doubleValue": "-Infinity"}},
                       {"key": "f", "value": {"boolValue": true}}],
        "status": {"code": 2, "message": "throttled"}})");
    EXPECT_EQ(only_span(s), wanted);
}

TEST(otlp_json, a_root_span_names_no_parent_and_success_no_status) {
    span s;
    const auto root = only_span(s);
    EXPECT_FALSE(root.contains("parentSpanId"));
    EXPECT_FALSE(root.contains("status"));
    EXPECT_EQ(root["kind"], 2);
    EXPECT_EQ(root["flags"], 0x101);
    s.parent_id = {1};
    EXPECT_EQ(only_span(s)["flags"], 0x301) << "the parent of a server span is elsewhere";
}

TEST(otlp_json, what_is_not_known_of_the_resource_is_left_out) {
    const auto attributes = encoded({})["resourceSpans"][0]["resource"]["attributes"];
    EXPECT_EQ(attributes.size(), 2U);
    EXPECT_EQ(attributes[0]["key"], "service.name");
    EXPECT_EQ(attributes[1]["key"], "cloud.provider");
}

TEST(otlp_json, reads_how_many_spans_a_collector_refused) {
    EXPECT_EQ(otlp_rejected(R"({"partialSuccess":{"rejectedSpans":"7"}})"), 7U);
    EXPECT_EQ(otlp_rejected(R"({"partialSuccess":{"rejectedSpans":7}})"), 7U);
    for (const auto none : {"", "{}", "[1]", "{\"partialSuccess\":1}", "{\"partialSuccess\":{}}",
                            "{\"partialSuccess\":{\"rejectedSpans\":-1}}", "\xff", "{\"partialSuccess\":"})
        EXPECT_EQ(otlp_rejected(none), 0U) << none;
}

}  // namespace
}  // namespace spillway::trace
