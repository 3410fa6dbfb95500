#include <gtest/gtest.h>

#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include <spillway/base/random.hpp>
#include <spillway/http/id_walker.hpp>
#include <spillway/http/usage_filter.hpp>

namespace spillway::http {
namespace id_walker_test {

constexpr id_member members[] = {
    {"id"}, {"item_id"}, {"data"}, {"item"}, {"file_ids"}, {"metadata", true}, {"encrypted_content", false, true},
};
constexpr id_table table(members);
enum member : int { id, item_id, data, item, file_ids, metadata, encrypted };

// Remembers what it is told; puts something in where it is asked to.
struct listener final : id_visitor {
    std::string told, insertion;
    bool inserts{true};
    std::string_view on_string(int m, int parent, unsigned depth, std::string_view value) override {
        told += std::to_string(m) + '/' + std::to_string(parent) + '/' + std::to_string(depth) + ' ' +
                std::string(value) + '\n';
        if (!inserts || value.starts_with("no")) return {};
        insertion = table[m].prefix ? "<" + std::to_string(value.size()) + '>' : "+" + std::to_string(m);
        return insertion;
    }
};

struct walked {
    std::string out, told;
    bool deep{false};
    bool operator==(const walked&) const = default;
};
void PrintTo(const walked& w, std::ostream* os) { *os << w.out << '\n' << w.told << w.deep; }

template <class Step>
walked walk_in_steps(id_walker::form form, std::string_view all, Step step, bool inserts = true) {
    listener l;
    l.inserts = inserts;
    id_walker w(form, table, l);
    walked r;
    const auto out = [&](std::string_view s) { r.out.append(s); };
    for (std::size_t i = 0, n = 0; i < all.size(); i += n) {
        n = step(i);
        w.feed(all.substr(i, n), out);
    }
    w.finish(out);
    EXPECT_FALSE(w.holds());
    r.told = l.told;
    r.deep = w.too_deep();
    return r;
}

// Walked in one piece, and checked to be the same in every other split.
walked walk(id_walker::form form, std::string_view all) {
    const walked whole = walk_in_steps(form, all, [&](std::size_t) { return all.size(); });
    for (std::size_t cut = 1; cut < all.size(); ++cut)
        EXPECT_EQ(walk_in_steps(form, all, [&](std::size_t i) { return i == 0 ? cut : all.size(); }), whole) << cut;
    for (std::size_t size = 1; size < 70; ++size)
        EXPECT_EQ(walk_in_steps(form, all, [&](std::size_t) { return size; }), whole) << size;
    EXPECT_EQ(walk_in_steps(
                  form, all, [](std::size_t i) { return 1 + i % 5; }, false)
                  .out,
              all);
    return whole;
}
walked json(std::string_view all) { return walk(id_walker::form::json, all); }
walked sse(std::string_view all) { return walk(id_walker::form::sse, all); }

std::string with_line_ends(std::string text, std::string_view end) {
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += end.size())
        text.replace(at, 1, end);
    return text;
}

TEST(id_walker, lengthens_strings_at_the_members_of_its_table) {
    const auto r =
        json(R"({"id":"resp_1","object":"response","item":{"id" : "msg_1","x":["id"]},"n":[{"item_id":"a"}]})");
    EXPECT_EQ(
        r.out,
        R"({"id":"resp_1+0","object":"response","item":{"id" : "msg_1+0","x":["id"]},"n":[{"item_id":"a+1"}]})");
    EXPECT_EQ(r.told, "0/-1/1 resp_1\n0/3/2 msg_1\n1/-1/2 a\n");
}

TEST(id_walker, tells_the_parent_through_arrays) {
    const auto r = json(
        R"({"data":[{"id":"a"},[{"id":"b"}],{"q":{"id":"c"}}],"file_ids":["d",["e"],{"id":"f"},"no"],"id":"g"})");
    EXPECT_EQ(r.told, "0/2/2 a\n0/2/2 b\n0/-1/3 c\n4/-1/1 d\n4/-1/1 e\n0/4/2 f\n4/-1/1 no\n0/-1/1 g\n");
    EXPECT_EQ(json(R"([{"id":"a"},"id"])").told, "0/-1/1 a\n");
    EXPECT_EQ(json(R"("id")").told, "");
}

TEST(id_walker, nothing_inside_of_an_opaque_member_is_told) {
    const auto r =
        json(R"({"metadata":{"id":"a","x":[{"item":{"id":"b"}}]},"id":"c","item":{"metadata":"d","id":"e"},)"
             R"("data":[{"metadata":["f",{"id":"g"}],"id":"h"}]})");
    EXPECT_EQ(r.told, "0/-1/1 c\n0/3/2 e\n0/2/2 h\n");
}

TEST(id_walker, values_with_escapes_are_not_told_but_names_with_escapes_count) {
    const auto r =
        json(R"({"id":"a\"b","i\u0064":"c","\u0069\u0064":"d","item_id":"e\\","id\n":"f","id":"\u0061","":"g"})");
    EXPECT_EQ(r.told, "0/-1/1 c\n0/-1/1 d\n");
}

TEST(id_walker, long_values_are_not_told) {
    const std::string at_most(512, 'x'), longer(513, 'x');
    const std::string text =
        R"({"id":")" + at_most + R"(","item_id":")" + longer + R"(",")" + longer + R"(":"a","id":"","data":"b"})";
    EXPECT_EQ(walk_in_steps(id_walker::form::json, text, [](std::size_t) { return std::size_t{7}; }).told,
              "0/-1/1 " + at_most + "\n0/-1/1 \n2/-1/1 b\n");
    EXPECT_EQ(walk_in_steps(id_walker::form::json, text, [](std::size_t) { return std::size_t{9000}; }).told,
              "0/-1/1 " + at_most + "\n0/-1/1 \n2/-1/1 b\n");
}

TEST(id_walker, a_prefix_stands_in_front_and_asks_for_the_head_alone) {
    for (const std::size_t size : {0U, 1U, 63U, 64U, 65U, 130U}) {
        const std::string blob(size, 'g');
        const auto r = json(R"({"item":{"encrypted_content":")" + blob + R"(","id":"a"}})");
        const auto head = blob.substr(0, 64);
        EXPECT_EQ(r.out, R"({"item":{"encrypted_content":"<)" + std::to_string(head.size()) + '>' + blob +
                             R"(","id":"a+0"}})");
        EXPECT_EQ(r.told, "6/3/2 " + head + "\n0/3/2 a\n");
    }
    EXPECT_EQ(json(R"({"encrypted_content":"ab\n","id":"c"})").out, R"({"encrypted_content":"ab\n","id":"c+0"})");
    EXPECT_EQ(json(R"({"encrypted_content":null,"id":"c"})").told, "0/-1/1 c\n");
    EXPECT_EQ(json(R"({"encrypted_content":"ab)").out, R"({"encrypted_content":"ab)");
    EXPECT_EQ(json("{\"encrypted_content\":\"ab\ncd\",\"id\":\"e\"}").told, "");
    const std::string late = std::string(64, 'x') + "\\n";
    EXPECT_EQ(json(R"({"encrypted_content":")" + late + "\"}").out, R"({"encrypted_content":"<64>)" + late + "\"}");
}

TEST(id_walker, holds_no_more_than_a_head) {
    listener l;
    id_walker w(id_walker::form::json, table, l);
    std::string out;
    const auto take = [&](std::string_view s) { out += s; };
    w.feed(R"({"id":"abc)", take);
    EXPECT_FALSE(w.holds());
    EXPECT_EQ(out, R"({"id":"abc)") << "a suffix needs no delay";
    w.feed(R"(","encrypted_content":")", take);
    EXPECT_TRUE(w.holds());
    EXPECT_TRUE(out.ends_with(R"("encrypted_content":")"));
    const auto before = out;
    w.feed(std::string(63, 'x'), take);
    EXPECT_TRUE(w.holds());
    EXPECT_EQ(out, before);
    w.feed("x", take);
    EXPECT_FALSE(w.holds());
    EXPECT_EQ(out, before + "<64>" + std::string(64, 'x'));
}

TEST(id_walker, what_is_broken_passes_and_is_not_told_any_more) {
    for (const auto* text : {"",
                             "x",
                             "{",
                             "{\"id\"",
                             "{\"id\":\"a",
                             "<html id=\"a\">",
                             "{]",
                             "[}",
                             "{\"a\" \"b\"}",
                             "{\"x\":1 2,\"id\":\"a\"}",
                             "{,\"id\":\"a\"}",
                             "{\"x\":}",
                             "[1,,{\"id\":\"a\"}]",
                             "{}{\"id\":\"a\"}",
                             "{\"id\":\"a\nb\"}",
                             "{\"x\":\"\\\n\",\"id\":\"a\"}",
                             "\xEF\xBB{\"id\":\"a\"}",
                             "\xEF",
                             "{'id':\"a\"}",
                             "}{\"id\":\"a\"}"}) {
        EXPECT_EQ(json(text).out, text);
        EXPECT_EQ(json(text).told, "") << text;
    }
    EXPECT_EQ(json(R"({"id":"a","x":bad,"item_id":"b"})").told, "0/-1/1 a\n");
    EXPECT_EQ(json("\xEF\xBB\xBF{\"id\":\"a\"} \n").told, "0/-1/1 a\n");
}

TEST(id_walker, deep_values_are_passed_over) {
    const auto nested = [](std::size_t n) {
        return std::string(n, '[') + R"({"id":"a]","x":[{}]})" + std::string(n, ']');
    };
    EXPECT_EQ(json(R"({"x":)" + nested(126) + R"(,"id":"b"})").told, "0/-1/2 a]\n0/-1/1 b\n");
    EXPECT_TRUE(json(R"({"x":)" + nested(126) + R"(,"id":"b"})").deep) << "its own array lies deeper";
    const auto r = json(R"({"x":)" + nested(140) + R"(,"id":"b"})");
    EXPECT_TRUE(r.deep);
    EXPECT_EQ(r.told, "0/-1/1 b\n");
    EXPECT_FALSE(json(std::string(128, '[') + std::string(128, ']')).deep);
}

TEST(id_walker, reads_the_data_of_events) {
    const std::string text =
        ": a comment {\"id\":\"no\"}\n\nevent: response.created\ndata: {\"item\":{\"id\":\"a\"}}\n\n"
        "data:{\"id\":\"b\",\"encrypted_content\":\"c\"}\nid: {\"id\":\"x\"}\nretry: 5\n\n\n"
        "data\ndata:\ndatum: {\"id\":\"x\"}\n data: {\"id\":\"x\"}\n\ndata: [DONE]\n\n";
    for (const auto* end : {"\n", "\r\n", "\r"}) {
        const auto r = sse(with_line_ends(text, end));
        EXPECT_EQ(r.told, "0/3/2 a\n0/-1/1 b\n6/-1/1 c\n");
        auto expected = text;
        expected.replace(expected.find("\"a\""), 3, "\"a+0\"");
        expected.replace(expected.find("\"b\""), 3, "\"b+0\"");
        expected.replace(expected.find("\"c\""), 3, "\"<1>c\"");
        EXPECT_EQ(r.out, with_line_ends(expected, end));
    }
    EXPECT_EQ(sse("\xEF\xBB\xBF"
                  "data: {\"id\":\"a\"}\n\n")
                  .told,
              "0/-1/1 a\n");
    EXPECT_EQ(sse("\xEF\xBB"
                  "data: {\"id\":\"a\"}\n\n")
                  .told,
              "");
    EXPECT_EQ(sse("\n\xEF\xBB\xBF"
                  "data: {\"id\":\"a\"}\n\n")
                  .told,
              "");
}

TEST(id_walker, the_data_lines_of_an_event_are_one_text) {
    for (const auto* end : {"\n", "\r\n", "\r"}) {
        EXPECT_EQ(
            sse(with_line_ends("data: {\"item\":\nid: 4\ndata: {\"id\":\ndata:\"a\",\"n\":1\ndata: }}\n\n", end))
                .told,
            "0/3/2 a\n");
        EXPECT_EQ(
            sse(with_line_ends("data: {\"id\":\"a\ndata: b\",\"id\":\"c\"}\n\ndata: {\"id\":\"d\"}\n\n", end)).told,
            "0/-1/1 d\n");
    }
}

TEST(id_walker, a_broken_event_does_not_harm_the_next_one) {
    const std::string next = "data: {\"id\":\"z\"}\n\n";
    for (const auto* text : {"data: {\"id\":\"\n\n", "data: {\"x\":[[[\n\n", "data: {\"encrypted_content\":\"abc\n\n",
                             "data: oops\ndata: {\"id\":\"a\"}\n\n", "data: {\"metadata\":{\n\n",
                             "data: {\"x\":1\n\n", "data: {}{\"id\":\"a\"}\n\n", "data: \"\\\n\n"})
        EXPECT_EQ(sse(text + next).told, "0/-1/1 z\n") << text;
    EXPECT_EQ(sse("data: " + std::string(150, '[') + "\n\n" + next).told, "0/-1/1 z\n");
}

// A random document, with what is to become of it.
class author {
public:
    explicit author(std::uint64_t seed) : random_(seed) {}
    std::string text, expected;

    void value(int m, bool muted, int depth) {
        blank();
        const auto kind = random_.below(depth > 6 ? 4 : 7);
        if (kind == 0)
            return both(std::vector<std::string>{"1", "-2.5e+7", "true", "false", "null"}[random_.below(5)]);
        if (kind < 4) return string(m, muted || (m >= 0 && table[m].opaque));
        muted = muted || (m >= 0 && table[m].opaque);
        const bool object = kind > 4;
        both(object ? "{" : "[");
        for (std::uint32_t n = random_.below(5), i = 0; i < n; ++i) {
            if (i > 0) both(",");
            if (object) {
                const int at = static_cast<int>(random_.below(10)) - 3;
                both(at < 0 ? "\"other\"" : "\"" + std::string(table[at].name) + "\"");
                blank();
                both(":");
                value(at, muted, depth + 1);
            } else {
                value(m, muted, depth + 1);
            }
        }
        both(object ? "}" : "]");
    }

private:
    void both(const std::string& s) {
        text += s;
        expected += s;
    }
    void blank() {
        if (random_.below(4) == 0) both(" ");
    }
    void string(int m, bool muted) {
        std::string s;
        for (std::uint32_t n = random_.below(random_.below(8) == 0 ? 700 : 20), i = 0; i < n; ++i)
            s += static_cast<char>('a' + random_.below(26));
        bool escaped = false;
        if (random_.below(5) == 0)
            s.insert(random_.below(static_cast<std::uint32_t>(s.size() + 1)), "\\\""), escaped = true;
        const auto head = s.substr(0, 64);
        const bool no = s.starts_with("no");
        std::string out = s;
        if (m >= 0 && !muted && !no) {
            const bool split = head.ends_with('\\') && s.size() > 64;
            if (table[m].prefix && (head.find('\\') == std::string::npos) && !split)
                out = "<" + std::to_string(head.size()) + ">" + s;
            if (!table[m].prefix && !escaped && s.size() <= 512) out = s + "+" + std::to_string(m);
        }
        text += '"' + s + '"';
        expected += '"' + out + '"';
    }
    random_source random_;
};

TEST(id_walker, random_documents_in_random_slices) {
    random_source random(7);
    for (std::uint64_t seed = 0; seed < 1500; ++seed) {
        author a(seed);
        a.value(-1, false, 0);
        const auto slice = [&](std::size_t) { return 1 + random.below(random.below(3) == 0 ? 4 : 200); };
        ASSERT_EQ(walk_in_steps(id_walker::form::json, a.text, slice).out, a.expected) << seed;
        ASSERT_EQ(walk_in_steps(id_walker::form::json, a.text, [](std::size_t) { return std::size_t{1}; }).out,
                  a.expected);
        ASSERT_EQ(walk_in_steps(id_walker::form::json, a.text, slice, false).out, a.text);
        ASSERT_EQ(
            walk_in_steps(id_walker::form::sse, "data: " + a.text + "\n\ndata:" + a.text + "\r\n\r\n", slice).out,
            "data: " + a.expected + "\n\ndata:" + a.expected + "\r\n\r\n");
    }
}

TEST(id_walker, a_whole_body_gives_views_of_itself) {
    const std::string long_text(3000, 'y');
    const std::string body = R"({"id":"a","item":{"encrypted_content":")" + long_text +
                             R"("},"\u0069d":"b\u0063","metadata":{"id":"x"},"file_ids":["f"]})";
    std::string told;
    EXPECT_TRUE(
        for_each_id(body, table, [&](int m, int parent, unsigned depth, std::string_view value, bool escaped) {
            EXPECT_TRUE(value.data() > body.data() && value.data() + value.size() < body.data() + body.size());
            EXPECT_EQ(value.data()[-1], '"');
            told += std::to_string(m) + '/' + std::to_string(parent) + '/' + std::to_string(depth) + ' ' +
                    (value == long_text ? "long" : std::string(value)) + (escaped ? " escaped" : "") + '\n';
        }));
    EXPECT_EQ(told, "0/-1/1 a\n6/3/2 long\n0/-1/1 b\\u0063 escaped\n4/-1/1 f\n");
    const auto whole = [](std::string_view text) {
        return for_each_id(text, table, [](int, int, unsigned, std::string_view, bool) {});
    };
    for (const auto* good : {"{}", " [1] ", "7", "\"a\"", "{\"a\":[1.5e-7,{}]}"}) EXPECT_TRUE(whole(good)) << good;
    for (const auto* bad : {"", " ", "{", "{}x", "{\"a\":1", "[1,]x", "{\"a\"}", "nul l"})
        EXPECT_FALSE(whole(bad)) << bad;
    EXPECT_TRUE(whole(std::string(128, '[') + std::string(128, ']')));
    EXPECT_FALSE(whole(std::string(129, '[') + std::string(129, ']')));
}

// Beside it, what usage_filter makes of the same stream.
TEST(id_walker, tells_its_speed) {
    std::string answer = R"({"id":"chatcmpl-1","choices":[{"message":{"role":"assistant","content":")";
    while (answer.size() < 1 << 20) answer += "The quick brown fox jumps over the lazy dog.\\n";
    answer += R"("}}],"usage":{"total_tokens":7}})";
    std::string chat, responses;
    while (chat.size() < 1 << 20)
        chat += R"(data: {"choices":[{"content_filter_results":{},"delta":{"content":" word"},"finish_reason":null,)"
                R"("index":0,"logprobs":null}],"created":1764288000,"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",)"
                R"("model":"gpt-4.1-2025-04-14","object":"chat.completion.chunk","system_fingerprint":"fp_1"})"
                "\n\n";
    while (responses.size() < 1 << 20)
        responses +=
            "event: response.output_text.delta\n"
            R"(data: {"type":"response.output_text.delta","item_id":"msg_67c9fdcf37fc8190ba82116e33fb28c5",)"
            R"("output_index":0,"content_index":0,"delta":"Hi","sequence_number":5})"
            "\n\n";
    std::size_t bytes = 0;
    const auto out = [&](std::string_view s) { bytes += s.size(); };
    const auto speed = [&](const std::string& text, auto&& make) {
        constexpr int times = 20;
        const std::clock_t from = std::clock();
        for (int i = 0; i < times; ++i) {
            auto reader = make();
            for (std::size_t at = 0; at < text.size(); at += 16384)
                reader.feed(std::string_view(text).substr(at, 16384), out);
        }
        const double seconds = static_cast<double>(std::clock() - from) / CLOCKS_PER_SEC;
        return static_cast<double>(text.size()) * times / 1e6 / seconds;
    };
    struct silent final : id_visitor {
        std::string_view on_string(int, int, unsigned, std::string_view) override { return "0123456789abcdef"; }
    } visitor;
    const auto walker = [&](const std::string& text, id_walker::form form) {
        return speed(text, [&] { return id_walker(form, table, visitor); });
    };
    const auto filter = [&](const std::string& text) { return speed(text, [] { return usage_filter(); }); };
    std::cout << "answer: " << walker(answer, id_walker::form::json)
              << " MB/s, chat stream: " << walker(chat, id_walker::form::sse)
              << " MB/s (usage_filter: " << filter(chat)
              << "), responses stream: " << walker(responses, id_walker::form::sse)
              << " MB/s (usage_filter: " << filter(responses) << ")\n";
    EXPECT_GT(bytes, 0U);
}

}  // namespace id_walker_test
}  // namespace spillway::http
