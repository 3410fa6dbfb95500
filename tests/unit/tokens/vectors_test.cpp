#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <spillway/tokens/estimator.hpp>

#include "../../../src/tokens/vocabulary.hpp"

using namespace spillway::tokens;

namespace {

std::string bytes_of(const nlohmann::json& vector) {
    if (vector.contains("text")) return vector["text"];
    const std::string hex = vector["hex"];
    std::string out;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return out;
}

}  // namespace

// Made by make_vectors.py with OpenAI's own library.
TEST(vectors, every_count_is_that_of_the_reference) {
    std::ifstream in(SPILLWAY_SOURCE_DIR "/tests/unit/tokens/vectors.json");
    const auto vectors = nlohmann::json::parse(in);
    ASSERT_GT(vectors.size(), 600U);
    for (const auto& v : vectors) {
        const auto text = bytes_of(v);
        EXPECT_EQ(count(text, encoding::o200k), v["o200k"].get<std::size_t>()) << "o200k: " << v;
        EXPECT_EQ(count(text, encoding::cl100k), v["cl100k"].get<std::size_t>()) << "cl100k: " << v;
        const auto inside = nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
        EXPECT_EQ(count_escaped(std::string_view(inside).substr(1, inside.size() - 2), encoding::o200k),
                  v["o200k"].get<std::size_t>())
            << "escaped: " << v;
    }
}

TEST(vectors, the_vocabularies_are_whole) {
    const auto &o200k = vocabulary::of(encoding::o200k), &cl100k = vocabulary::of(encoding::cl100k);
    EXPECT_EQ(o200k.size(), 199998U);
    EXPECT_EQ(cl100k.size(), 100256U);
    EXPECT_EQ(o200k.checksum(), o200k.told_checksum());
    EXPECT_EQ(cl100k.checksum(), cl100k.told_checksum());
    EXPECT_EQ(o200k.token(0), "!");
    EXPECT_EQ(cl100k.token(9906), "Hello");
}

TEST(vectors, every_token_is_found_by_its_bytes_and_nothing_else_is) {
    for (const auto e : {encoding::o200k, encoding::cl100k}) {
        const auto& v = vocabulary::of(e);
        std::size_t wrong = 0;
        for (rank r = 0; r < v.size(); ++r) wrong += v.find(v.token(r)) != r;
        EXPECT_EQ(wrong, 0U);
        EXPECT_EQ(v.find(""), no_rank);
        EXPECT_EQ(v.find("xqzj"), no_rank);
        EXPECT_EQ(v.find(std::string(v.longest() + 1, ' ')), no_rank);
    }
}
