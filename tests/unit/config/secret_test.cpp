#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <spillway/config/schema.hpp>

#include "support.hpp"

namespace spillway::config {
namespace {

TEST(secret, never_shows_itself) {
    std::ostringstream out;
    out << secret_ref::literal("hidden") << secret_ref::env("NAME", "fallback") << secret_ref::file("/p");
    EXPECT_EQ(out.str().find("hidden"), std::string::npos);
    EXPECT_EQ(out.str().find("fallback"), std::string::npos);
    EXPECT_EQ(secret_ref::file("/p").describe(), "file:/p");
}

TEST(secret, comes_from_text_environment_and_file) {
    const auto env = table({{"SET", "from-env"}, {"EMPTY", ""}});
    EXPECT_EQ(resolve(secret_ref::literal("x"), env).value(), "x");
    EXPECT_EQ(resolve(secret_ref::env("SET"), env).value(), "from-env");
    EXPECT_EQ(resolve(secret_ref::env("UNSET", "other"), env).value(), "other");
    EXPECT_EQ(resolve(secret_ref::env("UNSET"), env).error().code, "secret_unset");
    EXPECT_EQ(resolve(secret_ref::env("EMPTY"), env).error().code, "secret_empty");
    const std::string path = ::testing::TempDir() + "spillway_secret";
    std::ofstream(path) << "from-file\n";
    EXPECT_EQ(resolve(secret_ref::file(path)).value(), "from-file");
    EXPECT_EQ(resolve(secret_ref::env("F"), table({{"F", "file:" + path}})).value(), "from-file");
    EXPECT_EQ(resolve(secret_ref::file(path + "_not")).error().code, "secret_unreadable");
    std::remove(path.c_str());
}

TEST(secret, a_byte_order_mark_is_no_part_of_it_and_utf_16_is_told) {
    const std::string path = ::testing::TempDir() + "spillway_marked_secret";
    std::ofstream(path, std::ios::binary) << "\xEF\xBB\xBFkey\r\n";
    EXPECT_EQ(resolve(secret_ref::file(path)).value(), "key");
    std::ofstream(path, std::ios::binary) << std::string("\xFF\xFEk\0e\0y\0", 8);
    const auto wide = resolve(secret_ref::file(path));
    ASSERT_FALSE(wide);
    EXPECT_EQ(wide.error().code, "secret_unusable");
    EXPECT_NE(wide.error().message.find("UTF-16"), std::string::npos);
    std::remove(path.c_str());
}

TEST(secret, of_one_line_has_no_control_character_and_of_a_field_nothing_that_a_head_cannot_carry) {
    struct one {
        std::string value;
        bool line, field;
    };
    for (const auto& [value, line, field] :
         {one{"key", true, true}, one{"a key", true, true}, one{"two\nlines", false, false},
          one{"abc\r\nX-Evil: 1", false, false}, one{"abc\x01", false, false}, one{"tab\there", false, false},
          one{"abc ", true, false}, one{" abc", true, false}, one{"p\xC3\xA4ss", true, false}}) {
        EXPECT_EQ(resolve_line(secret_ref::literal(value)).has_value(), line) << value;
        const auto r = resolve_field(secret_ref::literal(value));
        EXPECT_EQ(r.has_value(), field) << value;
        if (!r) {
            EXPECT_EQ(r.error().code, "secret_unusable");
            EXPECT_EQ(r.error().message.find(value), std::string::npos);
        }
    }
}

std::string file_of_the_project(const std::string& name) {
    std::ifstream in(std::filesystem::path(SPILLWAY_SOURCE_DIR) / name);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

TEST(reference, is_what_the_loader_reads) {
    EXPECT_EQ(file_of_the_project("docs/configuration.md"), reference_markdown())
        << "run: build/release/spillway reference > docs/configuration.md";
}

TEST(schema, is_what_the_loader_reads) {
    EXPECT_EQ(file_of_the_project("config/schema.json"), json_schema())
        << "run: build/release/spillway schema > config/schema.json";
}

TEST(examples, are_good) {
    const auto env = [](std::string_view name) -> std::optional<std::string> {
        if (name.ends_with("_HASH")) {
            const char digit = name.starts_with("SHOP") ? '1' : '2';
            return "sha256:" + std::string(64, digit);
        }
        return "value";
    };
    static constexpr std::string_view operations[] = {"chat", "embeddings", "responses"},
                                      balancers[] = {"weighted_random", "least_outstanding"};
    for (const auto* name : {"config/spillway.yaml", "config/demo.yaml"}) {
        const auto r =
            check_text(file_of_the_project(name), name, {operations, test_groups, balancers, test_stores}, env);
        EXPECT_TRUE(r) << told(r);
        EXPECT_EQ(told(r), "") << name;
    }
}

}  // namespace
}  // namespace spillway::config
