#include "../../../src/sim/session.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>

#include "../../../src/sim/control.hpp"

using namespace spillway;
using namespace spillway::sim;

namespace {

options settings() {
    options o;
    o.deterministic = true;
    instance_options a;
    a.name = "a";
    deployment_options d;
    d.name = d.model = "d";
    d.first_token = d.per_token = duration::zero();
    a.deployments = {d};
    o.instances = {a};
    return o;
}

// One connection of an instance, with the test at its other end.
class sim_session : public ::testing::Test {
protected:
    sim_session() : all(loop, settings()), at(*all.instances[0]), ask(all, [this] { changed.fire(); }) {}

    static net::task<> serve(simulation& all, instance& at, net::interrupt& changed, int fd) {
        session s(all, at, changed);
        co_await s.run(fd, nullptr);
    }

    // Sends `text` and reads to the end of the connection; or leaves, after having seen `until`.
    std::string talk(const std::string& text, const std::optional<std::string>& until = {}) {
        int pair[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        std::string got;
        bool served = false, left = false;
        const auto client = [&](int fd) -> net::task<> {
            net::stream io(loop);
            io.open(fd);
            const time_point limit = clock::now() + seconds(20);
            const net::io_result w = co_await io.write_all(text, limit);
            EXPECT_TRUE(w.ok());
            char in[4096];
            while (!until || got.find(*until) == std::string::npos) {
                const net::io_result r = co_await io.read_some(in, limit);
                EXPECT_NE(r.status, net::io_status::timed_out);
                if (!r.ok()) break;
                got.append(in, r.bytes);
            }
        };
        const auto ended = [&](bool& which) {
            which = true;
            if (served && left) loop.stop();
        };
        net::spawn(serve(all, at, changed, pair[0]), [&](const std::exception_ptr& e) {
            EXPECT_FALSE(e);
            ended(served);
        });
        net::spawn(client(pair[1]), [&](const std::exception_ptr& e) {
            EXPECT_FALSE(e);
            ended(left);
        });
        if (!served || !left) loop.run();
        return got;
    }

    static std::string post(const std::string& body, const std::string& more = "Connection: close\r\n") {
        return "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + more +
               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }
    void add(const std::string& text) {
        request r;
        r.method = "POST";
        r.path = "/faults";
        r.body = text;
        const answer a = ask.handle(r);
        EXPECT_EQ(a.status, 201) << a.pieces[0].bytes;
    }
    json counters() { return at.to_json(clock::now())["deployments"]["d"]; }

    net::loop loop;
    simulation all;
    instance& at;
    net::interrupt changed;
    control ask;
    const std::string plain{R"({"model":"d","messages":[{"content":"hi"}]})"};
    const std::string streamed{R"({"model":"d","stream":true,"messages":[{"content":"hi"}]})"};
};

}  // namespace

TEST_F(sim_session, requests_on_one_connection_are_answered_in_order) {
    const std::string got = talk(post(plain, "") + post(plain));
    EXPECT_EQ(got.find("HTTP/1.1 200"), 0U);
    EXPECT_NE(got.find("HTTP/1.1 200", 10), std::string::npos);
    EXPECT_EQ(counters()["by_status"]["200"], 2);
    EXPECT_EQ(counters()["tokens"]["completion"], 40);
    EXPECT_EQ(all.history.size(), 2U);
}

TEST_F(sim_session, a_stream_is_chunked_and_ends_with_the_last_chunk) {
    const std::string got = talk(post(streamed));
    EXPECT_NE(got.find("Transfer-Encoding: chunked"), std::string::npos);
    EXPECT_NE(got.find("data: [DONE]\n\n\r\n0\r\n\r\n"), std::string::npos);
    EXPECT_EQ(counters()["open_streams"], 0);
}

TEST_F(sim_session, a_counted_status_comes_that_often) {
    add(R"({"instance":"a","deployment":"d","fault":"status","status":429,"retry_after":2,"times":1})");
    const std::string got = talk(post(plain, "") + post(plain));
    EXPECT_EQ(got.find("HTTP/1.1 429"), 0U);
    EXPECT_NE(got.find("Retry-After: 2\r\n"), std::string::npos);
    EXPECT_NE(got.find("HTTP/1.1 200"), std::string::npos);
}

TEST_F(sim_session, a_body_that_is_cut_has_just_the_bytes_that_were_asked_for) {
    add(R"({"fault":"close","after_bytes":10})");
    const std::string got = talk(post(plain));
    EXPECT_EQ(got.size() - got.find("\r\n\r\n") - 4, 10U);
}

TEST_F(sim_session, a_stream_that_is_cut_has_just_the_events_that_were_asked_for_and_no_end) {
    add(R"({"fault":"close","after_events":3})");
    const std::string got = talk(post(streamed));
    std::size_t events = 0;
    for (auto p = got.find("data: "); p != std::string::npos; p = got.find("data: ", p + 1)) ++events;
    EXPECT_EQ(events, 3U);
    EXPECT_EQ(got.find("\r\n0\r\n"), std::string::npos);
}

TEST_F(sim_session, an_error_event_can_come_first_and_nothing_follows_it) {
    add(R"({"fault":"error_event","code":"busy"})");
    const std::string got = talk(post(streamed, ""));
    EXPECT_NE(got.find("data: {\"error\":{\"code\":\"busy\""), std::string::npos);
    EXPECT_EQ(got.find("[DONE]"), std::string::npos);
    EXPECT_NE(got.find("Connection: close"), std::string::npos);
}

TEST_F(sim_session, a_client_that_leaves_a_hanging_request_is_counted) {
    add(R"({"fault":"hang"})");
    EXPECT_EQ(talk(post(plain), ""), "");
    EXPECT_EQ(counters()["aborted_by_client"], 1);
    EXPECT_EQ(counters()["unanswered"], 1);
}

TEST_F(sim_session, a_client_that_leaves_amid_a_stream_is_counted) {
    add(R"({"fault":"stall","for":"1h","after_events":2})");
    talk(post(streamed), "data: ");
    EXPECT_EQ(counters()["aborted_by_client"], 1);
    EXPECT_EQ(counters()["open_streams"], 0);
}

TEST_F(sim_session, a_long_line_is_as_long_as_asked) {
    add(R"({"fault":"long_line","bytes":100000})");
    const std::string got = talk(post(streamed));
    const auto from = got.find("data: ");
    EXPECT_EQ(got.find("\n\n", from) - from, 100000U);
}

TEST_F(sim_session, what_is_no_request_is_refused_and_the_connection_closed) {
    EXPECT_EQ(talk("GARBAGE\r\n\r\n").find("HTTP/1.1 400"), 0U);
}

TEST_F(sim_session, the_journal_has_the_id_that_the_client_gave_and_what_was_told) {
    talk(post(plain, "x-ms-client-request-id: one\r\n") + post(streamed));
    const json first = json::parse(all.journal.lines(0, 1)), second = json::parse(all.journal.lines(1, 1));
    EXPECT_EQ(first["request_id"], "one");
    EXPECT_EQ(first["told"], true);
    EXPECT_EQ(first["completion_tokens"], 20);
    EXPECT_NE(second["request_id"], "");
    EXPECT_EQ(second["streaming"], true);
    EXPECT_EQ(second["told"], false) << "nobody asked for the usage of this stream";
    EXPECT_EQ(second["completion_tokens"], 20);
    EXPECT_EQ(second["outcome"], "complete");
}

TEST_F(sim_session, the_journal_tells_how_much_was_sent_when_the_client_left) {
    add(R"({"fault":"stall","for":"1h","after_events":4})");
    talk(post(streamed), "data: ");
    const json e = json::parse(all.journal.lines(0, 1));
    EXPECT_EQ(e["outcome"], "aborted");
    EXPECT_EQ(e["sent_completion_tokens"], 2) << "the first two events have no words";
    EXPECT_EQ(e["completion_tokens"], 20);
}

TEST_F(sim_session, the_journal_calls_an_answered_fault_by_its_name) {
    add(R"({"fault":"status","status":500})");
    talk(post(plain));
    const json e = json::parse(all.journal.lines(0, 1));
    EXPECT_EQ(e["outcome"], "fault");
    EXPECT_EQ(e["status"], 500);
    EXPECT_EQ(e["prompt_tokens"], 0);
}

TEST_F(sim_session, the_journal_calls_a_reset_by_its_name) {
    add(R"({"fault":"reset"})");
    talk(post(plain));
    const json e = json::parse(all.journal.lines(0, 1));
    EXPECT_EQ(e["outcome"], "fault");
    EXPECT_EQ(e["status"], 0);
}

TEST_F(sim_session, the_journal_calls_a_stream_that_fails_by_its_name) {
    add(R"({"fault":"error_event","after_events":5})");
    talk(post(streamed));
    const json e = json::parse(all.journal.lines(0, 1));
    EXPECT_EQ(e["outcome"], "fault");
    EXPECT_EQ(e["status"], 200);
    EXPECT_EQ(e["sent_completion_tokens"], 3);
}

TEST_F(sim_session, a_small_body_is_not_refused_early) {
    add(R"({"fault":"early_refusal","status":429,"bytes":1000,"for":"1h"})");
    EXPECT_EQ(talk(post(plain)).find("HTTP/1.1 200"), 0U);
}

TEST_F(sim_session, a_large_body_is_refused_before_it_was_read) {
    add(R"({"fault":"early_refusal","status":429,"bytes":1000,"for":"1h"})");
    const std::string head = "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{";
    const std::string got = talk(head, "}");
    EXPECT_EQ(got.find("HTTP/1.1 429"), 0U) << got;
}

TEST_F(sim_session, interim_answers_come_before_the_real_one) {
    add(R"({"fault":"interim","count":300})");
    const std::string got = talk(post(plain));
    std::size_t interim = 0;
    for (auto p = got.find("HTTP/1.1 102"); p != std::string::npos; p = got.find("HTTP/1.1 102", p + 1)) ++interim;
    EXPECT_EQ(interim, 300U);
    EXPECT_NE(got.find("HTTP/1.1 200"), std::string::npos);
}

TEST_F(sim_session, a_preamble_stands_before_the_error_that_follows_it) {
    add(R"({"fault":"preamble","what":"keepalive","count":3})");
    add(R"({"fault":"error_event","code":"busy"})");
    const std::string got = talk(post(streamed));
    const auto last = got.rfind("event: keepalive"), error = got.find("busy");
    ASSERT_NE(last, std::string::npos);
    ASSERT_NE(error, std::string::npos);
    EXPECT_LT(last, error);
}

TEST_F(sim_session, an_empty_answer_has_a_head_and_an_end) {
    add(R"({"fault":"empty"})");
    EXPECT_NE(talk(post(plain)).find("Content-Length: 0\r\n"), std::string::npos);
}

TEST_F(sim_session, an_empty_stream_has_a_head_and_an_end) {
    add(R"({"fault":"empty"})");
    EXPECT_TRUE(talk(post(streamed)).ends_with("\r\n\r\n0\r\n\r\n"));
}

TEST_F(sim_session, a_compressed_stream_says_so_and_keeps_its_pieces) {
    add(R"({"fault":"gzip"})");
    const std::string got = talk(post(streamed));
    EXPECT_NE(got.find("Content-Encoding: gzip\r\n"), std::string::npos);
    EXPECT_NE(got.find("\x1f\x8b"), std::string::npos);
    EXPECT_EQ(got.find("data: "), std::string::npos);
}

TEST_F(sim_session, a_drifting_backend_names_another_model_and_region) {
    add(R"({"fault":"drift","model":"gpt-5-2026-01-01","region":"eastus"})");
    const std::string got = talk(post(plain));
    EXPECT_NE(got.find("x-ms-region: eastus\r\n"), std::string::npos);
    EXPECT_NE(got.find(R"("model":"gpt-5-2026-01-01")"), std::string::npos);
}

TEST_F(sim_session, a_redirect_carries_its_location) {
    add(R"({"fault":"status","status":307,"headers":{"Location":"http://localhost:1/x"}})");
    const std::string got = talk(post(plain));
    EXPECT_EQ(got.find("HTTP/1.1 307"), 0U);
    EXPECT_NE(got.find("Location: http://localhost:1/x\r\n"), std::string::npos);
}
