#include "instance_fixture.hpp"

namespace spillway::sim::answers_media_test {

class answers_media : public instance_test::living_instance {};

TEST_F(answers_media, a_transcription_has_the_form_that_is_asked_for) {
    const std::string path = "audio/transcriptions";
    // The model may come after the file.
    const auto plain = form(path, {{"file", "@sound"}, {"model", "whisper"}});
    EXPECT_EQ(plain.body["usage"], json({{"type", "duration"}, {"seconds", 1}}));
    const std::string words = plain.body["text"];
    const auto as = [&](const std::string& format) {
        return form(path, {{"model", "whisper"}, {"response_format", format}, {"file", "@sound"}});
    };
    EXPECT_EQ(as("text").text, words + "\n");
    EXPECT_EQ(as("srt").text, "1\n00:00:00,000 --> 00:00:01,000\n" + words + "\n\n");
    EXPECT_EQ(as("vtt").text, "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n" + words + "\n\n");
    EXPECT_EQ(as("verbose_json").body["segments"][0]["text"], words);
    EXPECT_EQ(as("song").status, 400);
    const auto timed = form(path, {{"model", "whisper"},
                                   {"response_format", "verbose_json"},
                                   {"timestamp_granularities[]", "word"},
                                   {"file", "@sound"}});
    EXPECT_EQ(timed.body["words"].size(), 20U);
    EXPECT_EQ(form(path, {{"model", "whisper"}}).status, 400);
    EXPECT_EQ(form(path, {{"model", "none"}, {"file", "@x"}}).code(), "DeploymentNotFound");
    const auto translated = form("audio/translations", {{"model", "whisper"}, {"file", "@x"}});
    EXPECT_EQ(translated.status, 200);
}

TEST_F(answers_media, newer_models_count_tokens_and_stream) {
    const std::string path = "/openai/deployments/gpt-4o-transcribe/audio/transcriptions?api-version=2024-10-21";
    EXPECT_EQ(form(path, {{"file", "@x"}}).body["usage"]["type"], "tokens");
    EXPECT_EQ(form(path, {{"file", "@x"}, {"response_format", "srt"}}).code(), "unsupported_value");
    const auto all = events(form(path, {{"file", "@x"}, {"stream", "true"}}));
    std::string said;
    for (const auto& e : all) said += string_or(e, "delta", "");
    EXPECT_EQ(all.back()["type"], "transcript.text.done");
    EXPECT_EQ(all.back()["text"], said);
    EXPECT_GT(all.back()["usage"]["output_tokens"], 0);
}

TEST_F(answers_media, speech_is_sound_or_events) {
    json body{{"model", "chat"}, {"input", "hi"}, {"voice", "alloy"}, {"response_format", "wav"}};
    EXPECT_EQ(post("audio/speech", body).whole.content_type, "audio/wav");
    body["stream_format"] = "sse";
    const auto all = events(post("audio/speech", body));
    EXPECT_EQ(all.front()["type"], "speech.audio.delta");
    EXPECT_EQ(all.back()["type"], "speech.audio.done");
}

TEST_F(answers_media, images_are_links_or_bytes_as_the_model_has_them) {
    json body{{"model", "dall-e-3"}, {"prompt", "a lock"}};
    EXPECT_TRUE(post("images/generations", body).body["data"][0].contains("url"));
    body["model"] = "gpt-image-1";
    const json newer = post("images/generations", body).body;
    EXPECT_TRUE(newer["data"][0].contains("b64_json"));
    EXPECT_GT(newer["usage"]["output_tokens"], 0);
    const auto edited =
        form("images/edits", {{"image[]", "@1"}, {"image[]", "@2"}, {"prompt", "x"}, {"model", "gpt-image-1"}});
    EXPECT_EQ(edited.body["usage"]["input_tokens_details"]["image_tokens"], 544);
    EXPECT_EQ(form("images/edits", {{"prompt", "x"}, {"model", "gpt-image-1"}}).status, 400);
    EXPECT_EQ(form("images/variations", {{"image", "@1"}, {"n", "2"}, {"model", "dall-e-3"}}).body["data"].size(),
              2U);
}

TEST_F(answers_media, images_come_in_parts_when_they_are_streamed) {
    const auto all = events(form(
        "images/edits",
        {{"stream", "true"}, {"partial_images", "2"}, {"image", "@1"}, {"prompt", "x"}, {"model", "gpt-image-1"}}));
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[1]["type"], "image_edit.partial_image");
    EXPECT_EQ(all[1]["partial_image_index"], 1);
    EXPECT_EQ(all[2]["type"], "image_edit.completed");
    EXPECT_GT(all[2]["usage"]["total_tokens"], 0);
}

}  // namespace spillway::sim::answers_media_test
