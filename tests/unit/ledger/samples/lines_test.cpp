#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include <spillway/ledger/store_forms.hpp>

#include "../../../../src/ledger/store.hpp"
#include "../../../../src/ledger/usage_report.hpp"
#include "../record_kit.hpp"

namespace spillway::ledger {

result<std::unique_ptr<usage_store>> open_lines(const std::string& url, const std::string& password);
result<std::unique_ptr<usage_reader>> read_lines(const std::string& url, const std::string& password);

namespace {

struct row {
    std::string_view prefix;
    result<std::unique_ptr<usage_store>> (*open)(const std::string& url, const std::string& password);
    result<std::unique_ptr<usage_reader>> (*read)(const std::string& url, const std::string& password);
};

// The table as it is once the documentation's line stands in it.
constexpr row table[] = {
#define SPILLWAY_STORE(prefix, example, takes_password, name) {prefix, &open_##name, &read_##name},
#include "../../../../src/ledger/stores.inc"
    SPILLWAY_STORE("lines:", "lines:/path", false, lines)
#undef SPILLWAY_STORE
};

std::vector<std::string> lines_in(const std::string& path) {
    std::ifstream in(path);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
}

TEST(sample_store, is_one_line_of_the_table) {
    ASSERT_EQ(std::size(table), store_forms().size() + 1);
    for (std::size_t i = 0; i < store_forms().size(); ++i) EXPECT_EQ(table[i].prefix, store_forms()[i].prefix);
    EXPECT_FALSE(read_lines("lines:/x", ""));
}

TEST(sample_store, keeps_each_record_once_over_restarts) {
    const temporary_folder folder;
    const std::string path = folder / "usage.jsonl";
    const std::vector<core::usage_record> records{record_of(1), record_of(2), record_of(3)};
    for (std::size_t round = 0; round < 2; ++round) {
        auto store = *open_lines("lines:" + path, "");
        EXPECT_FALSE(store->write(std::span(records).first(2)));
        EXPECT_FALSE(store->write(records));
        EXPECT_FALSE(store->try_out(record_of(9)));
        EXPECT_FALSE(store->settle());
        EXPECT_EQ(*store->compact(wall_clock::now(), {}), false);
        EXPECT_EQ(lines_in(path).size(), 3U) << "round " << round;
    }
    EXPECT_NE(lines_in(path)[0].find(R"("client":"chat","model":"gpt-4o-2024-11-20","tokens":111)"),
              std::string::npos)
        << lines_in(path)[0];
}

TEST(sample_store, tells_where_it_cannot_write) {
    const auto store = open_lines("lines:/nowhere/usage.jsonl", "");
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, store_away);
    EXPECT_TRUE(store.error().message.starts_with("/nowhere/usage.jsonl: "));
}

}  // namespace
}  // namespace spillway::ledger
