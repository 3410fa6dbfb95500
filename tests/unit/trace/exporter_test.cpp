#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include <spillway/trace/span.hpp>

#include "unit/net/plain_server.hpp"
#include "unit/net/test_certificate.hpp"

namespace spillway::trace {
namespace {

using net::plain_server;

// A collector on the test's own loop; the exporter runs on its thread as it does in the daemon.
class exporting : public ::testing::Test {
protected:
    opening to(const plain_server& server) {
        opening o;
        o.settings.endpoint = server.url("");
        o.gateway = "gw-1";
        o.region = "westeurope";
        o.version = "0.1.0";
        o.alarm = [this](std::string) { ++alarms; };
        o.limits.every = milliseconds(20);
        o.limits.first_pause = milliseconds(20);
        return o;
    }
    static std::vector<span> spans(std::size_t count, const std::string& name = "chat gpt-4o") {
        std::vector<span> out(count);
        for (auto& s : out) {
            s.trace_id.fill(0xab);
            s.span_id.fill(0xcd);
            s.name = name;
        }
        return out;
    }
    static nlohmann::json body(const std::string& request) {
        return nlohmann::json::parse(request.substr(request.find("\r\n\r\n") + 4));
    }
    static nlohmann::json spans_of(const std::string& request) {
        return body(request)["resourceSpans"][0]["scopeSpans"][0]["spans"];
    }
    // Runs the collector until the exporter's report is as wanted.
    template <class Condition>
    void until(plain_server& server, Condition holds) {
        server.run(net::eventually(loop, std::move(holds)));
    }

    net::loop loop;
    std::atomic<int> alarms{0};
};

TEST_F(exporting, sends_one_batch_with_resource_and_scope) {
    plain_server server(loop, [](std::string_view) { return plain_server::ok("{}"); });
    auto o = to(server);
    o.headers.push_back({"api-key", "k"});
    auto e = std::move(*open(std::move(o)));
    e->add(spans(2));
    until(server, [&] { return e->look().exported == 2; });
    ASSERT_EQ(server.requests().size(), 1U);
    const auto& r = server.requests()[0];
    EXPECT_EQ(r.substr(0, r.find("\r\n")), "POST /v1/traces HTTP/1.1");
    EXPECT_NE(r.find("\r\nContent-Type: application/json\r\n"), std::string::npos);
    EXPECT_NE(r.find("\r\napi-key: k\r\n"), std::string::npos);
    const auto json = body(r);
    std::map<std::string, std::string> resource;
    for (const auto& a : json["resourceSpans"][0]["resource"]["attributes"])
        resource[a["key"]] = a["value"]["stringValue"];
    const std::map<std::string, std::string> wanted{{"service.name", "spillway"},
                                                    {"service.instance.id", "gw-1"},
                                                    {"service.version", "0.1.0"},
                                                    {"cloud.provider", "azure"},
                                                    {"cloud.region", "westeurope"}};
    EXPECT_EQ(resource, wanted);
    EXPECT_EQ(json["resourceSpans"][0]["scopeSpans"][0]["scope"]["name"], "spillway");
    EXPECT_EQ(spans_of(r).size(), 2U);
    EXPECT_EQ(e->look().dropped, 0U);
    EXPECT_EQ(e->look().last_error, "");
}

TEST_F(exporting, an_endpoint_with_the_whole_path_is_taken_as_it_is) {
    plain_server server(loop, [](std::string_view) { return plain_server::ok("{}"); });
    auto o = to(server);
    o.settings.endpoint = server.url("/otlp/v1/traces/");
    auto e = std::move(*open(std::move(o)));
    e->add(spans(1));
    until(server, [&] { return e->look().exported == 1; });
    EXPECT_TRUE(server.requests()[0].starts_with("POST /otlp/v1/traces HTTP/1.1"));
}

TEST_F(exporting, a_full_batch_does_not_wait_and_none_is_larger) {
    plain_server server(loop, [](std::string_view) { return plain_server::ok("{}"); });
    auto o = to(server);
    o.limits.every = hours(1);
    o.limits.batch = 10;
    auto e = std::move(*open(std::move(o)));
    for (int i = 0; i < 10; ++i) e->add(spans(3, std::to_string(i)));
    until(server, [&] { return e->look().exported == 30; });
    ASSERT_GE(server.requests().size(), 3U);
    std::vector<std::string> order;
    for (const auto& r : server.requests()) {
        EXPECT_LE(spans_of(r).size(), 10U);
        for (const auto& s : spans_of(r)) order.push_back(s["name"]);
    }
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(exporting, tries_again_what_the_collector_cannot_take_now) {
    int asked = 0;
    plain_server server(loop, [&](std::string_view) {
        if (++asked == 1) return plain_server::ok("", "Retry-After: 0\r\n", 503);
        if (asked == 2) return plain_server::ok("", "", 429);
        return plain_server::ok("");
    });
    auto e = std::move(*open(to(server)));
    e->add(spans(1));
    until(server, [&] { return e->look().exported == 1; });
    EXPECT_EQ(server.requests().size(), 3U);
    EXPECT_EQ(body(server.requests()[0]), body(server.requests()[2]));
    EXPECT_EQ(e->look().failures, 2U);
    EXPECT_EQ(e->look().dropped, 0U);
    EXPECT_EQ(alarms, 0);
}

TEST_F(exporting, gives_a_batch_up_after_some_tries) {
    plain_server server(loop, [](std::string_view) { return plain_server::ok("", "", 502); });
    auto o = to(server);
    o.limits.tries = 3;
    o.limits.first_pause = milliseconds(1);
    auto e = std::move(*open(std::move(o)));
    e->add(spans(4));
    until(server, [&] { return e->look().dropped == 4; });
    EXPECT_EQ(server.requests().size(), 3U);
    EXPECT_EQ(e->look().failures, 3U);
    EXPECT_NE(e->look().last_error.find("502"), std::string::npos);
    EXPECT_EQ(alarms, 1);
}

TEST_F(exporting, a_refusal_is_final_and_told_once) {
    for (const int status : {400, 401, 404, 413, 500, 302}) {
        alarms = 0;
        net::loop own;
        plain_server server(own, [&](std::string_view) { return plain_server::ok("no", "", status); });
        auto e = std::move(*open(to(server)));
        e->add(spans(1));
        bool again = false;
        server.run(net::eventually(own, [&] {
            if (e->look().dropped == 1 && !std::exchange(again, true)) e->add(spans(1));
            return e->look().dropped == 2;
        }));
        EXPECT_EQ(server.requests().size(), 2U) << status;
        EXPECT_EQ(alarms, 1) << status;
    }
}

TEST_F(exporting, what_a_collector_refuses_of_a_batch_counts_as_dropped) {
    plain_server server(loop, [](std::string_view) {
        return plain_server::ok(R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"x"}})");
    });
    auto e = std::move(*open(to(server)));
    e->add(spans(5));
    until(server, [&] { return e->look().dropped == 2; });
    EXPECT_EQ(e->look().exported, 3U);
}

TEST_F(exporting, drops_what_finds_no_room_while_the_collector_hangs) {
    plain_server server(loop, [](std::string_view) { return std::string(); });
    auto o = to(server);
    o.limits.most_spans = 10;
    o.limits.flush = milliseconds(50);
    auto e = std::move(*open(std::move(o)));
    e->add(spans(6));
    e->add(spans(6));
    e->add(spans(4));
    EXPECT_EQ(e->look().dropped, 6U) << "all of a request or nothing";
    until(server, [&] {
        if (server.requests().empty()) return false;
        if (e) {
            const auto begin = clock::now();
            e.reset();
            EXPECT_LT(clock::now() - begin, seconds(5))
                << "a collector that hangs does not keep the gateway from ending";
        }
        return true;
    });
}

TEST_F(exporting, the_weight_of_spans_is_bounded_too) {
    plain_server server(loop, [](std::string_view) { return plain_server::ok(""); });
    auto o = to(server);
    o.limits.most_bytes = 10'000;
    auto e = std::move(*open(std::move(o)));
    e->add(spans(1, std::string(20'000, 'x')));
    EXPECT_EQ(e->look().dropped, 1U);
    e->add(spans(1));
    until(server, [&] { return e->look().exported == 1; });
}

TEST_F(exporting, room_comes_back_when_a_batch_is_through) {
    plain_server server(loop, [](std::string_view) { return plain_server::ok(""); });
    auto o = to(server);
    o.limits.most_spans = 4;
    auto e = std::move(*open(std::move(o)));
    std::uint64_t sent = 0;
    until(server, [&] {
        if (e->look().exported == sent && sent < 12) {
            e->add(spans(4));
            sent += 4;
        }
        return e->look().exported + e->look().dropped >= 12 && sent >= 12;
    });
    EXPECT_GE(e->look().exported, 8U);
}

TEST_F(exporting, the_end_sends_what_is_left) {
    plain_server server(loop, [](std::string_view) { return plain_server::ok(""); });
    auto o = to(server);
    o.limits.every = hours(1);
    auto e = std::move(*open(std::move(o)));
    e->add(spans(3));
    std::atomic<bool> ended{false};
    std::thread ending([&] {
        e.reset();
        ended = true;
    });
    until(server, [&] { return ended.load(); });
    ending.join();
    ASSERT_EQ(server.requests().size(), 1U);
    EXPECT_EQ(spans_of(server.requests()[0]).size(), 3U);
}

TEST_F(exporting, nobody_listens_and_the_end_comes_at_once) {
    opening o;
    o.settings.endpoint = "http://127.0.0.1:1";
    o.limits.every = milliseconds(1);
    o.limits.first_pause = hours(1);
    o.limits.longest_pause = hours(1);
    auto e = std::move(*open(std::move(o)));
    e->add(spans(1));
    while (e->look().failures == 0) std::this_thread::yield();
    EXPECT_NE(e->look().last_error, "");
    const auto begin = clock::now();
    e.reset();
    EXPECT_LT(clock::now() - begin, seconds(5)) << "the pause before the next try ends with the exporter";
}

TEST_F(exporting, many_workers_lose_nothing_while_there_is_room) {
    plain_server server(loop, [](std::string_view) { return plain_server::ok(""); });
    auto e = std::move(*open(to(server)));
    std::vector<std::thread> workers;
    for (int w = 0; w < 4; ++w)
        workers.emplace_back([&] {
            for (int i = 0; i < 500; ++i) e->add(spans(2));
        });
    for (auto& w : workers) w.join();
    until(server, [&] { return e->look().exported == 4000; });
    EXPECT_EQ(e->look().dropped, 0U);
}

TEST(opening_an_exporter, tells_what_is_wrong) {
    opening o;
    o.settings.endpoint = "collector:4318";
    EXPECT_EQ(open(o).error().code, "tracing_endpoint");
    o.settings.endpoint = "http://collector:4318?x=y";
    EXPECT_EQ(open(o).error().code, "tracing_endpoint");
    o.settings.endpoint = "http://127.0.0.1:1";
    for (const auto& h : {header{"", "v"}, header{"a b", "v"}, header{"a", "v\r\nb: c"}, header{"Host", "h"}}) {
        o.headers = {h};
        EXPECT_EQ(open(o).error().code, "tracing_header") << h.name;
    }
    o.headers.clear();
    o.settings.endpoint = "https://127.0.0.1:1";
    o.settings.ca_file = "/nowhere/ca.pem";
    EXPECT_FALSE(open(o));
    const test_certificate certificate;
    o.settings.ca_file = certificate.ca_file();
    EXPECT_TRUE(open(o));
}

}  // namespace
}  // namespace spillway::trace
