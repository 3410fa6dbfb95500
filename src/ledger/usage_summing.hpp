#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <spillway/ledger/usage_report.hpp>

// Adds a million records up in memory: by numbers while it goes, names come at the end.
namespace spillway::ledger {

// What many records have in common (`kinds` of sqlite_schema.hpp): texts in the order of the dimensions, labels last.
inline constexpr std::size_t kind_texts = 11, labels_text = 10;
static_assert(static_cast<std::size_t>(dimension::gateway) == labels_text - 1);

struct kind_row {
    bool known{false}, wanted{false};
    std::array<std::string, kind_texts> texts;
    std::uint32_t group{0};  // kinds that a report cannot tell apart have the same
};

bool wanted(const kind_row& k, const std::vector<usage_filter>& filters);

// Numbers of `facts`, see sqlite_schema.hpp.
inline constexpr std::uint32_t status_bits = 0xffff, outcome_bits = 0xf << 16;
constexpr std::uint32_t outcome_of(std::int64_t facts) noexcept { return (facts >> 16) & 15; }
constexpr std::uint32_t source_of(std::int64_t facts) noexcept { return (facts >> 20) & 15; }

// What a client would call a failure.
constexpr bool is_error(std::uint32_t outcome) noexcept {
    return outcome != static_cast<std::uint32_t>(core::usage_outcome::ok) &&
           outcome != static_cast<std::uint32_t>(core::usage_outcome::client_left);
}

class summing {
public:
    // `kinds` by their number; both have to outlive this.
    summing(const usage_query& q, std::vector<kind_row>& kinds);

    bool users_wanted() const noexcept { return users_wanted_; }
    // Null: not asked for.
    const kind_row* find(std::int64_t kind) const noexcept {
        if (kind < 0 || static_cast<std::size_t>(kind) >= kinds_.size()) return nullptr;
        const auto& k = kinds_[static_cast<std::size_t>(kind)];
        return k.known && k.wanted ? &k : nullptr;
    }

    // Where a record belongs, valid until the next call.
    usage_sums& cell(const kind_row& k, std::int64_t facts, std::int64_t time_us, std::string_view user);
    usage_sums& day_cell(const kind_row& k, std::uint32_t outcome, std::int64_t day);

    usage_report take() &&;

private:
    // What of a record this report tells apart.
    struct cell_key {
        std::uint32_t group{0}, facts{0}, user{0};
        std::int32_t time{0};  // hours or days since 1970
        bool whole_day{false};
        friend bool operator==(const cell_key&, const cell_key&) = default;
    };
    struct cell_hash {
        std::size_t operator()(const cell_key& k) const noexcept;
    };
    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
    };

    std::int32_t bucket(std::int64_t us) const noexcept {
        return unit_ == 0 ? 0 : static_cast<std::int32_t>(us / unit_);
    }
    std::uint32_t user_number(std::string_view user);
    usage_sums& at(const cell_key& key);
    std::vector<std::string> keys_of(const cell_key& c) const;

    const usage_query& query_;
    std::vector<kind_row>& kinds_;
    std::vector<std::vector<std::string>> groups_;
    std::uint32_t facts_{0};
    std::int64_t unit_{0};  // microseconds of a bucket; 0: times are not told apart
    bool users_wanted_{false};
    std::unordered_map<cell_key, usage_sums, cell_hash> cells_;
    cell_key last_key_;
    usage_sums* last_{nullptr};
    std::unordered_map<std::string, std::uint32_t, text_hash, std::equal_to<>> users_;
    std::vector<std::string> user_names_;
};

}  // namespace spillway::ledger
