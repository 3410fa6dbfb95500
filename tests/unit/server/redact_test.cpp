#include <spillway/server/redact.hpp>

#include <gtest/gtest.h>

namespace spillway::server {
namespace {

redactor with(std::vector<std::string> patterns, std::vector<std::string> fields = {}) {
    config::capture from;
    from.redact = std::move(patterns);
    from.redact_fields = std::move(fields);
    return std::move(*redactor::make(from));
}

TEST(redactor, replaces_what_matches) {
    const auto r = with({R"(\b[\w.]+@[\w.]+\.\w+\b)", "sk-[a-z]+"});
    EXPECT_EQ(r.apply("ask a.b@c.example or d@e.example with sk-abc."),
              "ask [redacted] or [redacted] with [redacted].");
    EXPECT_EQ(r.apply("nothing here"), "nothing here");
    EXPECT_EQ(r.apply(""), "");
}

TEST(redactor, finds_matches_wherever_they_begin) {
    const auto r = with({"X+"});
    for (std::size_t at : {0, 1, 510, 511, 512, 513, 514, 1024, 1025, 1026, 3000}) {
        const std::string front(at, '.');
        EXPECT_EQ(r.apply(front + "XXX" + "..."), front + "[redacted]...") << at;
        EXPECT_EQ(r.apply(front + "X"), front + "[redacted]") << at;
    }
    std::string umlauts, wanted;
    for (int i = 0; i < 2000; ++i)
        umlauts += i % 700 == 699 ? "X" : "\xC3\xA4", wanted += i % 700 == 699 ? "[redacted]" : "\xC3\xA4";
    EXPECT_EQ(r.apply(umlauts), wanted);
}

TEST(redactor, looks_at_characters_and_survives_what_is_none) {
    const auto r = with({"[\xC3\xA4\xC3\xB6]+"});
    EXPECT_EQ(r.apply("k\xC3\xA4\xC3\xB6\xC3\xBC\xFFx\xC3"), "k[redacted]\xC3\xBC\xEF\xBF\xBDx\xEF\xBF\xBD");
}

TEST(redactor, a_pattern_that_matches_nothing_of_length_changes_nothing) {
    EXPECT_EQ(with({"x*"}).apply("axxb\xC3\xA4"), "a[redacted]b\xC3\xA4");
    EXPECT_EQ(with({"^"}).apply("ab"), "ab");
    EXPECT_EQ(with({"$"}).apply(std::string(2000, 'a')), std::string(2000, 'a'));
}

TEST(redactor, a_bad_pattern_is_named_with_its_place) {
    config::capture from;
    from.redact = {"good", "a(b"};
    const auto r = redactor::make(from);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, "capture_pattern");
    EXPECT_NE(r.error().message.find("'a(b' breaks at character 4"), std::string::npos) << r.error().message;
    for (const auto& bad : {std::string("\\C"), std::string(5000, 'a'), std::string("\xFF"), std::string("[")}) {
        from.redact = {bad};
        EXPECT_FALSE(redactor::make(from)) << bad.substr(0, 10);
    }
}

// None of these matches before the last character, and each tries a number of ways that grows with the text.
TEST(redactor, hostile_text_costs_a_bounded_time_and_is_not_kept) {
    const std::string hostile = std::string(500'000, 'a') + "!";
    for (const auto pattern : {"(a+)+$", "(a|aa)+$", "(a*)*[bc]", "((a?)+)+[bc]", "(.*)*x?\\1[bc]"}) {
        const auto r = with({pattern});
        const auto begin = clock::now();
        const bool hidden = r.apply(hostile) == "[redacted]";
        EXPECT_TRUE(hidden) << pattern;
        EXPECT_LT(clock::now() - begin, redactor::patience + seconds(2)) << pattern;
    }
}

// Every single place is cheap enough here; the sum is not.
TEST(redactor, many_cheap_places_are_bounded_by_time) {
    std::string text;
    for (int i = 0; i < 200'000; ++i) text += "aaaaaaaaa!";
    const auto begin = clock::now();
    const bool hidden = with({"(a+)+$"}).apply(text) == "[redacted]";
    EXPECT_TRUE(hidden);
    EXPECT_LT(clock::now() - begin, redactor::patience + seconds(2));
}

TEST(redactor, a_greedy_pattern_on_a_long_line_is_no_hostility) {
    const std::string line = "bar foo" + std::string(64 * 1024, 'x') + "r";
    const bool kept = with({"foo.*bar"}).apply(line) == line;
    EXPECT_TRUE(kept);
    EXPECT_EQ(with({"foo.*bar"}).apply(line + "foobar" + line), "bar [redacted] " + line.substr(4));
}

TEST(redactor, an_ordinary_text_is_searched_in_the_time_there_is) {
    std::string text;
    while (text.size() < 256 * 1024) text += "an ordinary line of text without an address in it\n";
    const bool kept = with({"[\\w.]+@[\\w.]+", "sk-[a-z]{20}"}).apply(text) == text;
    EXPECT_TRUE(kept);
}

TEST(redactor, look_around_sees_the_whole_text) {
    EXPECT_EQ(with({"(?<=key )\\w+"}).apply("key abc key def"), "key [redacted] key [redacted]");
    EXPECT_EQ(with({"key \\K\\w+"}).apply("key abc"), "key [redacted]");
}

TEST(redact_members, takes_texts_out_at_any_depth) {
    const auto r = with({}, {"user", "content"});
    EXPECT_EQ(
        r.apply(R"({"user":"me","model":"user","a":[{"content" : "x \" y"},{"b":{"content":"z"}}]})"),
        R"({"user":"[redacted]","model":"user","a":[{"content" : "[redacted]"},{"b":{"content":"[redacted]"}}]})");
}

TEST(redact_members, takes_everything_out_of_objects_and_arrays) {
    const auto r = with({}, {"content"});
    EXPECT_EQ(r.apply(R"({"content":[{"type":"text","n":-1.5e3,"t":true,"in":["a",2]}],"after":"kept","n":7})"),
              R"({"content":[{"type":"[redacted]","n":"[redacted]","t":true,"in":["[redacted]","[redacted]"]}],)"
              R"("after":"kept","n":7})");
    EXPECT_EQ(r.apply(R"({"content":12345,"n":null,"content":null})"),
              R"({"content":"[redacted]","n":null,"content":null})");
}

TEST(redact_members, a_name_counts_however_it_is_spelled) {
    EXPECT_EQ(with({}, {"user"}).apply(R"({"u\u0073er":"me","users":"we","User":"I"})"),
              R"({"u\u0073er":"[redacted]","users":"we","User":"I"})");
}

TEST(redact_members, works_on_what_was_cut_off) {
    const auto r = with({}, {"content"});
    const std::string whole = R"({"a":"b","content":"secret","c":[{"content":{"x":"secret"}}]})";
    for (std::size_t n = 0; n <= whole.size(); ++n) {
        const auto out = r.apply(whole.substr(0, n));
        EXPECT_EQ(out.find("sec"), std::string::npos) << out;
    }
    EXPECT_EQ(r.apply(R"({"content":"secr)"), R"({"content":"[redacted]")");
    EXPECT_EQ(r.apply(R"({"content":"a\)"), R"({"content":"[redacted]")");
}

TEST(redact_members, works_on_events_and_after_a_stray_quote) {
    EXPECT_EQ(with({}, {"content"})
                  .apply(": a 5\" disk\ndata: {\"delta\":{\"content\":\"hi\"}}\n\n"
                         "data: {\"delta\":{\"content\":\"ho\"},\"x\":\"y\"}\n\ndata: [DONE]\n\n"),
              ": a 5\" disk\ndata: {\"delta\":{\"content\":\"[redacted]\"}}\n\n"
              "data: {\"delta\":{\"content\":\"[redacted]\"},\"x\":\"y\"}\n\ndata: [DONE]\n\n");
}

TEST(redact_members, broken_json_inside_a_value_ends_the_text) {
    EXPECT_EQ(with({}, {"content"}).apply("{\"content\":\"sec\nret\",\"a\":\"b\"}"), R"({"content":"[redacted]")");
}

TEST(redact_members, deep_nesting_costs_no_stack) {
    const std::string deep = R"({"content":)" + std::string(1'000'000, '[') + "\"x\"";
    EXPECT_EQ(with({}, {"content"}).apply(deep).find("\"x\""), std::string::npos);
}

}  // namespace
}  // namespace spillway::server
