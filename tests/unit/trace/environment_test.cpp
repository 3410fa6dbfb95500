#include <spillway/trace/environment.hpp>

#include <gtest/gtest.h>

#include <map>

namespace spillway::trace {
namespace {

config::environment table(std::map<std::string, std::string, std::less<>> values) {
    return [values = std::move(values)](std::string_view name) -> std::optional<std::string> {
        const auto at = values.find(name);
        if (at == values.end()) return std::nullopt;
        return at->second;
    };
}
std::string secret(const config::tracing& t, std::string_view name) {
    const auto at = t.headers.find(name);
    return at == t.headers.end() ? "none" : *config::resolve(at->second, table({}));
}

TEST(tracing_environment, fills_what_is_open) {
    const auto t =
        with_environment({}, table({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"},
                                    {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%3Db%2C, x-tenant = t ,,=v,n="},
                                    {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"},
                                    {"OTEL_SERVICE_NAME", "front"}}));
    EXPECT_EQ(t.endpoint, "http://c:4318");
    EXPECT_EQ(t.ca_file, "/ca.pem");
    EXPECT_EQ(t.service, "front");
    EXPECT_EQ(t.headers.size(), 2U);
    EXPECT_EQ(secret(t, "api-key"), "a=b,");
    EXPECT_EQ(secret(t, "x-tenant"), "t");
}

TEST(tracing_environment, the_configuration_goes_first_and_its_collector_sees_no_foreign_header) {
    config::tracing own;
    own.endpoint = "https://mine";
    own.service = "gateway";
    const auto t = with_environment(own, table({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"},
                                                {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=k"},
                                                {"OTEL_SERVICE_NAME", "front"}}));
    EXPECT_EQ(t.endpoint, "https://mine");
    EXPECT_EQ(t.service, "gateway");
    EXPECT_TRUE(t.headers.empty());
}

TEST(tracing_environment, what_cannot_be_spoken_or_is_disabled_is_left_alone) {
    EXPECT_EQ(with_environment({}, table({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"},
                                          {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}}))
                  .endpoint,
              "");
    EXPECT_EQ(
        with_environment({}, table({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}, {"OTEL_SDK_DISABLED", "True"}}))
            .endpoint,
        "");
    EXPECT_EQ(with_environment({}, table({{"OTEL_EXPORTER_OTLP_ENDPOINT", ""}, {"OTEL_SERVICE_NAME", ""}})).service,
              "spillway");
}

}  // namespace
}  // namespace spillway::trace
