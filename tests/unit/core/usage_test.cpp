#include <gtest/gtest.h>

#include <array>
#include <chrono>

#include <spillway/base/random.hpp>
#include <spillway/core/usage.hpp>

namespace spillway::core {
namespace {

token_counts counts(std::string_view json) { return parse_usage(json).value_or(token_counts{999, 999}); }

TEST(usage, reads_every_family) {
    EXPECT_EQ(counts(R"({"completion_tokens":9,"completion_tokens_details":{"accepted_prediction_tokens":1,
        "audio_tokens":2,"reasoning_tokens":3,"rejected_prediction_tokens":4},"prompt_tokens":19,
        "prompt_tokens_details":{"audio_tokens":5,"cached_tokens":6},"total_tokens":28})"),
              (token_counts{19, 9, 6, 3, 5, 2}));
    EXPECT_EQ(counts(R"({"prompt_tokens":8,"total_tokens":8})"), (token_counts{8, 0}));
    EXPECT_EQ(counts(R"({"input_tokens":36,"input_tokens_details":{"cached_tokens":10},"output_tokens":87,
        "output_tokens_details":{"reasoning_tokens":80},"total_tokens":123})"),
              (token_counts{36, 87, 10, 80}));
    EXPECT_EQ(counts(R"({"total_tokens":100,"input_tokens":50,"output_tokens":50,
        "input_tokens_details":{"text_tokens":10,"image_tokens":40}})"),
              (token_counts{50, 50}));
    EXPECT_EQ(counts(R"({"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},
        "output_tokens":45,"total_tokens":59})"),
              (token_counts{14, 45, 0, 0, 14}));
}

TEST(usage, that_tells_no_tokens_is_nothing) {
    for (const auto* json : {"", "null", "{}", "[]", "{\"prompt_tokens\":1", "{\"prompt_tokens\":1}x", "{\"a",
                             "{\"a\\", R"({"type":"duration","seconds":12})", R"({"prompt_tokens":null})",
                             R"({"x":{"prompt_tokens":4}})", R"({"prompt_tokens":"4"})"})
        EXPECT_FALSE(parse_usage(json)) << json;
}

TEST(usage, doubtful_numbers_count_as_missing) {
    EXPECT_EQ(counts(R"({"prompt_tokens":-5,"completion_tokens":7})"), (token_counts{0, 7}));
    EXPECT_EQ(counts(R"({"prompt_tokens":5,"completion_tokens":99999999999999999999999})"), (token_counts{5, 0}));
    EXPECT_EQ(counts(R"({"prompt_tokens":5,"completion_tokens":1099511627777})"), (token_counts{5, 0}));
    EXPECT_EQ(counts(R"({"prompt_tokens":5,"completion_tokens":1099511627776})"), (token_counts{5, most_tokens}));
    EXPECT_EQ(counts(R"({"prompt_tokens":5,"completion_tokens":1e400})"), (token_counts{5, 0}));
    EXPECT_EQ(counts(R"({"prompt_tokens":12.0,"completion_tokens":7.9})"), (token_counts{12, 7}));
    EXPECT_EQ(counts(R"({"prompt_tokens":1e2,"completion_tokens":7})"), (token_counts{100, 7}));
    EXPECT_EQ(counts(R"({"prompt_tokens":1,"prompt_tokens_details":null,"completion_tokens_details":[1,{"x":2}]})"),
              (token_counts{1, 0}));
}

TEST(usage, prompt_follows_from_the_total_when_it_is_missing) {
    EXPECT_EQ(counts(R"({"total_tokens":8})"), (token_counts{8, 0}));
    EXPECT_EQ(counts(R"({"total_tokens":8,"completion_tokens":3})"), (token_counts{5, 3}));
    EXPECT_EQ(counts(R"({"total_tokens":2,"completion_tokens":3})"), (token_counts{0, 3}));
}

TEST(usage, no_part_is_larger_than_its_sum) {
    EXPECT_EQ(counts(R"({"prompt_tokens":5,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":9,
        "audio_tokens":9},"completion_tokens_details":{"reasoning_tokens":9,"audio_tokens":9}})"),
              (token_counts{5, 4, 5, 4, 5, 4}));
}

TEST(usage, only_its_own_details_count) {
    EXPECT_EQ(counts(R"( { "prompt_tokens" : 5 , "prompt_tokens_details" : { "x" : {"cached_tokens":1} ,
        "cached_tokens" : 2 } , "other" : { "cached_tokens" : 3, "prompt_tokens": 4 }, "s":"\"prompt_tokens\":6" } )"),
              (token_counts{5, 0, 2}));
}

TEST(prompt_bytes, pictures_and_sounds_count_as_one_usually_costs) {
    const std::string text(1000, 'x'), picture(500'000, 'A');
    EXPECT_EQ(prompt_bytes(text), 1000U);
    const std::string with_picture = R"({"messages":[{"content":[{"image_url":{"url":"data:image/png;base64,)" +
                                     picture + R"("}},{"text":")" + text + R"("}]}]})";
    EXPECT_EQ(prompt_bytes(with_picture), with_picture.size() - picture.size() + 765 * 4);
    const std::string with_sound = R"({"input_audio":{"data":")" + picture + R"("},"x":1})";
    EXPECT_EQ(prompt_bytes(with_sound), with_sound.size() - picture.size() + 765 * 4);
    const std::string spaced = R"({"input_audio": {"format": "wav", "data" : ")" + picture + R"("}, "x": 1})";
    EXPECT_EQ(prompt_bytes(spaced), spaced.size() - picture.size() + 765 * 4);
    const std::string file = R"({"file":{"file_data": "data:application/pdf;base64,)" + picture + R"("}})";
    EXPECT_EQ(prompt_bytes(file), file.size() - picture.size() + 765 * 4);
    std::string escaped = picture;
    for (std::size_t at = 100; at < escaped.size(); at += 100) escaped.replace(at, 2, "\\/");
    const std::string of_php = R"({"url":"data:image\/png;base64,)" + escaped + R"("})";
    EXPECT_EQ(prompt_bytes(of_php), of_php.size() - picture.size() + 765 * 4);
    const std::string two = "[" + with_sound + with_picture + R"({"data":""},{"data":)" + with_sound + "}]";
    EXPECT_EQ(prompt_bytes(two), two.size() - 3 * (picture.size() - 765 * 4));
    const std::string cut = R"({"url":"data:image/png;base64,)" + picture;
    EXPECT_EQ(prompt_bytes(cut), cut.size() - picture.size() + 765 * 4);
}

TEST(prompt_bytes, a_run_with_two_marks_is_taken_once) {
    for (const std::size_t n : {6'300, 20'000, 6'000'000}) {
        const std::string body = R"({"input_audio":{"data":"data:audio/wav;base64,)" + std::string(n, 'A') + R"("}})";
        EXPECT_EQ(prompt_bytes(body), body.size() - n + 765 * 4) << n;
    }
}

TEST(prompt_bytes, in_slices_of_any_size_it_is_the_same) {
    const std::string picture(6'000, 'A');
    const std::string body = R"({"a":[{"url" : "data:image/png;base64,)" + picture + R"("},{"data": ")" + picture +
                             R"("},{"text":"\"data\" ;base64,)" + picture + R"("},{"data":"data:x;base64,)" +
                             picture + R"("},{"url":"data:image\/png;base64,AA\/A)" + picture + R"("}]})";
    const auto whole = prompt_bytes(body);
    EXPECT_LT(whole, body.size());
    for (std::size_t slice = 1; slice < 300; ++slice) {
        prompt_meter m(body);
        while (!m.go_on(slice)) {
        }
        EXPECT_EQ(m.bytes(), whole) << slice;
    }
}

TEST(prompt_bytes, text_counts_as_text_whatever_it_calls_itself) {
    std::string words;
    while (words.size() < 100'000) words += "lorem ipsum ";
    const std::string solid(100'000, 'A');
    for (const auto& body :
         {R"({"content":";base64, )" + words + R"("})", R"({"url":"data:image/png;base64,)" + words + R"("})",
          R"({"data":")" + words + R"("})", R"({"url":"data:image/png;base64,)" + solid + R"(\n"})",
          R"({"text":"data:image/png;base64,)" + solid + R"("})", R"({"text":";base64,)" + solid + R"("})",
          R"({"content":"\"data\":\"data:x;base64,)" + words + R"("})", R"({"data" "x","y":")" + solid + R"("})"})
        EXPECT_EQ(prompt_bytes(body), body.size()) << body.substr(0, 40);
}

TEST(prompt_bytes, is_never_more_than_the_body_nor_less_than_what_is_no_data) {
    random_source dice(11);
    const std::array<std::string, 9> pieces{R"("data":")",
                                            R"("data": ")",
                                            ";base64,",
                                            R"("url":"data:x;base64,)",
                                            "\"",
                                            R"("data":"data:a;base64,)",
                                            "\\/",
                                            " ",
                                            std::string(4000, 'A')};
    for (int i = 0; i < 3000; ++i) {
        std::string body;
        std::size_t runs = 0;
        for (int k = 0; k < 20; ++k) {
            const auto& piece = pieces[dice.next() % pieces.size()];
            runs += piece.size() == 4000 ? piece.size() : 0;
            body += piece;
        }
        const auto n = prompt_bytes(body);
        ASSERT_LE(n, body.size());
        ASSERT_GE(n, body.size() - runs);
    }
}

TEST(prompt_bytes, looks_at_each_byte_about_once) {
    // Marks without end, near each other and far from a quote: nothing is searched again for each.
    std::string marks;
    while (marks.size() < 8'000'000) marks += R"("data";base64,)";
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(prompt_bytes(marks), marks.size());
    EXPECT_EQ(prompt_bytes(std::string(4'000'000, ' ') + R"("data")" + std::string(4'000'000, ' ')), 8'000'006U);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
}

}  // namespace
}  // namespace spillway::core
