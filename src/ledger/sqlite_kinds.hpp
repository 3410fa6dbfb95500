#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <spillway/core/usage_record.hpp>

#include "sqlite_handle.hpp"

namespace spillway::ledger {

// The numbers of what many records have in common (table kinds), remembered.
class sqlite_kinds {
public:
    static result<sqlite_kinds> open(sqlite3* db);
    // Within a transaction: looks it up, or adds it.
    result<std::int64_t> number_of(const core::usage_record& r);
    // After a rollback, which takes back what was added.
    void forget() noexcept {
        numbers_.clear();
        for (auto& l : latest_) l.number = 0;
    }

    static constexpr std::size_t names = 11;

private:
    using lengths = std::array<std::uint32_t, names>;
    // The one that was last wanted of those with the same place: found without a look into the map.
    struct latest {
        std::int64_t number{0};  // 0: none
        lengths sizes{};
        std::string texts;
    };
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
    };
    sqlite_kinds(sqlite3* db, sqlite_statement find, sqlite_statement add) noexcept
        : db_(db), find_(std::move(find)), add_(std::move(add)), latest_(latest_places) {}
    result<std::int64_t> remembered(const core::usage_record& r, const lengths& sizes, std::string_view texts);
    result<std::int64_t> look_up(const core::usage_record& r);

    static constexpr std::size_t latest_places = 1024;

    sqlite3* db_;
    sqlite_statement find_, add_;
    std::unordered_map<std::string, std::int64_t, hash, std::equal_to<>> numbers_;
    std::vector<latest> latest_;
    std::string texts_, key_;
};

}  // namespace spillway::ledger
