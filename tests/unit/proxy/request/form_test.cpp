#include "../../../../src/proxy/request/form.hpp"

#include "../../../../src/proxy/request/request.hpp"
#include "../room_kit.hpp"

namespace spillway::proxy {
namespace form_test {

constexpr std::string_view transcriptions = "/openai/v1/audio/transcriptions", videos = "/openai/v1/videos",
                           files = "/openai/v1/files", dated = "/openai/deployments/gpt-4o/audio/transcriptions";

std::string part(std::string_view name, std::string_view value, std::string_view more = {}) {
    return "--b\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"" + std::string(more) +
           "\r\n\r\n" + std::string(value) + "\r\n";
}
std::string file(std::string_view name, std::string_view bytes) { return part(name, bytes, "; filename=\"a.wav\""); }

struct read {
    std::string code, message, deployment, user;
    bool streams{false}, plain{false};
    std::string marked;  // what the backend's name replaces
    std::size_t marked_at{0};
    std::vector<std::string> ids;
};

read form_of(std::string_view path, const std::string& parts, std::string_view end = "--b--\r\n") {
    room_kit kit;
    kit.keep_objects();
    const std::string body = parts + std::string(end);
    auto& at = kit.begin(post(path, body, "api-key: shop-key\r\ncontent-type: multipart/form-data; boundary=b\r\n"));
    request asked(at);
    EXPECT_EQ(kit.run(asked.read_head()), request::arrival::complete);
    EXPECT_FALSE(asked.understand());
    EXPECT_FALSE(asked.classify());
    EXPECT_FALSE(asked.body.check_content(asked.what.op->body));
    EXPECT_TRUE(asked.body.is_form());
    EXPECT_TRUE(asked.body.is_here());
    read out;
    if (const auto f = asked.read_terms()) out.code = f->code, out.message = f->message;
    out.deployment = asked.deployment;
    out.user = asked.terms.end_user;
    out.streams = asked.terms.streams;
    out.plain = asked.marks().name_is_plain;
    if (!asked.marks().name_in_body.empty())
        out.marked_at = static_cast<std::size_t>(asked.marks().name_in_body.data() - asked.body.view().data());
    out.marked = asked.marks().name_in_body;
    for (const auto& [member, id] : asked.marks().form_ids) out.ids.emplace_back(id);
    return out;
}

TEST(form, names_its_deployment_wherever_the_field_stands) {
    const auto front = part("model", "gpt-4o");
    const auto sound = file("file", "RIFF\r\n--not the boundary\r\nmodel");
    auto a = form_of(transcriptions, front + sound);
    EXPECT_EQ(a.code, "");
    EXPECT_EQ(a.deployment, "gpt-4o");
    EXPECT_TRUE(a.plain);
    EXPECT_EQ(a.marked_at, front.find("gpt-4o"));
    a = form_of(transcriptions, sound + front);
    EXPECT_EQ(a.deployment, "gpt-4o");
    EXPECT_EQ(a.marked_at, sound.size() + front.find("gpt-4o"));
}

TEST(form, has_to_name_a_deployment_where_the_path_does_not) {
    for (const auto& parts : {file("file", "x"), part("model", "") + file("file", "x"), file("model", "gpt-4o")}) {
        const auto a = form_of(transcriptions, parts);
        EXPECT_EQ(a.code, "BadRequest") << parts;
        EXPECT_NE(a.message.find("\"model\""), std::string::npos);
    }
    EXPECT_EQ(form_of(transcriptions, part("model", std::string(257, 'm'))).code, "BadRequest");
    EXPECT_EQ(form_of(transcriptions, part("model", std::string(256, 'm'))).code, "");
    EXPECT_EQ(form_of(files, part("purpose", "batch") + file("file", "x")).code, "") << "files belong to no model";
    const auto a = form_of(dated, part("model", "whisper-1") + file("file", "x"));
    EXPECT_EQ(a.deployment, "gpt-4o") << "the path names it";
    EXPECT_EQ(a.marked, "");
}

TEST(form, says_what_decides_once) {
    for (const auto* name : {"model", "stream"}) {
        const auto a = form_of(transcriptions, part("model", "gpt-4o") + part(name, "true") + part(name, "true"));
        EXPECT_EQ(a.code, "BadRequest") << name;
    }
    EXPECT_EQ(form_of(transcriptions, part("model", "gpt-4o") + part("include[]", "a") + part("include[]", "b")).code,
              "");
}

TEST(form, asks_for_a_stream_as_python_and_others_spell_it) {
    for (const auto* yes : {"true", "True", "1"})
        EXPECT_TRUE(form_of(transcriptions, part("model", "gpt-4o") + part("stream", yes)).streams) << yes;
    for (const auto* no : {"false", "", "0", "yes"})
        EXPECT_FALSE(form_of(transcriptions, part("model", "gpt-4o") + part("stream", no)).streams) << no;
    EXPECT_FALSE(form_of(transcriptions, part("model", "gpt-4o") + file("stream", "true")).streams);
    EXPECT_FALSE(form_of(videos, part("model", "gpt-4o") + part("stream", "true")).streams) << "it has no stream";
}

TEST(form, tells_its_end_user_in_part) {
    const auto a = form_of(transcriptions, part("model", "gpt-4o") + part("user", std::string(200, 'u')));
    EXPECT_EQ(a.user, std::string(128, 'u'));
}

TEST(form, that_cannot_be_read_is_refused_with_the_place) {
    const auto a = form_of(transcriptions, part("model", "gpt-4o"), "--b");
    EXPECT_EQ(a.code, "BadRequest");
    EXPECT_NE(a.message.find("at byte "), std::string::npos) << a.message;
    EXPECT_EQ(form_of(transcriptions, "", "no form at all").code, "BadRequest");
}

// Whether they are the client's is proved with those of the path: see ties.
TEST(form, tells_the_ids_of_objects_that_it_names) {
    const auto to_container = [](const std::string& parts) {
        room_kit kit;
        kit.keep_objects();
        return form_of("/openai/v1/containers/" + kit.tagged("cntr_abcdef") + "/files", parts);
    };
    using ids = std::vector<std::string>;
    for (const auto* name : {"file_id", "file_ids[]", "container_id"})
        EXPECT_EQ(to_container(part(name, "file-abcdef")).ids, ids{"file-abcdef"}) << name;
    EXPECT_EQ(to_container(file("file_id", "file-abcdef")).ids, ids{"file-abcdef"}) << "a file name hides nothing";
    EXPECT_EQ(to_container(file("file", "x")).ids, ids{});
    EXPECT_EQ(form_of(videos, part("model", "gpt-4o") + part("prompt", "photo-realistic")).code, "");
}

}  // namespace form_test
}  // namespace spillway::proxy
