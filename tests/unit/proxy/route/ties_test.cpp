#include "../../../../src/proxy/route/ties.hpp"

#include <set>

#include "../room_kit.hpp"

namespace spillway::proxy {
namespace ties_test {

constexpr std::string_view responses = "/openai/v1/responses", files = "/openai/v1/files/";

struct found {
    std::string code, message;
    std::optional<std::size_t> instance;
    bool unmarked{false};
    std::vector<std::string> ids;  // of the path, as the instance gets them
    std::string query, body;       // likewise
};

// Of one client, on a gateway of its own.
found find(room_kit& kit, const std::string& bytes, std::string_view owner = "client:shop") {
    auto& at = kit.begin(bytes);
    request asked(at);
    EXPECT_EQ(kit.run(asked.read_head()), request::arrival::complete);
    EXPECT_FALSE(asked.understand());
    EXPECT_FALSE(asked.classify());
    EXPECT_TRUE(asked.body.is_here());
    EXPECT_FALSE(asked.read_terms());
    ties objects(at);
    auto what = asked.memory().upstream_what;
    const auto f = objects.find(asked, owner, what);
    found out;
    if (f) out.code = f->code, out.message = f->message;
    out.instance = objects.instance;
    out.unmarked = objects.unmarked_reasoning;
    for (std::size_t i = 0; i < what.id_count; ++i) out.ids.emplace_back(what.ids[i]);
    out.query = objects.changes_query ? asked.memory().upstream_query : std::string(asked.query);
    std::size_t from = 0;
    for (const auto& c : asked.memory().id_edits) {
        out.body += asked.body.view().substr(from, c.at - from);
        from = c.at + c.removed;
    }
    out.body += asked.body.view().substr(from);
    return out;
}

class keeping : public room_kit {
public:
    keeping() { keep_objects(); }
};

found in_path(const std::string& id) {
    keeping kit;
    return find(kit, get(std::string(files) + id));
}
found in_body(const std::string& body, std::string_view path = responses) {
    keeping kit;
    return find(kit, post(path, body));
}

TEST(ties, an_own_id_in_the_path_opens_and_loses_its_tag) {
    keeping kit;
    const auto a = find(kit, get("/openai/v1/threads/" + kit.tagged("thread_abcdef", 1) + "/messages/" +
                                 kit.tagged("msg_abcdefgh", 1)));
    EXPECT_EQ(a.code, "");
    EXPECT_EQ(a.instance, 1U);
    EXPECT_EQ(a.ids, (std::vector<std::string>{"thread_abcdef", "msg_abcdefgh"}));
}

TEST(ties, what_is_not_proved_is_refused_alike) {
    const keeping kit;
    const auto good = kit.tagged("file-abcdef");
    auto forged = good, of_another_id = good;
    forged.back() = forged.back() == 'a' ? 'b' : 'a';
    of_another_id[5] = 'b';
    const std::string elsewhere = kit.tagged("file-abcdef", 1);
    // The proof for one instance behind the code of another one.
    const std::string moved = elsewhere.substr(0, 17) + good.substr(17);
    std::string escaped = good;
    escaped.replace(4, 1, "%2D");
    std::set<std::string> words;
    for (const auto& id :
         {kit.tagged("file-abcdef", 0, "client:lab"), forged, of_another_id, moved, escaped,
          good.substr(0, good.size() - 1), good + "a", std::string("file-abcdef"), std::string("x")}) {
        const auto a = in_path(id);
        EXPECT_EQ(a.code, "ObjectNotFound") << id;
        EXPECT_FALSE(a.instance) << id;
        words.insert(a.message);
    }
    EXPECT_EQ(words.size(), 1U) << "nobody learns which of them was nearly good";
    EXPECT_EQ(in_path(good).code, "");
}

TEST(ties, a_parameter_of_the_query_is_proved_and_cut) {
    keeping kit;
    const auto vs = kit.tagged("vs_abcdef");
    const auto a = find(kit, get("/openai/v1/vector_stores/" + vs +
                                 "/files?limit=2&after=" + kit.tagged("file-abcdef") + "&order=asc"));
    EXPECT_EQ(a.code, "");
    EXPECT_EQ(a.query, "limit=2&after=file-abcdef&order=asc");
}

TEST(ties, an_unproved_parameter_is_refused_however_it_is_spelled) {
    for (const auto* query : {"after=file-abcdef", "after=file%2Dabcdef", "%61fter=file-abcdef", "BEFORE=file-abcdef",
                              "run%5Fid=run_abcdef", "before=file-abcde%66"}) {
        keeping kit;
        const auto a = find(kit, get("/openai/v1/vector_stores/" + kit.tagged("vs_abcdef") + "/files?" + query));
        EXPECT_EQ(a.code, "ObjectNotFound") << query;
    }
    for (const auto* query : {"limit=2", "after=", "after=0", "order=file-abcdef"}) {
        keeping kit;
        const auto a = find(kit, get("/openai/v1/vector_stores/" + kit.tagged("vs_abcdef") + "/files?" + query));
        EXPECT_EQ(a.code, "") << query;
        EXPECT_EQ(a.query, query);
    }
}

TEST(ties, ids_in_the_body_lose_their_tags_and_every_other_byte_stays) {
    const keeping kit;
    const auto with = [](const std::string& resp, const std::string& a, const std::string& b) {
        return R"({ "model":"gpt-4o", "previous_response_id" : ")" + resp + R"(","tools":[{"vector_store_ids":[")" +
               a + R"(", ")" + b + R"("]}],"input":"\u00e4 )" + "\xC3\xA4" + R"("} )";
    };
    const auto a =
        in_body(with(kit.tagged("resp_abcdef", 1), kit.tagged("vs_abcdef", 1), kit.tagged("vs_ghijkl", 1)));
    EXPECT_EQ(a.code, "");
    EXPECT_EQ(a.instance, 1U);
    EXPECT_EQ(a.body, with("resp_abcdef", "vs_abcdef", "vs_ghijkl"));
}

TEST(ties, references_of_the_body_have_to_be_proved) {
    const keeping kit;
    const auto lab = kit.tagged("file-abcdef", 0, "client:lab");
    const auto file = [](const std::string& id) {
        return R"({"model":"gpt-4o","input":[{"role":"user","content":[{"type":"input_file","file_id":")" + id +
               R"("}]}]})";
    };
    EXPECT_EQ(in_body(file(lab)).code, "ObjectNotFound");
    EXPECT_EQ(in_body(file("file-abcdef")).code, "ObjectNotFound");
    EXPECT_EQ(in_body(file(R"(file\u002dabcdef)")).code, "ObjectNotFound");
    EXPECT_EQ(in_body(file("short")).code, "ObjectNotFound") << "what stands there is an id, whatever it looks like";
    EXPECT_EQ(in_body(file(kit.tagged("file-abcdef"))).code, "");
    for (const auto* body : {R"({"model":"gpt-4o","conversation":"conv_abcdef"})",
                             R"({"model":"gpt-4o","conversation":{"id":"conv_abcdef"}})",
                             R"({"model":"gpt-4o","prompt":{"id":"pmpt_abcdef"}})",
                             R"({"model":"gpt-4o","input":[{"type":"item_reference","id":"msg_abcdef"}]})",
                             R"({"model":"gpt-4o","tools":[{"type":"code_interpreter","container":"cntr_abcdef"}]})"})
        EXPECT_EQ(in_body(body).code, "ObjectNotFound") << body;
}

TEST(ties, the_previous_response_is_refused_in_azures_words) {
    const keeping kit;
    for (const auto& id : {std::string("resp_abcdef"), kit.tagged("resp_abcdef", 0, "client:lab")}) {
        const auto a = in_body(R"({"model":"gpt-4o","previous_response_id":")" + id + R"("})");
        EXPECT_EQ(a.code, "previous_response_not_found");
        EXPECT_EQ(a.message, "Previous response with id '" + id + "' not found.");
    }
}

TEST(ties, objects_of_two_instances_do_not_come_together) {
    const keeping kit;
    EXPECT_EQ(in_body(R"({"model":"gpt-4o","previous_response_id":")" + kit.tagged("resp_abcdef", 0) +
                      R"(","conversation":")" + kit.tagged("conv_abcdef", 1) + R"("})")
                  .code,
              "ObjectsOnDifferentInstances");
    keeping other;
    EXPECT_EQ(find(other,
                   post("/openai/v1/threads/" + other.tagged("thread_abcdef", 0) + "/messages",
                        R"({"role":"user","attachments":[{"file_id":")" + other.tagged("file-abcdef", 1) + R"("}]})"))
                  .code,
              "ObjectsOnDifferentInstances");
}

TEST(ties, an_instance_that_has_left_is_told) {
    const keeping kit;
    EXPECT_EQ(in_path(kit.tagged("file-abcdef", 2)).code, "ObjectGone");
    EXPECT_EQ(in_path(kit.tagged("file-abcdef", 2, "client:lab")).code, "ObjectNotFound") << "to its owner alone";
}

TEST(ties, reasoning_with_a_mark_ties_and_other_reasoning_is_noted) {
    const keeping kit;
    const auto with = [](const std::string& reasoning) {
        return R"({"model":"gpt-4o","store":false,"input":[{"type":"reasoning","encrypted_content":")" + reasoning +
               R"("}]})";
    };
    const auto a = in_body(with(kit.marked("gAAAAABo", 1)));
    EXPECT_EQ(a.code, "");
    EXPECT_EQ(a.instance, 1U);
    EXPECT_FALSE(a.unmarked);
    EXPECT_EQ(a.body, with("gAAAAABo"));
    const auto b = in_body(with("gAAAAABo"));
    EXPECT_EQ(b.code, "") << "the route decides";
    EXPECT_FALSE(b.instance);
    EXPECT_TRUE(b.unmarked);
    EXPECT_EQ(b.body, with("gAAAAABo"));
    auto changed = kit.marked("gAAAAABo", 1);
    changed.back() = 'p';
    for (const auto& other : {kit.marked("gAAAAABo", 1, "client:lab"), changed, std::string("sw1.")}) {
        const auto c = in_body(with(other));
        EXPECT_EQ(c.code, other.size() > 4 ? "invalid_encrypted_content" : "") << other;
        EXPECT_FALSE(c.instance);
    }
}

TEST(ties, an_item_that_is_sent_with_its_content_may_have_any_id) {
    const keeping kit;
    const auto with = [](const std::string& id) {
        return R"({"model":"gpt-4o","input":[{"type":"message","id":")" + id + R"(","role":"user","content":"x"}]})";
    };
    for (const auto* id : {"msg_abcdef", "mine", R"(msg\u005fabcdef)"}) {
        const auto a = in_body(with(id));
        EXPECT_EQ(a.code, "") << id;
        EXPECT_FALSE(a.instance);
        EXPECT_EQ(a.body, with(id));
    }
    const auto own = in_body(with(kit.tagged("msg_abcdef", 1)));
    EXPECT_EQ(own.instance, 1U);
    EXPECT_EQ(own.body, with("msg_abcdef"));
}

TEST(ties, texts_and_what_clients_write_as_they_like_are_no_ids) {
    for (const auto* body :
         {R"({"model":"gpt-4o","metadata":{"file_id":"file-abcdef"},"input":"file-abcdef"})",
          R"({"model":"gpt-4o","tools":[{"parameters":{"file_id":"file-abcdef"}}]})",
          R"({"model":"gpt-4o","tools":[{"type":"code_interpreter","container":{"type":"auto"}}]})"})
        EXPECT_EQ(in_body(body).code, "") << body;
}

TEST(ties, a_prompt_is_a_text) {
    for (const auto* prompt : {"photo-realistic", R"(a cat\nthat walks)", R"(caf\u00e9)", "plain words"}) {
        const std::string body = R"({"model":"gpt-4o","prompt":")" + std::string(prompt) + R"("})";
        const auto a = in_body(body, "/openai/v1/videos");
        EXPECT_EQ(a.code, "") << prompt;
        EXPECT_EQ(a.body, body);
    }
}

TEST(ties, without_keys_nothing_is_looked_at) {
    room_kit kit;
    const auto a = find(kit, post("/openai/v1/chat/completions", R"({"model":"gpt-4o","file_id":"file-abcdef"})"));
    EXPECT_EQ(a.code, "");
    EXPECT_FALSE(a.instance);
}

TEST(ties, a_body_of_operations_that_know_no_objects_is_left_alone) {
    EXPECT_EQ(in_body(R"({"model":"gpt-4o","input":"x","file_id":"file-abcdef"})", "/openai/v1/embeddings").code, "");
}

}  // namespace ties_test
}  // namespace spillway::proxy
