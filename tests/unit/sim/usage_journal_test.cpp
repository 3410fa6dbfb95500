#include "../../../src/sim/usage_journal.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <vector>

using namespace spillway::sim;

namespace {

class sim_journal : public ::testing::Test {
protected:
    void add(const std::string& id, usage_outcome outcome = usage_outcome::complete, int status = 200,
             bool told = true) {
        usage_entry e;
        e.request_id = id;
        e.instance = &instance;
        e.deployment = "dep";
        e.model = &model;
        e.op = operation::chat;
        e.outcome = outcome;
        e.status = status;
        e.told = told;
        if (status == 200) e.tokens = {10, 5, 4, 2};
        e.sent = told ? 5 : 3;
        journal.add(std::move(e));
    }
    std::vector<json> read(std::uint64_t since = 0, std::uint64_t limit = 100) const {
        std::istringstream in(journal.lines(since, limit));
        std::vector<json> out;
        for (std::string line; std::getline(in, line);) out.push_back(json::parse(line));
        return out;
    }

    const std::string instance{"a"}, model{"gpt-4o"};
    usage_journal journal{3};
};

}  // namespace

TEST_F(sim_journal, an_entry_tells_all_of_its_request) {
    add("one", usage_outcome::aborted, 200, false);
    const json e = read().at(0);
    EXPECT_EQ(e, json::parse(R"({"sequence":1,"request_id":"one","instance":"a","deployment":"dep","model":"gpt-4o",
        "operation":"chat.completions","streaming":false,"status":200,"outcome":"aborted","prompt_tokens":10,
        "completion_tokens":5,"cached_tokens":4,"reasoning_tokens":2,"told":false,"sent_completion_tokens":3})"));
}

TEST_F(sim_journal, the_oldest_go_and_are_counted_while_totals_stay) {
    for (const char* id : {"1", "2", "3", "4", "5"}) add(id);
    EXPECT_EQ(journal.size(), 3U);
    EXPECT_EQ(journal.dropped(), 2U);
    EXPECT_EQ(read().front()["request_id"], "3");
    EXPECT_EQ(read().front()["sequence"], 3);
    EXPECT_EQ(journal.to_json()["deployments"]["a/dep"]["requests"], 5);
}

TEST_F(sim_journal, pages_follow_each_other_without_gap_or_overlap) {
    for (const char* id : {"1", "2", "3", "4"}) add(id);
    EXPECT_EQ(read(0, 2).back()["sequence"], 3);
    EXPECT_EQ(read(3, 2).size(), 1U);
    EXPECT_EQ(read(3, 2).front()["sequence"], 4);
    EXPECT_TRUE(read(4).empty());
    EXPECT_TRUE(read(~std::uint64_t{0}).empty());
}

TEST_F(sim_journal, totals_tell_whole_answers_and_told_ones_apart) {
    add("1");
    add("2", usage_outcome::aborted);
    add("3", usage_outcome::aborted, 200, false);
    add("4", usage_outcome::fault, 500, false);
    const json t = journal.to_json()["deployments"]["a/dep"];
    EXPECT_EQ(t["requests"], 4);
    EXPECT_EQ(t["complete"], 1);
    EXPECT_EQ(t["aborted"], 2);
    EXPECT_EQ(t["faults"], 1);
    EXPECT_EQ(t["complete_tokens"]["prompt_tokens"], 10);
    EXPECT_EQ(t["told_tokens"]["completion_tokens"], 10);
    EXPECT_EQ(t["told_tokens"]["reasoning_tokens"], 4);
}

TEST_F(sim_journal, numbers_go_on_after_it_was_cleared) {
    add("1");
    journal.clear();
    EXPECT_EQ(journal.size(), 0U);
    EXPECT_TRUE(journal.to_json()["deployments"].empty());
    add("2");
    EXPECT_EQ(read().front()["sequence"], 2);
}
