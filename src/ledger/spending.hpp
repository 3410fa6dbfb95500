#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>
#include <spillway/core/usage_record.hpp>
#include <spillway/ledger/ledger.hpp>

namespace spillway::ledger {

// Sums of a client in a pool for one calendar period.
struct period_sum {
    config::period kind{config::period::day};
    std::int32_t begin_day{0};  // days since 1970
    spent sum;
};

// What clients spent, by pool and period. Made for millions of additions and a look once a second.
class spending {
public:
    void add(const core::usage_record& r);
    void add(std::string_view client, std::string_view pool, const period_sum& s);
    void add(const spending& other);
    // Records and sums that told what cannot be, and count as nothing.
    std::uint64_t impossible() const noexcept { return impossible_; }
    // Periods that ended before `now` are of no use any more.
    void forget_before(wall_time now);
    // By "<client>|<pool>|<period key>", of the periods that contain `now`.
    std::map<std::string, spent> running(wall_time now) const;

    void for_each(
        const std::function<void(std::string_view client, std::string_view pool, const period_sum&)>& f) const;
    std::size_t size() const noexcept { return by_who_.size(); }

private:
    struct who_view {
        std::string_view client, pool;
    };
    struct who {
        std::string client, pool;
        operator who_view() const noexcept { return {client, pool}; }
    };
    struct hash {
        using is_transparent = void;
        std::size_t operator()(who_view w) const noexcept {
            return std::hash<std::string_view>{}(w.client) * 31 + std::hash<std::string_view>{}(w.pool);
        }
    };
    struct same {
        using is_transparent = void;
        bool operator()(who_view a, who_view b) const noexcept { return a.client == b.client && a.pool == b.pool; }
    };
    using sums = std::vector<period_sum>;

    // Entries added to lately, found without the map. Not copied or moved along, for it points into its own map.
    struct latest {
        std::array<std::pair<const who, sums>*, 256> places{};
        latest() = default;
        latest(const latest&) noexcept {}
        latest(latest&& o) noexcept { o.places = {}; }
        latest& operator=(const latest&) noexcept {
            places = {};
            return *this;
        }
        latest& operator=(latest&& o) noexcept {
            places = o.places = {};
            return *this;
        }
        ~latest() = default;
    };

    sums& of(std::string_view client, std::string_view pool);
    static void add(sums& to, const period_sum& s);

    std::unordered_map<who, sums, hash, same> by_who_;
    std::uint64_t impossible_{0};
    latest latest_;
    std::int32_t day_{-1}, week_{0}, month_{0};  // of the record before, most often of the next one too
};

}  // namespace spillway::ledger
