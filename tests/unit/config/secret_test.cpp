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
        const auto r = check_text(file_of_the_project(name), name, {operations, balancers}, env);
        EXPECT_TRUE(r) << told(r);
        EXPECT_EQ(told(r), "") << name;
    }
}

}  // namespace
}  // namespace spillway::config
