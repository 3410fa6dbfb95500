#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace spillway {
namespace {

std::string file_of_the_project(const std::string& name) {
    std::ifstream in(std::filesystem::path(SPILLWAY_SOURCE_DIR) / name);
    EXPECT_TRUE(in) << name;
    return {std::istreambuf_iterator<char>(in), {}};
}

// What docs/extending.md shows is code that the tests compile.
TEST(extending, the_page_quotes_its_samples_word_for_word) {
    const std::string page = file_of_the_project("docs/extending.md");
    const std::string mark = "<!-- from ", open = "```cpp\n", close = "```\n";
    std::size_t quotes = 0, blocks = 0;
    for (auto at = page.find(open); at != std::string::npos; at = page.find(open, at + 1)) ++blocks;
    for (auto at = page.find(mark); at != std::string::npos; at = page.find(mark, at + 1), ++quotes) {
        const auto name_at = at + mark.size();
        const auto name = page.substr(name_at, page.find(' ', name_at) - name_at);
        const auto begin = page.find(open, at) + open.size();
        const auto quoted = page.substr(begin, page.find(close, begin) - begin);
        EXPECT_NE(file_of_the_project(name).find(quoted), std::string::npos) << name << " does not hold:\n" << quoted;
    }
    EXPECT_EQ(quotes, blocks) << "a block of C++ without its source";
    EXPECT_GE(quotes, 7U);
}

}  // namespace
}  // namespace spillway
