#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include <spillway/stats/declaration.hpp>
#include <spillway/stats/worker_stats.hpp>

namespace spillway::stats {
namespace {

struct counting : ::testing::Test {
    label_table labels;
    worker_stats one, two;

    usage_numbers chat() {
        usage_numbers n;
        n.client = labels.intern("shop");
        n.pool = labels.intern("gpt-4o");
        n.operation = labels.intern("chat");
        n.model = labels.intern("gpt-4o");
        n.outcome = labels.intern("ok");
        n.source = usage_numbers::origin::exact;
        n.prompt = 100;
        n.completion = 20;
        n.seconds = 2;
        n.attempt_seconds = 1.5;
        return n;
    }
    std::string text() {
        const worker_stats* both[] = {&one, &two};
        return expose(labels, both, {});
    }
    // The value of the line that begins with `series`; empty: there is none.
    std::string value(const std::string& series) {
        const std::string all = "\n" + text();
        const auto at = all.find("\n" + series + " ");
        if (at == std::string::npos) return {};
        const auto from = at + series.size() + 2;
        return all.substr(from, all.find('\n', from) - from);
    }
};

constexpr const char* chat_of_gpt =
    "{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"azure.ai.openai\",gen_ai_request_model=\"gpt-4o\"";

TEST_F(counting, tokens_are_summed_over_workers_and_operations) {
    auto n = chat();
    n.cached = 64;
    one.count_usage(n);
    two.count_usage(n);
    n.operation = labels.intern("responses");
    n.reasoning = 7;
    two.count_usage(n);
    const std::string of = "spillway_tokens_total{client=\"shop\",pool=\"gpt-4o\",type=";
    EXPECT_EQ(value(of + "\"prompt\",source=\"exact\"}"), "300");
    EXPECT_EQ(value(of + "\"completion\",source=\"exact\"}"), "60");
    EXPECT_EQ(value(of + "\"cached\",source=\"exact\"}"), "192");
    EXPECT_EQ(value(of + "\"reasoning\",source=\"exact\"}"), "7");
    EXPECT_EQ(value("spillway_usage_records_total{outcome=\"ok\"}"), "3");
}

TEST_F(counting, estimated_tokens_stand_apart) {
    auto n = chat();
    n.source = usage_numbers::origin::estimated;
    one.count_usage(n);
    n.source = usage_numbers::origin::none;
    one.count_usage(n);
    const std::string of = "spillway_tokens_total{client=\"shop\",pool=\"gpt-4o\",type=\"prompt\",source=";
    EXPECT_EQ(value(of + "\"estimated\"}"), "100");
    EXPECT_EQ(value(of + "\"exact\"}"), "0");
}

TEST_F(counting, money_is_shown_in_units_of_the_currency) {
    auto n = chat();
    n.price_nanos = 1'250'000;
    one.count_usage(n);
    n.price_nanos = -5;
    one.count_usage(n);
    EXPECT_EQ(std::stod(value("spillway_usage_price_total{client=\"shop\",pool=\"gpt-4o\"}")), 0.00125);
}

TEST_F(counting, operations_of_one_standard_name_are_one_series) {
    auto n = chat();
    one.count_usage(n);
    n.operation = labels.intern("responses");
    one.count_usage(n);
    const std::string input = std::string("gen_ai_client_token_usage_count") + chat_of_gpt;
    EXPECT_EQ(value(input + ",gen_ai_token_type=\"input\"}"), "2");
    EXPECT_EQ(value(std::string("gen_ai_client_token_usage_sum") + chat_of_gpt + ",gen_ai_token_type=\"output\"}"),
              "40");
    const auto all = text();
    EXPECT_EQ(all.find("# TYPE gen_ai_client_token_usage"), all.rfind("# TYPE gen_ai_client_token_usage"));
}

TEST_F(counting, buckets_are_those_of_the_conventions) {
    auto n = chat();
    n.prompt = 64;
    n.completion = 65;
    n.first_token_seconds = 12;
    n.token_seconds = 0.02;
    one.count_usage(n);
    const std::string usage = std::string("gen_ai_client_token_usage_bucket") + chat_of_gpt;
    EXPECT_EQ(value(usage + ",gen_ai_token_type=\"input\",le=\"64\"}"), "1");
    EXPECT_EQ(value(usage + ",gen_ai_token_type=\"output\",le=\"64\"}"), "0");
    EXPECT_EQ(value(usage + ",gen_ai_token_type=\"output\",le=\"67108864\"}"), "1");
    const std::string first = std::string("gen_ai_server_time_to_first_token_seconds_bucket") + chat_of_gpt;
    EXPECT_EQ(value(first + ",le=\"10\"}"), "0");
    EXPECT_EQ(value(first + ",le=\"15\"}"), "1");
    const std::string each = std::string("gen_ai_server_time_per_output_token_seconds_bucket") + chat_of_gpt;
    EXPECT_EQ(value(each + ",le=\"0.025\"}"), "1");
}

TEST_F(counting, failures_have_a_series_by_error_and_success_has_no_such_label) {
    auto n = chat();
    one.count_usage(n);
    n.error = labels.intern("503");
    n.attempt_error = labels.intern("connect_failed");
    one.count_usage(n);
    one.count_attempt(n.operation, n.model, labels.intern("429"), 0.1);
    const std::string server = std::string("gen_ai_server_request_duration_seconds_count") + chat_of_gpt;
    EXPECT_EQ(value(server + "}"), "1");
    EXPECT_EQ(value(server + ",error_type=\"503\"}"), "1");
    const std::string client = std::string("gen_ai_client_operation_duration_seconds_count") + chat_of_gpt;
    EXPECT_EQ(value(client + "}"), "1");
    EXPECT_EQ(value(client + ",error_type=\"connect_failed\"}"), "1");
    EXPECT_EQ(value(client + ",error_type=\"429\"}"), "1");
}

TEST_F(counting, a_request_without_pool_counts_its_record_alone) {
    usage_numbers n;
    n.outcome = labels.intern("refused");
    n.seconds = 1;
    one.count_usage(n);
    EXPECT_EQ(value("spillway_usage_records_total{outcome=\"refused\"}"), "1");
    EXPECT_EQ(text().find("gen_ai_server_request_duration_seconds_count"), std::string::npos);
    EXPECT_EQ(text().find("spillway_tokens_total{"), std::string::npos);
}

// A reload may give a pool another model.
TEST_F(counting, another_model_of_the_same_pool_has_cells_of_its_own) {
    auto n = chat();
    one.count_usage(n);
    n.model = labels.intern("gpt-4.1");
    one.count_usage(n);
    EXPECT_EQ(value("spillway_tokens_total{client=\"shop\",pool=\"gpt-4o\",type=\"prompt\",source=\"exact\"}"),
              "200");
    EXPECT_EQ(value(std::string("gen_ai_client_token_usage_count") + chat_of_gpt + ",gen_ai_token_type=\"input\"}"),
              "1");
}

// For ThreadSanitizer: a worker makes and fills cells while somebody scrapes.
TEST_F(counting, may_be_scraped_while_it_goes_on) {
    auto n = chat();
    std::vector<label> clients;
    for (int i = 0; i < 50; ++i) clients.push_back(labels.intern("client" + std::to_string(i)));
    std::atomic<bool> done{false};
    std::thread worker([&] {
        for (int i = 0; i < 2000; ++i) {
            n.client = clients[static_cast<std::size_t>(i) % clients.size()];
            n.error = i % 7 == 0 ? clients[0] : label{0};
            one.count_usage(n);
        }
        done = true;
    });
    while (!done) EXPECT_NE(text().find("spillway_tokens_total"), std::string::npos);
    worker.join();
    EXPECT_EQ(value("spillway_usage_records_total{outcome=\"ok\"}"), "2000");
    EXPECT_EQ(value("spillway_tokens_total{client=\"client7\",pool=\"gpt-4o\",type=\"prompt\",source=\"exact\"}"),
              "4000");
}

}  // namespace
}  // namespace spillway::stats
