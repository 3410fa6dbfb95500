#include "../../../../src/proxy/answer/pipe.hpp"

#include <gtest/gtest.h>

namespace spillway::proxy {
namespace pipe_test {

http::response_head head_of(std::string_view text) {
    static std::string kept;
    kept = text;
    http::response_head h;
    EXPECT_EQ(http::parse_response(kept, {64 * 1024, http::field_table::capacity}, false, h), http::head_error::none);
    return h;
}
http::response_head chunked() { return head_of("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"); }
http::response_head sized(std::size_t n) {
    return head_of("HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(n) + "\r\n\r\n");
}
http::response_head until_close() { return head_of("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"); }

std::string chunk(std::string_view payload) {
    std::string out;
    http::append_chunk_header(out, payload.size());
    return out.append(payload).append("\r\n");
}

// What a client makes of the bytes.
struct client_view {
    std::string payload;
    bool whole{false}, broken{false};
};
client_view read_chunks(std::string_view wire) {
    client_view v;
    http::body_scanner s(http::body_kind::chunked, 0);
    const auto r = s.feed(wire, [&](std::string_view p) { v.payload.append(p); });
    v.whole = r.done && r.consumed == wire.size();
    v.broken = r.error;
    return v;
}

constexpr std::string_view event = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":null}\n\n";
constexpr std::string_view event_without = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n";
constexpr std::string_view usage_event =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}}\n\n";
constexpr std::string_view done_event = "data: [DONE]\n\n";

class pipe : public ::testing::Test {
protected:
    // Feeds everything in steps of so many bytes, as a relay does.
    std::string run(std::string_view wire, std::size_t step) {
        net::buffer out(slabs_);
        for (std::size_t at = 0; at < wire.size(); at += step) {
            const auto bytes = wire.substr(at, step);
            const auto scan = pipe_.take(bytes);
            pipe_.pass(out, bytes.substr(0, scan.forward));
            if (scan.done && (pipe_.writes_end() || pipe_.passes())) pipe_.end(out);
            if (scan.error) failed_ = true;
        }
        return std::string(out.view());
    }

    net::slab_pool slabs_;
    answer_pipe pipe_{slabs_};
    bool failed_{false};
};

TEST_F(pipe, bytes_pass_untouched) {
    for (const bool http_1_1 : {true}) {
        pipe_.reset();
        pipe_.begin(sized(5));
        pipe_.open(http_1_1);
        EXPECT_TRUE(pipe_.passes());
        EXPECT_EQ(run("hello", 2), "hello");
        EXPECT_TRUE(pipe_.body().done());
    }
}

TEST_F(pipe, chunks_pass_with_their_marks) {
    const std::string wire = chunk("hello") + chunk("you") + "0\r\n\r\n";
    for (std::size_t step = 1; step <= wire.size(); ++step) {
        answer_pipe p(slabs_);
        p.begin(chunked());
        p.open(true);
        net::buffer out(slabs_);
        for (std::size_t at = 0; at < wire.size(); at += step) {
            const auto bytes = std::string_view(wire).substr(at, step);
            p.pass(out, bytes.substr(0, p.take(bytes).forward));
        }
        p.end(out);
        EXPECT_EQ(out.view(), wire) << step;
    }
}

TEST_F(pipe, trailers_are_dropped_and_the_end_is_written) {
    pipe_.begin(chunked());
    pipe_.open(true);
    const std::string wire = chunk("x") + "0\r\nx-trailer: 1\r\n\r\n";
    net::buffer out(slabs_);
    const auto scan = pipe_.take(wire);
    ASSERT_TRUE(scan.done);
    EXPECT_TRUE(pipe_.writes_end());
    pipe_.pass(out, std::string_view(wire).substr(0, scan.forward));
    pipe_.end(out);
    EXPECT_EQ(out.view(), chunk("x") + "0\r\n\r\n");
}

TEST_F(pipe, a_client_of_http_1_0_gets_no_chunks) {
    pipe_.begin(chunked());
    pipe_.open(false);
    EXPECT_EQ(pipe_.how(), answer_pipe::framing::close);
    for (const std::size_t step : {1U, 3U, 100U}) {
        answer_pipe p(slabs_);
        p.begin(chunked());
        p.open(false);
        net::buffer out(slabs_);
        const std::string wire = chunk("hello") + chunk("you") + "0\r\n\r\n";
        for (std::size_t at = 0; at < wire.size(); at += step) {
            const auto bytes = std::string_view(wire).substr(at, step);
            p.pass(out, bytes.substr(0, p.take(bytes).forward));
        }
        p.end(out);
        EXPECT_EQ(out.view(), "helloyou");
    }
}

TEST_F(pipe, a_body_that_ends_with_its_connection_is_framed) {
    pipe_.begin(until_close());
    pipe_.open(true);
    EXPECT_EQ(pipe_.how(), answer_pipe::framing::encode);
    net::buffer out(slabs_);
    pipe_.pass(out, std::string_view("hello").substr(0, pipe_.take("hello").forward));
    EXPECT_TRUE(pipe_.take_end());
    pipe_.end(out);
    const auto seen = read_chunks(out.view());
    EXPECT_EQ(seen.payload, "hello");
    EXPECT_TRUE(seen.whole);
}

TEST_F(pipe, what_only_the_gateway_asked_for_is_taken_out) {
    const std::string wire = chunk(event) + chunk(usage_event) + chunk(done_event) + "0\r\n\r\n";
    for (std::size_t step = 1; step <= wire.size(); ++step) {
        answer_pipe p(slabs_);
        p.begin(chunked());
        p.watch_events(100, nullptr);
        p.add(make_usage_filter());
        p.open(true);
        net::buffer out(slabs_);
        for (std::size_t at = 0; at < wire.size(); at += step) {
            const auto bytes = std::string_view(wire).substr(at, step);
            const auto scan = p.take(bytes);
            p.pass(out, bytes.substr(0, scan.forward));
            if (scan.done) p.end(out);
        }
        const auto seen = read_chunks(out.view());
        EXPECT_TRUE(seen.whole) << step;
        EXPECT_EQ(seen.payload, std::string(event_without) + std::string(done_event)) << step;
        EXPECT_NE(p.usage_json().find("\"prompt_tokens\":3"), std::string_view::npos) << step;
        EXPECT_EQ(p.text(), "hi") << step;
        EXPECT_TRUE(p.terminal());
    }
}

// Each transform in turn holds something back: nothing is inserted meanwhile, and nothing is lost at the end.
class holding final : public transform {
public:
    void feed(std::string_view payload, payload_sink) override { held_.append(payload); }
    void finish(payload_sink out) override { out(std::exchange(held_, {})); }
    bool holds() const noexcept override { return !held_.empty(); }

private:
    std::string held_;
};
class passing final : public transform {
public:
    void feed(std::string_view payload, payload_sink out) override { out(payload); }
    void finish(payload_sink) override {}
    bool holds() const noexcept override { return false; }
};

TEST_F(pipe, any_transform_may_hold_back) {
    for (int which = 0; which < 3; ++which) {
        answer_pipe p(slabs_);
        p.begin(chunked());
        p.watch_events(0, nullptr);
        for (int i = 0; i < 3; ++i) {
            if (i == which) p.add(std::make_unique<holding>());
            else p.add(std::make_unique<passing>());
        }
        p.open(true);
        net::buffer out(slabs_);
        EXPECT_TRUE(p.may_insert());
        const std::string wire = chunk(event) + "0\r\n\r\n";
        const auto scan = p.take(wire);
        p.pass(out, std::string_view(wire).substr(0, scan.forward));
        EXPECT_FALSE(p.may_insert()) << which;
        EXPECT_TRUE(out.empty()) << which;
        p.end(out);
        const auto seen = read_chunks(out.view());
        EXPECT_EQ(seen.payload, event) << which;
        EXPECT_TRUE(seen.whole) << which;
    }
}

TEST_F(pipe, own_bytes_stand_between_events_and_between_chunks) {
    pipe_.begin(chunked());
    pipe_.watch_events(0, nullptr);
    pipe_.open(true);
    net::buffer out(slabs_);
    const auto feed = [&](std::string_view bytes) {
        pipe_.pass(out, bytes.substr(0, pipe_.take(bytes).forward));
        return pipe_.may_insert();
    };
    const std::string first = chunk(event);
    for (std::size_t i = 0; i + 1 < first.size(); ++i)
        EXPECT_FALSE(feed(std::string_view(first).substr(i, 1))) << "amid the chunk, at " << i;
    EXPECT_TRUE(feed(std::string_view(first).substr(first.size() - 1)));
    pipe_.insert(out, ": keep-alive\n\n");
    EXPECT_FALSE(feed(chunk("data: half"))) << "amid an event";
    EXPECT_TRUE(feed(chunk("\n\n")));
    pipe_.end(out);
    EXPECT_EQ(read_chunks(std::string(out.view()) + "0\r\n\r\n").payload,
              std::string(event) + ": keep-alive\n\ndata: half\n\n");
}

TEST_F(pipe, a_stream_that_breaks_off_tells_an_error) {
    pipe_.begin(chunked());
    pipe_.watch_events(0, nullptr);
    pipe_.open(true);
    net::buffer out(slabs_);
    const std::string wire = chunk(event);
    pipe_.pass(out, std::string_view(wire).substr(0, pipe_.take(wire).forward));
    ASSERT_TRUE(pipe_.end_broken(out, http::stream_family::chat));
    const auto seen = read_chunks(out.view());
    EXPECT_TRUE(seen.whole);
    EXPECT_NE(seen.payload.find("upstream_stream_broken"), std::string::npos);
    EXPECT_EQ(seen.payload.find("[DONE]"), std::string::npos);
}

TEST_F(pipe, an_error_is_told_where_it_can_be_said_only) {
    net::buffer out(slabs_);
    pipe_.begin(chunked());
    pipe_.open(true);
    EXPECT_FALSE(pipe_.end_broken(out, http::stream_family::chat)) << "no events";

    answer_pipe amid(slabs_);
    amid.begin(chunked());
    amid.watch_events(0, nullptr);
    amid.open(true);
    const std::string half = chunk("data: {\"cho");
    amid.pass(out, std::string_view(half).substr(0, amid.take(half).forward));
    EXPECT_FALSE(amid.end_broken(out, http::stream_family::chat)) << "amid an event";

    answer_pipe over(slabs_);
    over.begin(chunked());
    over.watch_events(0, nullptr);
    over.open(true);
    const std::string all = chunk(event) + chunk(done_event);
    over.pass(out, std::string_view(all).substr(0, over.take(all).forward));
    EXPECT_FALSE(over.end_broken(out, http::stream_family::chat)) << "the stream had said its end";
}

TEST_F(pipe, broken_framing_forwards_nothing_more) {
    pipe_.begin(chunked());
    pipe_.open(true);
    EXPECT_EQ(run(chunk("ok") + "zz\r\n", 1), chunk("ok"));
    EXPECT_TRUE(failed_);
    EXPECT_TRUE(pipe_.body().failed());
}

class listener final : public payload_watcher {
public:
    void on_payload(std::string_view p) override { seen.append(p); }
    void on_restart() noexcept override { seen.clear(); }
    std::string seen;
};

TEST_F(pipe, another_attempt_begins_anew) {
    listener by;
    pipe_.watch_payload(&by);
    pipe_.begin(chunked());
    pipe_.watch_events(100, nullptr);
    pipe_.take(chunk(event));
    EXPECT_EQ(by.seen, event);
    EXPECT_EQ(pipe_.text(), "hi");
    pipe_.reset();
    EXPECT_EQ(by.seen, "");
    EXPECT_EQ(pipe_.events(), nullptr);
    pipe_.begin(sized(2));
    pipe_.take("ok");
    EXPECT_EQ(by.seen, "ok");
    EXPECT_TRUE(pipe_.body().done());
}

}  // namespace pipe_test
}  // namespace spillway::proxy
