#include <gtest/gtest.h>

#include <cstring>

#include <spillway/proxy/usage_estimator.hpp>

namespace spillway::proxy {
namespace {

// Keeps what it is given, with texts of its own.
struct kept_records final : ledger::spool_writer {
    struct one {
        core::usage_record record;
        std::string model, user;
    };
    std::vector<one> all;

    bool append(const core::usage_record& r) noexcept override {
        all.push_back({r, std::string(r.model), std::string(r.end_user)});
        return true;
    }
};

// Notes what it is told at the end of a request.
struct settling final : quota::holder {
    std::vector<quota::amounts> settled;
    int left{0};
    quota::verdict take(const quota::amounts&, time_point, wall_time) noexcept override { return {}; }
    void ask(const quota::amounts&, time_point, wall_time, std::function<void(quota::verdict)>) override {}
    quota::verdict take_rest(const quota::amounts&, time_point, wall_time, time_point) noexcept override {
        return {};
    }
    void ask_rest(const quota::amounts&, time_point, wall_time, time_point,
                  std::function<void(quota::verdict)>) override {}
    void leave() noexcept override { ++left; }
    void book(const quota::amounts&, const quota::amounts& real, time_point, time_point,
              wall_time) noexcept override {
        settled.push_back(real);
    }
    void give_back(const quota::amounts&, time_point, time_point, wall_time) noexcept override {}
    quota::remaining remaining(time_point) const noexcept override { return {}; }
    state look(time_point, wall_time) const override { return {}; }
};

usage_estimator::job job_of(std::string answer) {
    usage_estimator::job j;
    auto of = std::make_shared<snapshot>();
    auto with_ledger = std::make_shared<config::tree>();
    with_ledger->usage.emplace();
    of->tree = with_ledger;
    j.of = of;
    constexpr char texts[] = "gpt-4oann";
    j.texts = std::make_unique<char[]>(sizeof texts);
    std::memcpy(j.texts.get(), texts, sizeof texts);
    j.record.model = {j.texts.get(), 6};
    j.record.end_user = {j.texts.get() + 6, 3};
    j.record.streaming = true;
    j.record.first_byte_us = 1000;
    j.record.duration_us = 5000;
    j.prompt = R"({"messages":[{"role":"user","content":"hello"}]})";
    j.answer = std::move(answer);
    j.price = config::price{.input = 2'500'000, .output = 10'000'000};
    return j;
}

TEST(usage_estimator, counts_writes_and_settles) {
    kept_records to;
    const auto holder = std::make_shared<settling>();
    usage_estimator e;
    e.write_to(&to);
    auto j = job_of("Hello world\\n");
    j.hold.holders = {holder};
    ASSERT_TRUE(e.take(j));
    e.stop();
    ASSERT_EQ(to.all.size(), 1U);
    const auto& r = to.all[0].record;
    EXPECT_EQ(to.all[0].model, "gpt-4o");
    EXPECT_EQ(to.all[0].user, "ann");
    EXPECT_EQ(r.tokens.prompt, 8U);
    EXPECT_EQ(r.tokens.completion, 3U) << "Hello, world, and the line end";
    EXPECT_EQ(r.source, core::token_source::estimated);
    EXPECT_EQ(r.price_nanos, 8 * 2500 + 3 * 10'000);
    EXPECT_EQ(r.token_us, 2000U) << "4 ms for the two tokens after the first";
    EXPECT_EQ(holder->left, 0) << "the permit came free when the request ended";
    ASSERT_EQ(holder->settled.size(), 1U);
    EXPECT_EQ(holder->settled[0].tokens, 11);
    EXPECT_EQ(holder->settled[0].money_nanos, r.price_nanos);
}

TEST(usage_estimator, what_was_not_kept_counts_in_proportion) {
    kept_records to;
    usage_estimator e;
    e.write_to(&to);
    auto j = job_of("Hello world");
    j.answer_cut = j.answer.size() * 9;
    ASSERT_TRUE(e.take(j));
    e.stop();
    EXPECT_EQ(to.all.at(0).record.tokens.completion, 20U);
}

TEST(usage_estimator, finishes_what_waits_before_it_ends) {
    kept_records to;
    usage_estimator e;
    e.write_to(&to);
    for (int i = 0; i < 200; ++i) {
        auto j = job_of("word");
        ASSERT_TRUE(e.take(j));
    }
    e.stop();
    EXPECT_EQ(to.all.size(), 200U);
    EXPECT_EQ(e.finished(), 200U);
}

TEST(usage_estimator, refuses_more_than_it_may_hold_and_leaves_the_job_whole) {
    usage_estimator e;
    auto j = job_of(std::string(usage_estimator::most_bytes, 'x'));
    EXPECT_FALSE(e.take(j));
    EXPECT_EQ(j.answer.size(), usage_estimator::most_bytes);
    EXPECT_FALSE(j.prompt.empty());
}

TEST(usage_estimator, without_a_ledger_only_quotas_are_settled) {
    const auto holder = std::make_shared<settling>();
    usage_estimator e;
    auto j = job_of("Hello");
    j.hold.holders = {holder};
    ASSERT_TRUE(e.take(j));
    e.stop();
    EXPECT_EQ(holder->settled.size(), 1U);
}

}  // namespace
}  // namespace spillway::proxy
