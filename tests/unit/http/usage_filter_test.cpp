#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include <spillway/http/usage_filter.hpp>

namespace spillway::http {
namespace {

struct result {
    std::string out;
    bool seen{false};
    bool operator==(const result&) const = default;
};
void PrintTo(const result& r, std::ostream* os) { *os << r.seen << ' ' << r.out; }

// Filtered in one piece, and checked to be the same in every other split.
std::string filtered(std::string_view all, bool seen) {
    const auto run = [&](std::size_t first, std::size_t step) {
        usage_filter f;
        result r;
        const auto out = [&](std::string_view s) { r.out.append(s); };
        f.feed(all.substr(0, first), out);
        for (std::size_t i = first; i < all.size(); i += step) f.feed(all.substr(i, step), out);
        f.finish(out);
        r.seen = f.filtered_usage_seen();
        return r;
    };
    const result whole = run(all.size(), 1);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(run(i, all.size()), whole) << "cut at " << i;
    for (std::size_t step = 1; step < 70; ++step) EXPECT_EQ(run(0, step), whole) << "steps of " << step;
    EXPECT_EQ(whole.seen, seen);
    return whole.out;
}

std::string with_line_ends(std::string text, std::string_view end) {
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += end.size())
        text.replace(at, 1, end);
    return text;
}

// Chunks as they come with the question, and as they come without.
const std::vector<std::pair<std::string, std::string>> chunks = {
    {R"({"choices":[],"model":"","prompt_filter_results":[{"prompt_index":0}]})",
     R"({"choices":[],"model":"","prompt_filter_results":[{"prompt_index":0}]})"},
    {R"({"choices":[],"model":"","prompt_filter_results":[{"prompt_index":0}],"usage":null})",
     R"({"choices":[],"model":"","prompt_filter_results":[{"prompt_index":0}]})"},
    {R"({"usage":null,"choices":[{"delta":{"content":"\"usage\":null,"}}]})",
     R"({"choices":[{"delta":{"content":"\"usage\":null,"}}]})"},
    {R"({"choices":[{"delta":{"content":"a\\"},"usage":null,"x":"usage"}] , "usage" : null , "z":{"usage":null}})",
     R"({"choices":[{"delta":{"content":"a\\"},"usage":null,"x":"usage"}] , "z":{"usage":null}})"},
    {R"({ "choices":[{"content_filter_offsets":{"check_offset":1}}] , "usage": null })",
     R"({ "choices":[{"content_filter_offsets":{"check_offset":1}}]  })"},
    {R"({"choices":[{"text":"x"}],"usage":{"total_tokens":1}})",
     R"({"choices":[{"text":"x"}],"usage":{"total_tokens":1}})"},
};

TEST(usage_filter, yields_what_the_client_would_have_got_without_the_question) {
    std::string with = ": hello\n\n", without = with;
    for (const auto& [a, b] : chunks) {
        with += "data: " + a + "\n\n";
        without += "data: " + b + "\n\n";
    }
    with +=
        "event: x\nid: 1\ndata:{\"usage\":{\"total_tokens\":[1]},\"choices\" : [ ]}\n\n: comment\n\ndata: [DONE]\n\n";
    without += ": comment\n\ndata: [DONE]\n\n";
    for (const auto* end : {"\n", "\r\n", "\r"})
        EXPECT_EQ(filtered(with_line_ends(with, end), true), with_line_ends(without, end));
}

TEST(usage_filter, usage_beside_what_would_have_come_anyway_goes_alone) {
    EXPECT_EQ(filtered("data: {\"choices\":[],\"prompt_filter_results\":[{}],\"usage\":{\"a\":1}}\n\n", true),
              "data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n");
    EXPECT_EQ(filtered("data: {\"usage\":{\"a\":1},\"choices\":[],\"error\":{\"code\":\"x\"}}\n\n", true),
              "data: {\"choices\":[],\"error\":{\"code\":\"x\"}}\n\n");
    EXPECT_EQ(
        filtered("data: {\"choices\":[],\"prompt_filter_results\":[],\"usage\":{\"a\":1},\"error\":null}\n\n", true),
        "");
}

TEST(usage_filter, a_usage_chunk_may_be_written_in_several_lines) {
    for (const auto* end : {"\n", "\r\n", "\r"}) {
        const auto lines = [&](const char* text) { return with_line_ends(text, end); };
        EXPECT_EQ(filtered(lines("data: {\"a\":1}\n\nid: 4\ndata: {\"choices\":[],\ndata:\"usage\":\nid: 5\n"
                                 "data:   {\"total_tokens\":7}}\n\ndata: [DONE]\n\n"),
                           true),
                  lines("data: {\"a\":1}\n\ndata: [DONE]\n\n"));
        EXPECT_EQ(filtered(lines("data: {\"choices\":[],\"usage\":{\ndata: \"a\":1},\ndata: "
                                 "\"prompt_filter_results\":[{}]}\n\n"),
                           true),
                  lines("data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n"));
    }
}

TEST(usage_filter, the_rest_passes_untouched) {
    for (const auto* text : {"data: {\"usage\":null,\ndata: \"a\":1}\n\n",
                             "data: x\ndata: {\"usage\":null}\n\n",
                             "data: {}\n\n\xEF\xBB\xBF"
                             "data: {\"usage\":null}\n\n",
                             "data: {\"usage\":{\"a\":1}}\n\n",
                             "data: [{\"usage\":null}]\n\n",
                             "data: {\"choices\":[],\"usage\":{\"a\":1\n\n",
                             "data: {\"choices\":[],\"usage\":{\"a\":1}",
                             "data: {\"usage\":nu",
                             "data: {\"a\\\"usage\":null}\n\n",
                             "data\n\n",
                             "data:\n\n",
                             "\n\n\n",
                             "\r\n\r\r\n",
                             "data: {\"choices\":{},\"usage\":{}}\n\n",
                             "data: {\"choices\":null,\"usage\":{}}\n\n",
                             "id: {\"usage\":null}\n\n",
                             "data: {\"usage\":\n\n",
                             "data: {\"error\":{\"message\":\"m\"}}\n\n",
                             "data: {\"usage\"\n\n",
                             "data: {\"usage\":null\n\n"})
        EXPECT_EQ(filtered(text, false), text);
    EXPECT_EQ(filtered("\xEF\xBB\xBF"
                       "data: {\"usage\":null}\n\n",
                       false),
              "\xEF\xBB\xBF"
              "data: {}\n\n");
}

TEST(usage_filter, holds_an_event_until_its_end_and_not_longer) {
    usage_filter f;
    std::string out;
    const auto keep = [&](std::string_view s) { out.append(s); };
    f.feed("data: {}\n\ndata: {\"us", keep);
    EXPECT_EQ(out, "data: {}\n\n");
    EXPECT_EQ(f.held(), 10U);
    f.feed("age\":null}\n", keep);
    EXPECT_EQ(out, "data: {}\n\n");
    f.feed("\n", keep);
    EXPECT_EQ(out, "data: {}\n\ndata: {}\n\n");
    EXPECT_EQ(f.held(), 0U);
}

TEST(usage_filter, an_event_that_lies_whole_in_the_slice_is_not_copied) {
    const std::string text = "data: {\"a\":1,\"usage\":null,\"b\":2}\n\n";
    usage_filter f;
    std::vector<std::string_view> pieces;
    f.feed(text, [&](std::string_view s) { pieces.push_back(s); });
    ASSERT_EQ(pieces.size(), 2U);
    EXPECT_EQ(pieces[0].data(), text.data());
    EXPECT_EQ(pieces[1].data() + pieces[1].size(), text.data() + text.size());
}

TEST(usage_filter, an_event_that_is_too_long_passes_in_every_split) {
    const std::string front = "data: {\"usage\":null,\"x\":\"", back = "\"}\r\n\r\n",
                      next = "data: {\"usage\":null}\n\n";
    for (const bool fits : {true, false}) {
        // A line feed at the end does not count: it may come late.
        const std::size_t room = usage_filter::longest_event + 1 - front.size() - back.size();
        const std::string event = front + std::string(room + (fits ? 0 : 1), 'x') + back;
        std::string expected = event;
        if (fits) expected.erase(expected.find("\"usage\""), 13);
        for (const std::size_t step : {event.size() - 1, std::size_t{1}, std::size_t{4096}, 2 * event.size()}) {
            usage_filter f;
            std::string out;
            std::size_t most = 0;
            for (std::size_t i = 0; i < event.size(); i += step) {
                f.feed(std::string_view(event).substr(i, step), [&](std::string_view s) { out.append(s); });
                most = std::max(most, f.held());
            }
            f.feed(next, [&](std::string_view s) { out.append(s); });
            EXPECT_TRUE(out == expected + "data: {}\n\n") << fits << ' ' << step << ' ' << out.size();
            EXPECT_LE(most, usage_filter::longest_event);
        }
    }
}

TEST(usage_filter, the_end_of_a_long_event_is_not_taken_for_an_event_of_its_own) {
    const std::string text =
        ": " + std::string(usage_filter::longest_event + 5000, 'x') + "\ndata: {\"usage\":null}\n\n";
    usage_filter f;
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 1000)
        f.feed(std::string_view(text).substr(i, 1000), [&](std::string_view s) { out.append(s); });
    EXPECT_TRUE(out == text) << out.size();
}

}  // namespace
}  // namespace spillway::http
