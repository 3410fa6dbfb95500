#include "../../../../src/proxy/attempts/upstream_request.hpp"

#include <algorithm>

#include "../known_request.hpp"

namespace spillway::proxy {
namespace upstream_request_test {

constexpr std::string_view dated = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21&api-key=oops";
constexpr std::string_view v1 = "/openai/v1/chat/completions";

// What a backend of a kit gets of the first request that it sees.
struct sent {
    std::string head, body;
};
sent sent_to(room_kit& kit, std::size_t backend, const std::string& bytes) {
    known_request from(kit, bytes);
    auto& [at, asked, who] = from;
    plan way(at);
    const auto f = way.find(asked, who);
    EXPECT_FALSE(f) << f->message;
    if (f) return {};
    upstream_request out(at, asked, way);
    EXPECT_TRUE(out.compose(kit.config->pools[0].backends[backend], {}, {}));
    sent got{std::string(asked.memory().out.view()), {}};
    for (const auto piece : out.body()) got.body += piece;
    return got;
}

class going_out : public ::testing::Test {
protected:
    upstream_request& of(std::string_view path, std::string_view what,
                         std::string_view fields = "api-key: shop-key\r\n") {
        auto& at = kit_.begin(post(path, what, fields));
        asked_.emplace(at);
        EXPECT_EQ(kit_.run(asked_->read_head()), request::arrival::complete);
        EXPECT_FALSE(asked_->understand());
        EXPECT_FALSE(asked_->classify());
        caller who(at);
        EXPECT_FALSE(who.identify(*asked_));
        EXPECT_TRUE(asked_->body.is_here());
        EXPECT_FALSE(asked_->read_terms());
        way_.emplace(at);
        EXPECT_FALSE(way_->find(*asked_, who));
        out_.emplace(at, *asked_, *way_);
        return *out_;
    }
    const backend& one() const { return kit_.config->pools[0].backends[0]; }
    std::string head() const { return std::string(asked_->memory().out.view()); }
    std::string body() const {
        std::string all;
        for (const auto piece : out_->body()) all += piece;
        return all;
    }
    std::size_t promised() const {
        const auto h = head();
        const auto at = h.find("content-length: ");
        return std::stoul(h.substr(at + 16));
    }

    room_kit kit_;
    std::optional<request> asked_;
    std::optional<plan> way_;
    std::optional<upstream_request> out_;
};

TEST_F(going_out, has_the_backends_name_and_the_gateways_proof) {
    ASSERT_TRUE(of(dated, R"({"messages":[]})").compose(one(), {"api-key", "instance-key"}, {}));
    const auto h = head();
    EXPECT_TRUE(h.starts_with(
        "POST /openai/deployments/d-one/chat/completions?api-version=2024-10-21 HTTP/1.1\r\nhost: one.example\r\n"))
        << h;
    EXPECT_NE(h.find("api-key: instance-key\r\n"), std::string::npos);
    EXPECT_EQ(h.find("shop-key"), std::string::npos);
    EXPECT_EQ(h.find("oops"), std::string::npos);
    EXPECT_EQ(body(), R"({"messages":[]})") << "every byte as it came";
    EXPECT_EQ(promised(), body().size());
}

TEST_F(going_out, leaves_no_proof_in_the_buffer) {
    ASSERT_TRUE(of(dated, "{}").compose(one(), {"api-key", "instance-key"}, {}));
    out_->wipe_proof();
    EXPECT_EQ(head().find("instance-key"), std::string::npos);
}

TEST_F(going_out, puts_the_backends_name_where_the_clients_stood) {
    ASSERT_TRUE(of(v1, R"({"a":1,"model" : "gpt-4o","b":2})").compose(one(), {}, {}));
    EXPECT_EQ(body(), R"({"a":1,"model" : "d-one","b":2})");
    EXPECT_EQ(promised(), body().size());
}

TEST_F(going_out, asks_for_the_usage_of_streams) {
    ASSERT_TRUE(of(v1, R"({"model":"gpt-4o","stream":true})").compose(one(), {}, {}));
    EXPECT_TRUE(out_->asks_usage());
    EXPECT_EQ(body(), R"({"stream_options":{"include_usage":true},"model":"d-one","stream":true})");
    EXPECT_EQ(promised(), body().size());
}

TEST_F(going_out, asks_no_version_that_does_not_know_the_question) {
    ASSERT_TRUE(of("/openai/deployments/gpt-4o/chat/completions?api-version=2024-02-01", R"({"stream":true})")
                    .compose(one(), {}, {}));
    EXPECT_FALSE(out_->asks_usage());
    EXPECT_EQ(body(), R"({"stream":true})");
}

TEST_F(going_out, servers_of_openai_get_the_name_in_the_body) {
    kit_.config->has_openai = true;
    kit_.config->instances[0].kind = config::instance_kind::openai;
    ASSERT_TRUE(of(dated, R"({"n":1})").compose(one(), {}, {}));
    EXPECT_EQ(body(), R"({"model":"d-one","n":1})");
    room_kit empty;
    EXPECT_EQ(promised(), body().size());
    EXPECT_NE(head().find("x-client-request-id: "), std::string::npos);
}

TEST_F(going_out, has_our_traceparent_when_the_request_is_traced) {
    const std::string_view fields = "api-key: shop-key\r\ntraceparent: theirs\r\n";
    ASSERT_TRUE(of(dated, "{}", fields).compose(one(), {}, "ours"));
    EXPECT_NE(head().find("traceparent: ours\r\n"), std::string::npos);
    EXPECT_EQ(head().find("theirs"), std::string::npos);
}

// Tags are cut, the name is replaced and the question is put in, in whatever order they stand.
TEST_F(going_out, all_that_changes_in_a_body_changes_together) {
    struct member {
        std::string here, there;
    };
    kit_.keep_objects();
    std::vector<member> members{
        {R"("model" : "gpt-4o")", R"("model" : "d-one")"},
        {R"("store":true)", R"("store":true)"},
        {R"("messages":[{"content":[{"file":{"file_id":")" + kit_.tagged("file-abcdef") +
             R"("}},{"file":{"file_id":")" + kit_.tagged("file-ghijkl") + R"("}}]}])",
         R"("messages":[{"content":[{"file":{"file_id":"file-abcdef"}},{"file":{"file_id":"file-ghijkl"}}]}])"},
        {R"("stream":true)", R"("stream":true)"}};
    std::sort(members.begin(), members.end(), [](const member& a, const member& b) { return a.here < b.here; });
    int orders = 0;
    do {
        std::string here = "{", wanted = R"({"stream_options":{"include_usage":true},)";
        for (const auto& m : members) {
            here += m.here + " ,\n ";
            wanted += m.there + " ,\n ";
        }
        here += R"("end":"\u00e4"} )";
        wanted += R"("end":"\u00e4"} )";
        room_kit kit;
        kit.keep_objects();
        const auto got = sent_to(kit, 0, post(v1, here)).body;
        ASSERT_EQ(got, wanted) << here;
        ++orders;
    } while (std::next_permutation(members.begin(), members.end(),
                                   [](const member& a, const member& b) { return a.here < b.here; }));
    EXPECT_EQ(orders, 24);
}

// A second backend gets the same body with its own name.
TEST_F(going_out, the_next_backend_gets_it_cut_anew) {
    kit_.keep_objects();
    auto& out = of("/openai/v1/responses",
                   R"({"previous_response_id":")" + kit_.tagged("resp_abcdef") + R"(","model":"gpt-4o"})");
    for (const auto& b : kit_.config->pools[0].backends) {
        ASSERT_TRUE(out.compose(b, {}, {}));
        EXPECT_EQ(body(), R"({"previous_response_id":"resp_abcdef","model":")" + b.deployment + "\"}");
        EXPECT_EQ(promised(), body().size());
    }
}

// What is cut is known from the ids that were put in; every byte outside of them stays.
TEST_F(going_out, bytes_outside_of_the_tags_stay) {
    random_source random(17);
    constexpr std::string_view texts[] = {R"("a\"b")",    R"("\u00e4\n")", "[1,2.5e3,-0]",
                                          "{\"x\":[{}]}", "null",          "\"\xC3\xA4\""};
    for (int round = 0; round < 300; ++round) {
        room_kit kit;
        kit.keep_objects();
        std::string here = R"({"model":"gpt-4o")", wanted = R"({"model":"d-two")";
        const auto both = [&](std::string_view s) {
            here += s;
            wanted += s;
        };
        for (std::uint32_t n = random.below(8), i = 0; i < n; ++i) {
            both(random.below(2) == 0 ? "," : " ,\r\n\t");
            const std::string number = std::to_string(i);
            switch (random.below(4)) {
                case 0: both("\"m" + number + "\":" + std::string(texts[random.below(std::size(texts))])); break;
                case 1:
                    both("\"m" + number + R"(":{"file_id" : ")");
                    here += kit.tagged("file-abcde" + number, 1);
                    wanted += "file-abcde" + number;
                    both("\"}");
                    break;
                case 2:
                    both("\"m" + number + R"(":[{"encrypted_content":")");
                    here += kit.marked("gAAAA" + number, 1);
                    wanted += "gAAAA" + number;
                    both("\"}]");
                    break;
                default: both("\"m" + number + R"(":{"metadata":{"file_id":"file-abcdef"}})"); break;
            }
        }
        both("}");
        const auto got = sent_to(kit, 1, post("/openai/v1/responses", here)).body;
        ASSERT_EQ(got, wanted) << here;
    }
}

TEST_F(going_out, has_the_instances_ids_in_path_and_query) {
    kit_.keep_objects();
    const auto out = sent_to(kit_, 0,
                             get("/openai/v1/vector_stores/" + kit_.tagged("vs_abcdef") +
                                 "/files?after=" + kit_.tagged("file-abcdef") + "&limit=3"));
    EXPECT_TRUE(
        out.head.starts_with("GET /openai/v1/vector_stores/vs_abcdef/files?after=file-abcdef&limit=3 HTTP/1.1\r\n"))
        << out.head;
}

TEST_F(going_out, is_no_request_when_a_field_could_end_early) {
    EXPECT_FALSE(of(dated, "{}").compose(one(), {"api-key", "a\r\nb"}, {}));
    EXPECT_TRUE(asked_->memory().out.empty());
}

}  // namespace upstream_request_test
}  // namespace spillway::proxy
