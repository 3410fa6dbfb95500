#include <spillway/trace/request_spans.hpp>

#include <gtest/gtest.h>

#include <map>

namespace spillway::trace {
namespace {

std::map<std::string, std::string, std::less<>> attributes(const span& s) {
    std::map<std::string, std::string, std::less<>> out;
    for (const auto& a : s.attributes) {
        std::string value;
        switch (a.what) {
            case attribute::kind::text: value = a.text; break;
            case attribute::kind::constant: value = a.constant; break;
            case attribute::kind::number: value = std::to_string(a.number); break;
            case attribute::kind::real: value = std::to_string(a.real); break;
            case attribute::kind::flag: value = a.number != 0 ? "true" : "false"; break;
        }
        EXPECT_TRUE(out.emplace(a.key, value).second) << a.key << " is there twice";
    }
    return out;
}

const core::operation& operation(std::string_view method, std::string_view path) {
    return *core::classify(method, path)->op;
}
const core::operation& chat() { return operation("POST", "/openai/deployments/d/chat/completions"); }

TEST(request_spans, every_operation_has_the_template_of_its_own_path) {
    for (const auto path : {"/openai/deployments/d/chat/completions", "/openai/deployments/d/completions",
                            "/openai/deployments/d/embeddings", "/openai/deployments/d/images/generations",
                            "/openai/deployments/d/audio/speech", "/openai/v1/chat/completions",
                            "/openai/v1/completions", "/openai/v1/embeddings", "/openai/v1/responses",
                            "/openai/v1/images/generations", "/openai/v1/audio/speech"}) {
        std::string wanted(path);
        if (const auto at = wanted.find("/d/"); at != std::string::npos) wanted.replace(at + 1, 1, "{deployment}");
        EXPECT_EQ(route_template(operation("POST", path)), wanted);
        EXPECT_NE(gen_ai_operation(operation("POST", path).family), "") << path;
    }
    EXPECT_EQ(route_template(operation("GET", "/openai/v1/models")), "/openai/v1/models");
    EXPECT_EQ(gen_ai_operation(core::family::models), "");
    EXPECT_EQ(gen_ai_operation(core::family::responses), "chat");
    EXPECT_EQ(gen_ai_operation(core::family::completions), "text_completion");
}

TEST(request_spans, the_server_span_says_what_the_client_asked_and_got) {
    server_facts f;
    f.trace_id.fill(1);
    f.span_id.fill(2);
    f.parent_id.fill(3);
    f.begin = wall_time(seconds(10));
    f.end = wall_time(seconds(12));
    f.method = "POST";
    f.operation = &chat();
    f.server_address = "gateway.example";
    f.server_port = 8443;
    f.status = 200;
    f.model = "gpt-4o";
    f.streaming = true;
    f.client = "team-a";
    f.route = "default";
    f.pool = "gpt";
    f.backend = "weu-1";
    f.attempts = 2;
    const core::record_id record{{1, 2, 3}};
    f.record = &record;
    const auto s = server_span(f);
    EXPECT_EQ(s.name, "POST /openai/deployments/{deployment}/chat/completions");
    EXPECT_EQ(s.what, span::kind::server);
    EXPECT_EQ(s.trace_id, f.trace_id);
    EXPECT_EQ(s.span_id, f.span_id);
    EXPECT_EQ(s.parent_id, f.parent_id);
    EXPECT_EQ(s.end - s.begin, seconds(2));
    EXPECT_FALSE(s.failed);
    const std::map<std::string, std::string, std::less<>> wanted{
        {"http.request.method", "POST"},
        {"url.scheme", "https"},
        {"url.path", "/openai/deployments/{deployment}/chat/completions"},
        {"http.route", "/openai/deployments/{deployment}/chat/completions"},
        {"http.response.status_code", "200"},
        {"server.address", "gateway.example"},
        {"server.port", "8443"},
        {"gen_ai.operation.name", "chat"},
        {"openai.api.type", "chat_completions"},
        {"gen_ai.request.model", "gpt-4o"},
        {"gen_ai.request.stream", "true"},
        {"spillway.client", "team-a"},
        {"spillway.route", "default"},
        {"spillway.pool", "gpt"},
        {"spillway.backend", "weu-1"},
        {"spillway.attempts", "2"},
        {"spillway.record_id", "01020300000000000000000000000000"}};
    EXPECT_EQ(attributes(s), wanted);
}

TEST(request_spans, a_clients_fault_is_no_fault_of_the_server) {
    struct line {
        int status;
        std::string_view error;
        bool left, failed;
        std::string_view type, code;
    };
    for (const auto& l : {line{200, "", false, false, "", ""}, line{404, "NotFound", false, false, "", "NotFound"},
                          line{429, "", false, false, "", ""}, line{503, "", false, true, "503", ""},
                          line{502, "NoBackend", false, true, "NoBackend", ""},
                          line{200, "StreamBroken", false, true, "StreamBroken", ""},
                          line{200, "ClientLeft", true, false, "", "ClientLeft"}}) {
        server_facts f;
        f.method = "POST";
        f.operation = &chat();
        f.status = l.status;
        f.error = l.error;
        f.client_left = l.left;
        const auto s = server_span(f);
        const auto a = attributes(s);
        const auto value = [&](std::string_view key) { return a.contains(key) ? a.find(key)->second : ""; };
        EXPECT_EQ(s.failed, l.failed) << l.status << l.error;
        EXPECT_EQ(value("error.type"), l.type) << l.status << l.error;
        EXPECT_EQ(value("spillway.code"), l.code) << l.status << l.error;
    }
}

TEST(request_spans, what_a_client_invents_gets_into_no_name) {
    server_facts f;
    f.method = "BREW";
    f.status = 404;
    const auto s = server_span(f);
    EXPECT_EQ(s.name, "HTTP");
    EXPECT_EQ(attributes(s).at("http.request.method"), "_OTHER");
}

TEST(request_spans, an_attempt_at_a_server_of_openais_own_api_names_no_resource_of_azure) {
    attempt_facts f;
    f.operation = &chat();
    f.of_azure = false;
    const auto told = attributes(attempt_span(f));
    EXPECT_EQ(told.at("gen_ai.provider.name"), "openai");
    EXPECT_FALSE(told.contains("azure.resource_provider.namespace"));
}

TEST(request_spans, the_attempt_span_says_who_was_asked_and_what_it_took) {
    attempt_facts f;
    f.operation = &chat();
    f.request_model = "gpt-4o";
    f.response_model = "gpt-4o-2024-08-06";
    f.deployment = "gpt4o-ptu";
    f.pool = "gpt";
    f.backend = "weu-1";
    f.region = "westeurope";
    f.server_address = "weu.openai.azure.com";
    f.server_port = 443;
    f.status = 200;
    f.streaming = true;
    f.resend_count = 1;
    f.tokens = {.prompt = 100, .completion = 20, .cached = 64, .reasoning = 8};
    f.source = core::token_source::exact;
    f.first_byte = milliseconds(250);
    const auto s = attempt_span(f);
    EXPECT_EQ(s.name, "chat gpt-4o");
    EXPECT_EQ(s.what, span::kind::client);
    EXPECT_FALSE(s.failed);
    const std::map<std::string, std::string, std::less<>> wanted{
        {"gen_ai.operation.name", "chat"},
        {"gen_ai.provider.name", "azure.ai.openai"},
        {"azure.resource_provider.namespace", "Microsoft.CognitiveServices"},
        {"openai.api.type", "chat_completions"},
        {"gen_ai.request.model", "gpt-4o"},
        {"gen_ai.response.model", "gpt-4o-2024-08-06"},
        {"gen_ai.request.stream", "true"},
        {"gen_ai.usage.input_tokens", "100"},
        {"gen_ai.usage.output_tokens", "20"},
        {"gen_ai.usage.cache_read.input_tokens", "64"},
        {"gen_ai.usage.reasoning.output_tokens", "8"},
        {"gen_ai.response.time_to_first_chunk", "0.250000"},
        {"http.request.method", "POST"},
        {"http.response.status_code", "200"},
        {"http.request.resend_count", "1"},
        {"server.address", "weu.openai.azure.com"},
        {"server.port", "443"},
        {"cloud.region", "westeurope"},
        {"spillway.pool", "gpt"},
        {"spillway.backend", "weu-1"},
        {"spillway.deployment", "gpt4o-ptu"}};
    EXPECT_EQ(attributes(s), wanted);
}

TEST(request_spans, an_attempt_fails_by_status_by_reason_and_by_silence) {
    attempt_facts f;
    f.operation = &chat();
    f.status = 429;
    EXPECT_TRUE(attempt_span(f).failed);
    EXPECT_EQ(attributes(attempt_span(f)).at("error.type"), "429");
    f.error = "throttled";
    EXPECT_EQ(attributes(attempt_span(f)).at("error.type"), "throttled");
    f.status = 0;
    f.error = {};
    EXPECT_EQ(attributes(attempt_span(f)).at("error.type"), "_OTHER");
    EXPECT_FALSE(attributes(attempt_span(f)).contains("http.response.status_code"));
    EXPECT_FALSE(attributes(attempt_span(f)).contains("gen_ai.usage.input_tokens"));
}

TEST(request_spans, estimates_are_marked_and_long_answers_are_cut) {
    attempt_facts f;
    f.operation = &operation("POST", "/openai/v1/images/generations");
    f.status = 200;
    f.source = core::token_source::estimated;
    const std::string endless(100'000, 'm');
    f.response_model = endless;
    const auto a = attributes(attempt_span(f));
    EXPECT_EQ(a.at("spillway.usage.estimated"), "true");
    EXPECT_EQ(a.at("gen_ai.usage.output_tokens"), "0");
    EXPECT_EQ(a.at("gen_ai.response.model").size(), 256U);
    EXPECT_EQ(a.at("gen_ai.operation.name"), "generate_content");
    EXPECT_EQ(a.at("gen_ai.output.type"), "image");
}

TEST(request_spans, a_clock_that_steps_back_makes_no_negative_span) {
    attempt_facts f;
    f.operation = &chat();
    f.begin = wall_time(seconds(10));
    f.end = wall_time(seconds(9));
    EXPECT_EQ(attempt_span(f).end, f.begin);
}

}  // namespace
}  // namespace spillway::trace
