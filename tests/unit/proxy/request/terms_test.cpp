#include "../../../../src/proxy/request/terms.hpp"

#include <gtest/gtest.h>

namespace spillway::proxy {
namespace terms_test {

const core::operation& op(std::string_view path) {
    const auto found = core::classify("POST", path);
    EXPECT_TRUE(found) << path;
    return *found->op;
}
const core::operation& chat() { return op("/openai/v1/chat/completions"); }
const core::operation& dated_chat() { return op("/openai/deployments/x/chat/completions"); }
const core::operation& responses() { return op("/openai/v1/responses"); }

struct read_result {
    std::optional<fault> why;
    request_terms terms;
    body_marks marks;
};

// In one go; and in slices, which has to come to the same.
read_result read(std::string_view body, const core::operation& of, terms_wanted wanted = {}) {
    read_result once, sliced;
    terms_reader whole(body, of, wanted);
    once.why = whole.read(once.terms, once.marks);
    terms_reader slices(body, of, wanted);
    while (!slices.go_on()) {
    }
    sliced.why = slices.finish(sliced.terms, sliced.marks);
    EXPECT_EQ(once.why.has_value(), sliced.why.has_value()) << body.substr(0, 100);
    if (once.why && sliced.why) {
        EXPECT_EQ(once.why->message, sliced.why->message);
    }
    EXPECT_EQ(once.marks.deployment, sliced.marks.deployment);
    EXPECT_EQ(once.terms.streams, sliced.terms.streams);
    EXPECT_EQ(once.terms.answer_limit, sliced.terms.answer_limit);
    EXPECT_EQ(once.marks.ask.offset, sliced.marks.ask.offset);
    return once;
}

TEST(terms, of_a_chat) {
    const std::string_view body =
        R"({"model":"gpt-4o","stream":true,"user":"anna","max_tokens":10,"max_completion_tokens":20,"n":3})";
    const auto r = read(body, chat(), {.asks_usage = true, .end_users = true});
    ASSERT_FALSE(r.why);
    EXPECT_TRUE(r.terms.streams);
    EXPECT_EQ(r.marks.deployment, "gpt-4o");
    EXPECT_EQ(r.marks.name_in_body, R"("gpt-4o")");
    EXPECT_EQ(r.terms.end_user, "anna");
    EXPECT_EQ(r.terms.answer_limit, 20U) << "the newer member wins";
    EXPECT_EQ(r.terms.choices, 3U);
    EXPECT_TRUE(r.marks.may_ask);
    EXPECT_EQ(r.marks.ask.offset, 1U);
}

TEST(terms, names_in_the_path_leave_the_body_alone) {
    const auto r = read(R"({"model":"whatever","messages":[]})", dated_chat());
    ASSERT_FALSE(r.why);
    EXPECT_EQ(r.marks.deployment, "");
    EXPECT_EQ(r.marks.name_in_body, "");
    EXPECT_EQ(r.marks.model_place.removed, 0U) << "no instance of kind openai wants to know";
}

TEST(terms, where_a_model_belongs_for_servers_of_openai) {
    const terms_wanted wanted{.has_openai = true};
    EXPECT_EQ(read(R"({"model":"a","n":1})", dated_chat(), wanted).marks.model_place.at, 9U);
    EXPECT_EQ(read(R"({"n":1})", dated_chat(), wanted).marks.model_place.at, 1U);
    EXPECT_FALSE(read(R"({"n":1})", dated_chat(), wanted).marks.model_place.alone);
    EXPECT_TRUE(read("{}", dated_chat(), wanted).marks.model_place.alone);
}

TEST(terms, of_responses) {
    const auto r = read(R"({"model":"a","max_output_tokens":7,"max_tokens":1})", responses());
    ASSERT_FALSE(r.why);
    EXPECT_EQ(r.terms.answer_limit, 7U);
    EXPECT_EQ(r.terms.choices, 1U);
}

TEST(terms, figures_are_bounded) {
    EXPECT_EQ(read(R"({"model":"a","max_tokens":99999999999,"n":100000})", chat()).terms.answer_limit, 10'000'000U);
    EXPECT_EQ(read(R"({"model":"a","n":100000})", chat()).terms.choices, 128U);
    EXPECT_EQ(read(R"({"model":"a","n":0})", chat()).terms.choices, 1U);
    EXPECT_EQ(read(R"({"model":"a","max_tokens":"12"})", chat()).terms.answer_limit, std::nullopt);
    EXPECT_EQ(read(R"({"model":"a","max_tokens":-1})", chat()).terms.answer_limit, std::nullopt);
}

TEST(terms, end_users_are_cut_between_characters) {
    const std::string name(127, 'x');
    const auto r = read(R"({"model":"a","user":")" + name + "\u00e4\"}", chat(), {.end_users = true});
    ASSERT_FALSE(r.why);
    EXPECT_EQ(r.terms.end_user, name);
    EXPECT_EQ(read(R"({"model":"a","user":"b"})", chat()).terms.end_user, "") << "not wanted";
    EXPECT_EQ(read(R"({"model":"a","user":17})", chat(), {.end_users = true}).terms.end_user, "");
}

TEST(terms, refusals) {
    struct row {
        std::string_view body, part;
    };
    const row rows[] = {
        {"", "no usable JSON object"},
        {"[]", "no usable JSON object"},
        {R"({"model":"a")", "no usable JSON object"},
        {"{\"model\":\"\xff\"}", "not UTF-8"},
        {R"({"messages":[]})", "is missing"},
        {R"({"model":1})", "has to be a string"},
        {R"({"model":""})", "no usable deployment name"},
        {R"({"Model":"a","model":"b"})", "could be taken for \"model\""},
        {R"({"model":"a","Data_Sources":[]})", "could be taken for \"data_sources\""},
    };
    for (const auto& [body, part] : rows) {
        const auto r = read(body, chat());
        ASSERT_TRUE(r.why) << body;
        EXPECT_EQ(r.why->status, 400) << body;
        EXPECT_NE(r.why->message.find(part), std::string::npos) << r.why->message;
    }
}

TEST(terms, long_bodies_tell_their_prompt) {
    std::string text(3 * terms_slice, 'x');
    const std::string body = R"({"model":"a","messages":[{"role":"user","content":")" + text + "\"}]}";
    request_terms out;
    body_marks marks;
    terms_reader r(body, chat(), {.prompt = true});
    int slices = 0;
    while (!r.go_on()) ++slices;
    ASSERT_FALSE(r.finish(out, marks));
    EXPECT_GE(slices, 3) << "others have their turn in between";
    EXPECT_EQ(out.prompt_bytes, core::prompt_bytes(body));
}

TEST(terms, a_bad_end_of_a_long_body_is_found) {
    std::string body = R"({"model":"a","x":")" + std::string(2 * terms_slice, 'x') + "\xc3\"}";
    EXPECT_NE(read(body, chat()).why->message.find("UTF-8"), std::string::npos);
    body = R"({"model":"a","x":")" + std::string(2 * terms_slice, 'x') + "\"]";
    EXPECT_NE(read(body, chat()).why->message.find("JSON"), std::string::npos);
}

}  // namespace terms_test
}  // namespace spillway::proxy
