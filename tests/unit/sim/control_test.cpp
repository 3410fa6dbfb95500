#include "../../../src/sim/control.hpp"

#include <gtest/gtest.h>

using namespace spillway;
using namespace spillway::sim;

namespace {

options settings() {
    options o;
    for (const char* name : {"a", "b"}) {
        instance_options i;
        i.name = name;
        deployment_options d;
        d.name = std::string(name) + "-dep";
        i.deployments = {d};
        o.instances.push_back(i);
    }
    return o;
}

class sim_control : public ::testing::Test {
protected:
    sim_control() : all(loop, settings()), ask(all, [this] { ++changes; }) {}

    answer call(const char* method, const char* target, const char* body = "") {
        request r;
        r.method = method;
        r.set_target(target);
        r.body = body;
        return ask.handle(r);
    }
    static json body(const answer& a) { return json::parse(a.pieces.at(0).bytes); }

    net::loop loop;
    simulation all;
    int changes{0};
    control ask;
};

}  // namespace

TEST_F(sim_control, faults_are_added_shown_and_removed) {
    const answer added = call("POST", "/faults", R"([{"instance":"a","fault":"hang"},{"fault":"delay","for":"1s"}])");
    EXPECT_EQ(added.status, 201);
    EXPECT_EQ(body(added)["ids"].size(), 2U);
    EXPECT_EQ(changes, 1);
    EXPECT_EQ(body(call("GET", "/faults"))[1]["for"], "1000ms");
    EXPECT_EQ(call("DELETE", "/faults/1").status, 200);
    EXPECT_EQ(body(call("GET", "/faults")).size(), 1U);
    EXPECT_EQ(call("DELETE", "/faults/1").status, 404);
    EXPECT_EQ(call("DELETE", "/faults").status, 200);
    EXPECT_TRUE(all.faults.rules().empty());
}

TEST_F(sim_control, a_list_with_one_wrong_fault_changes_nothing) {
    EXPECT_EQ(call("POST", "/faults", R"([{"fault":"hang"},{"fault":"nothing"}])").status, 400);
    EXPECT_TRUE(all.faults.rules().empty());
    EXPECT_EQ(changes, 0);
}

TEST_F(sim_control, names_have_to_exist) {
    EXPECT_EQ(call("POST", "/faults", R"({"instance":"c","fault":"hang"})").status, 400);
    EXPECT_EQ(call("POST", "/faults", R"({"instance":"a","deployment":"b-dep","fault":"hang"})").status, 400);
    EXPECT_EQ(call("POST", "/faults", R"({"deployment":"b-dep","fault":"hang"})").status, 201);
}

TEST_F(sim_control, a_reset_forgets_requests_and_keeps_faults) {
    call("POST", "/faults", R"({"fault":"hang"})");
    exchange x;
    x.asked.set_target("/openai/v1/chat/completions");
    x.asked.body = R"({"model":"a-dep"})";
    all.instances[0]->begin(x);
    all.remember(*all.instances[0], x);
    EXPECT_EQ(body(call("GET", "/requests"))[0]["deployment"], "a-dep");
    EXPECT_EQ(body(call("GET", "/state"))["instances"]["a"]["deployments"]["a-dep"]["requests"], 1);
    EXPECT_EQ(call("POST", "/reset").status, 200);
    EXPECT_TRUE(body(call("GET", "/requests")).empty());
    const json state = body(call("GET", "/state"));
    EXPECT_EQ(state["instances"]["a"]["deployments"]["a-dep"]["requests"], 0);
    EXPECT_EQ(state["faults"].size(), 1U);
}

TEST_F(sim_control, usage_is_read_in_pages_and_forgotten_on_demand) {
    const std::string id = "a";
    for (int i = 0; i < 3; ++i) {
        usage_entry e;
        e.instance = &id;
        all.journal.add(std::move(e));
    }
    const answer page = call("GET", "/usage?since=1&limit=1");
    EXPECT_EQ(page.content_type, "application/x-ndjson");
    EXPECT_EQ(body(page)["sequence"], 2);
    EXPECT_EQ(body(call("GET", "/usage/totals"))["last"], 3);
    EXPECT_EQ(call("GET", "/usage?since=x").status, 400);
    EXPECT_EQ(call("GET", "/usage?limit=0").status, 400);
    EXPECT_EQ(call("DELETE", "/usage").status, 200);
    EXPECT_EQ(all.journal.size(), 0U);
}
