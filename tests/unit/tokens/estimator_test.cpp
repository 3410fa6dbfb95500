#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <spillway/tokens/estimator.hpp>

#include "../../../src/tokens/merge.hpp"
#include "../../../src/tokens/split.hpp"

using namespace spillway::tokens;

namespace {

constexpr encoding both[] = {encoding::o200k, encoding::cl100k};

std::string repeated(std::string_view unit, std::size_t bytes) {
    std::string out;
    while (out.size() < bytes) out += unit;
    return out;
}

// As tiktoken's smallest form does it: look through all neighbours for each join.
std::size_t plainly_merged(const vocabulary& v, std::string_view piece) {
    std::vector<std::string> parts;
    for (const char c : piece) parts.emplace_back(1, c);
    for (;;) {
        rank best = no_rank;
        std::size_t at = 0;
        for (std::size_t i = 0; i + 1 < parts.size(); ++i)
            if (const auto r = v.find(parts[i] + parts[i + 1]); r < best) best = r, at = i;
        if (best == no_rank) return parts.size();
        parts[at] += parts[at + 1];
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
}

}  // namespace

TEST(estimator, encoding_follows_the_models_name) {
    for (const auto* model : {"gpt-4", "gpt-4-32k", "gpt-4-turbo", "gpt-4-turbo-2024-04-09", "GPT-4", "gpt-4-0613",
                              "gpt-35-turbo", "gpt-35-turbo-16k", "gpt-3.5-turbo-0125", "text-embedding-ada-002",
                              "text-embedding-3-small", "text-embedding-3-large", "davinci-002", "babbage-002",
                              "ft:gpt-4:acme::x", "ft:gpt-3.5-turbo:acme", "gpt-35-turbo-instruct"})
        EXPECT_EQ(encoding_of(model), encoding::cl100k) << model;
    for (const auto* model : {"gpt-4o", "gpt-4o-mini", "gpt-4o-2024-08-06", "chatgpt-4o-latest", "gpt-4.1",
                              "gpt-4.1-nano", "gpt-4.5-preview", "gpt-5", "gpt-5-mini", "o1", "o3-mini", "o4-mini",
                              "gpt-oss-120b", "ft:gpt-4o:acme", "", "my-deployment", "gpt-", "ft:", "gpt-40"})
        EXPECT_EQ(encoding_of(model), encoding::o200k) << model;
}

TEST(estimator, nothing_has_no_tokens) {
    for (const auto e : both) {
        EXPECT_EQ(count("", e), 0U);
        EXPECT_EQ(count_escaped("", e), 0U);
    }
}

TEST(estimator, special_tokens_are_text) { EXPECT_GT(count("<|endoftext|>", encoding::o200k), 3U); }

TEST(estimator, pieces_cover_any_text_and_counts_add_up) {
    std::mt19937 rnd(3);
    const std::string_view units[] = {"a",      "Z",  " ", "\n", "\r", "7",  "'", "s",
                                      "\u0301", "中", "ª", "!",  "/",  "\t", "😀", "ſ"};
    for (int round = 0; round < 3000; ++round) {
        std::string text;
        for (auto n = rnd() % 40; n > 0; --n) text += units[rnd() % std::size(units)];
        for (const auto e : both) {
            std::size_t tokens = 0;
            merger m(vocabulary::of(e));
            for (std::size_t at = 0; at < text.size();) {
                const auto end = piece_end(text, at, e);
                ASSERT_GT(end, at) << text;
                ASSERT_LE(end, text.size()) << text;
                tokens += m.count(std::string_view(text).substr(at, end - at));
                at = end;
            }
            EXPECT_EQ(count(text, e), tokens);
            EXPECT_LE(tokens, text.size());
        }
    }
}

// Such words count the same in one piece or two with these vocabularies, so vectors cannot show it.
TEST(estimator, contractions_end_pieces_also_with_a_long_s) {
    EXPECT_EQ(piece_end("'\u017Ft", 0, encoding::cl100k), 3U);
    EXPECT_EQ(piece_end("'\u017Ft", 0, encoding::o200k), 4U);
    EXPECT_EQ(piece_end("a'\u017Ft", 0, encoding::o200k), 4U);
    EXPECT_EQ(piece_end("a'LLx", 0, encoding::o200k), 4U);
    EXPECT_EQ(piece_end("'", 0, encoding::cl100k), 1U);
}

TEST(estimator, long_pieces_are_merged_as_short_ones_are) {
    std::mt19937 rnd(4);
    for (int round = 0; round < 200; ++round) {
        std::string piece;
        const auto letters = 1 + rnd() % 26;
        for (auto n = 2 + rnd() % 200; n > 0; --n) piece += static_cast<char>('a' + rnd() % letters);
        for (const auto e : both) {
            const auto& v = vocabulary::of(e);
            const auto expected = v.find(piece) != no_rank ? 1 : plainly_merged(v, piece);
            EXPECT_EQ(merger(v).count(piece), expected) << piece;
        }
    }
}

// The limit is a hundred times what it takes; something quadratic would take hours.
TEST(estimator, hostile_text_takes_time_in_proportion) {
    const auto begin = std::chrono::steady_clock::now();
    for (const auto* unit : {"a",      "A",       " ",  "\n", "\n ", " \t", "=",    "ªA",       "Aª",
                             "\u0301", "!\u0301", "'s", "'",  "1",   "中",  "\xff", "\xf0\x9f", "\xF0\x9F\x98\x80",
                             "ab",     "/\n",     "\0"})
        for (const auto e : both) {
            const auto text = repeated(*unit ? std::string_view(unit) : std::string_view("\0", 1), 200'000);
            const auto n = count(text, e);
            EXPECT_GT(n, 0U);
            EXPECT_LE(n, 3 * text.size());  // a broken byte becomes three
        }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::minutes(5));
}

TEST(estimator, pieces_over_the_limit_are_counted_in_parts) {
    const auto text = repeated("a", merger::longest_piece * 2 + 5);
    const auto n = count(text, encoding::o200k);
    EXPECT_NEAR(static_cast<double>(n), static_cast<double>(text.size()) / 8, 3);
}

TEST(estimator, first_calls_may_come_from_many_threads) {
    std::vector<std::size_t> counts(8);
    {
        std::vector<std::jthread> threads;
        for (auto& c : counts) threads.emplace_back([&c] { c = count("Hello, world!", encoding::cl100k); });
    }
    for (const auto c : counts) EXPECT_EQ(c, 4U);
}

TEST(estimator, escaped_text_is_decoded) {
    const auto same = [](std::string_view raw, std::string_view text) {
        EXPECT_EQ(count_escaped(raw, encoding::o200k), count(text, encoding::o200k)) << raw;
    };
    same(R"(a\nb\t\"c\"\\ \/ \b\f\r)", "a\nb\t\"c\"\\ / \b\f\r");
    same(R"(\u00e9\u4e2D)", "é中");
    same(R"(\ud83d\ude00)", "😀");
    same(R"(\ud83d)", "\uFFFD");
    same(R"(\ude00\ud83dx)", "\uFFFD\uFFFDx");
    same(R"(\ud83d\u0041)", "\uFFFDA");
    same(R"(\ud83d\ud83d\ude00)", "\uFFFD😀");
    same(R"(\u12)", R"(\u12)");
    same(R"(\uzzzz\q)", R"(\uzzzz\q)");
    same("end\\", "end\\");
}

TEST(estimator, guess_rounds_up) {
    EXPECT_EQ(guess(0), 0U);
    EXPECT_EQ(guess(1), 1U);
    EXPECT_EQ(guess(4), 1U);
    EXPECT_EQ(guess(5), 2U);
}
