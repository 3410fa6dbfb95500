#include "../../../../src/proxy/answer/id_tagger.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace spillway::proxy {
namespace id_tagger_test {

using form = http::id_walker::form;

class id_tagger : public ::testing::Test {
protected:
    std::string tag(std::string id, std::string_view owner = "client:shop") const {
        ring_.append(id, std::string(id), 1, owner);
        return id;
    }
    std::string mark(std::string_view reasoning) const {
        std::string out;
        ring_.append_mark(out, reasoning, 1, "client:shop");
        return out.append(reasoning);
    }
    // What a client gets of an answer that comes in slices of so many bytes.
    std::string passed(form f, std::string_view answer, std::size_t slice, bool ids = true) const {
        const auto t = make_id_tagger(f, {&ring_, 1, "client:shop", ids});
        std::string out;
        auto sink = [&](std::string_view s) { out += s; };
        for (std::size_t at = 0; at < answer.size(); at += slice) t->feed(answer.substr(at, slice), sink);
        t->finish(sink);
        EXPECT_FALSE(t->holds());
        return out;
    }
    void expect(form f, std::string_view answer, std::string_view wanted, bool ids = true) const {
        for (std::size_t slice = 1; slice <= answer.size(); ++slice)
            ASSERT_EQ(passed(f, answer, slice, ids), wanted) << "in slices of " << slice;
    }

private:
    static identity::tag_ring make() {
        const std::vector<identity::tag_key> keys{{1, secret_text(std::string("a-secret-for-tags"))}};
        const std::vector<std::string> instances{"one", "two"};
        return identity::tag_ring::make(keys, instances).value();
    }
    identity::tag_ring ring_{make()};
};

TEST_F(id_tagger, ids_of_an_answer_get_the_owners_tag) {
    const auto with = [](const std::string& resp, const std::string& msg, const std::string& file) {
        return R"({"id" : ")" + resp + R"(","object":"response","output":[{"id":")" + msg +
               R"(","type":"message","content":[{"text":"resp_abcdef","annotations":[{"file_id":")" + file +
               R"("}]}]}],"metadata":{"id":"resp_abcdef"},"status":"completed"})";
    };
    expect(form::json, with("resp_abcdef", "msg_abcdef", "file-abcdef"),
           with(tag("resp_abcdef"), tag("msg_abcdef"), tag("file-abcdef")));
}

TEST_F(id_tagger, lists_of_ids_and_their_ends_are_tagged) {
    expect(form::json, R"({"file_ids":["file-abcdef","file-ghijkl"],"first_id":"file-abcdef","last_id":null})",
           R"({"file_ids":[")" + tag("file-abcdef") + R"(",")" + tag("file-ghijkl") + R"("],"first_id":")" +
               tag("file-abcdef") + R"(","last_id":null})");
}

TEST_F(id_tagger, events_of_a_stream_are_tagged_alike) {
    const auto with = [](const std::string& resp, const std::string& item) {
        return "event: response.created\ndata: {\"response\":{\"id\":\"" + resp +
               "\"}}\n\nevent: response.output_text.delta\ndata: {\"item_id\":\"" + item +
               "\",\"delta\":\"a\"}\n\ndata: {\"item_id\":\"" + item +
               "\",\"delta\":\"b\"}\r\n\r\n: alive\n\ndata: [DONE]\n\n";
    };
    expect(form::sse, with("resp_abcdef", "msg_abcdef"), with(tag("resp_abcdef"), tag("msg_abcdef")));
}

TEST_F(id_tagger, ids_of_tool_calls_and_other_values_stay) {
    const std::string answer =
        R"({"id":"auto","choices":[{"message":{"tool_calls":[{"id":"call_abcdefgh","function":{"arguments":"{\"file_id\":\"file-abcdef\"}"}}]}}],)"
        R"("call_id":"call_abcdefgh","model":"gpt-4o-2024-11-20","container":"auto","system_fingerprint":"fp_abcdef12"})";
    expect(form::json, answer, answer);
}

TEST_F(id_tagger, a_prompt_is_a_text) {
    const std::string answer = R"({"object":"video","prompt":"photo-realistic"})";
    expect(form::json, answer, answer);
}

TEST_F(id_tagger, encrypted_reasoning_gets_its_mark_in_front) {
    const std::string blob = "gAAAAABo" + std::string(200, 'x');
    const auto with = [](const std::string& id, const std::string& reasoning) {
        return R"({"output":[{"id":")" + id + R"(","type":"reasoning","encrypted_content":")" + reasoning + R"("}]})";
    };
    expect(form::json, with("rs_abcdefgh", blob), with(tag("rs_abcdefgh"), mark(blob)));
    expect(form::json, with("rs_abcdefgh", ""), with(tag("rs_abcdefgh"), ""));
    // An answer that nobody keeps: reasoning alone.
    expect(form::json, with("rs_abcdefgh", blob), with("rs_abcdefgh", mark(blob)), false);
    expect(form::json, with("rs_abcdefgh", "short"), with("rs_abcdefgh", mark("short")), false);
}

TEST_F(id_tagger, what_is_no_json_or_breaks_off_passes_as_it_is) {
    for (const auto* answer : {"<html>\"id\":\"file-abcdef\"</html>", R"({"id":"file-abc)", ""})
        expect(form::json, answer, answer);
    expect(form::json, R"({"encrypted_content":"gAAA)", R"({"encrypted_content":"gAAA)");
}

TEST_F(id_tagger, holds_the_head_of_reasoning_alone) {
    const auto ring = tag("file-abcdef");
    std::string out;
    auto sink = [&](std::string_view s) { out += s; };
    const std::string owner = "client:shop";
    const std::vector<identity::tag_key> keys{{1, secret_text(std::string("a-secret-for-tags"))}};
    const std::vector<std::string> instances{"one", "two"};
    const auto r = identity::tag_ring::make(keys, instances).value();
    const auto t = make_id_tagger(form::json, {&r, 1, owner, true});
    t->feed(R"({"id":"file-abc)", sink);
    EXPECT_FALSE(t->holds());
    EXPECT_EQ(out, R"({"id":"file-abc)");
    t->feed(R"(def","encrypted_content":"gAA)", sink);
    EXPECT_TRUE(t->holds());
    EXPECT_EQ(out, R"({"id":")" + ring + R"(","encrypted_content":")");
}

}  // namespace id_tagger_test
}  // namespace spillway::proxy
