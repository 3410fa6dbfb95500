#include <gtest/gtest.h>

#include <string>

#include "../../../src/http/bytes.hpp"

namespace spillway::http::bytes {
namespace {

TEST(find_text, finds_what_a_plain_search_finds_at_every_place) {
    const std::string_view name = "\"usage\"";
    for (std::size_t size = 0; size < 80; ++size) {
        const std::string blank(size, '"');
        EXPECT_EQ(find_text(blank, name), std::string_view::npos) << size;
        for (std::size_t at = 0; at + name.size() <= size; ++at) {
            std::string text(size, 'u');
            // A false start before, and another one behind.
            if (at >= 2) text.replace(at - 2, 2, "\"u");
            text.replace(at, name.size(), name);
            EXPECT_EQ(find_text(text, name), text.find(name)) << size << " " << at;
            EXPECT_EQ(find_text(text.substr(0, at + name.size() - 1), name), std::string_view::npos);
        }
    }
}

}  // namespace
}  // namespace spillway::http::bytes
