#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace spillway::http {

enum class json_kind : std::uint8_t { absent, string, number, true_value, false_value, null, object, array };

// A member of the outermost object that the caller asked for.
struct json_member {
    std::string_view name;              // as asked
    json_kind kind{json_kind::absent};  // absent: the body has no such member
    std::string_view raw;               // the value as spelled, quotes or brackets included
    std::size_t offset{0};              // of raw in the body
    bool lookalike{false};              // a name that differs in the case of letters alone is there as well

    bool present() const noexcept { return kind != json_kind::absent; }
    bool is_true() const noexcept { return kind == json_kind::true_value; }
};

// A name that the caller wants to know of at any depth, the outermost object included.
struct json_watch {
    std::string_view name;
    std::uint32_t count{0};     // how often it is there
    std::uint32_t non_null{0};  // how often with a value other than null
};

// One occurrence of a watched name.
struct json_hit {
    std::uint8_t watch{0};  // index of the watched name
    json_kind kind{json_kind::absent};
    std::uint16_t depth{0};  // 1 is the outermost object
    std::size_t offset{0};   // of the value in the body
    std::string_view raw;    // the value as spelled
};

enum class json_error : std::uint8_t {
    none,
    empty,
    byte_order_mark,
    not_an_object,
    syntax,
    unterminated,
    bad_escape,
    control_character,
    too_deep,
    trailing,
    duplicate,  // a wanted member occurs twice: readers would disagree on which counts
};
std::string_view describe(json_error e) noexcept;

// What to look for, and afterwards what was found. Small and without allocation; names must outlive it.
class json_query {
public:
    static constexpr std::size_t max_wanted = 12;
    static constexpr std::size_t max_watched = 12;

    // Index of the member; asking for more than max_wanted is a mistake of the program and is ignored (npos).
    std::size_t want(std::string_view name) noexcept;
    std::size_t watch(std::string_view name) noexcept;
    // Memory for single occurrences of the watched names; those that do not fit are only counted.
    void collect(std::span<json_hit> memory) noexcept { memory_ = memory; }

    const json_member& operator[](std::size_t wanted) const noexcept { return wanted_[wanted]; }
    const json_member* find(std::string_view name) const noexcept;  // nullptr when it was never asked for
    const json_watch& watched(std::size_t i) const noexcept { return watched_[i]; }
    std::span<const json_hit> hits() const noexcept { return memory_.first(hits_); }
    bool hits_overflowed() const noexcept { return overflowed_; }

    std::size_t open_offset() const noexcept { return open_; }    // of the outermost '{'
    std::size_t close_offset() const noexcept { return close_; }  // of the outermost '}'
    std::size_t members() const noexcept { return members_; }     // of the outermost object
    std::size_t error_offset() const noexcept { return error_; }  // where scanning stopped

private:
    friend class json_scanner;
    std::array<json_member, max_wanted> wanted_{};
    std::array<json_watch, max_watched> watched_{};
    std::span<json_hit> memory_;
    std::size_t wanted_count_{0}, watched_count_{0}, hits_{0};
    std::size_t open_{0}, close_{0}, members_{0}, error_{0};
    std::uint64_t wanted_lengths_{0}, watched_lengths_{0};  // bit n: some name has n bytes
    bool overflowed_{false};
};

inline constexpr std::size_t json_max_depth = 512;

// One pass over a complete JSON object. The grammar is checked in full (RFC 8259) except that the bytes of strings
// need not be UTF-8. Names are compared decoded, so "mod\u0065l" is "model". A query is used for one scan.
json_error scan_json_object(std::string_view body, json_query& query) noexcept;

// Decodes a string value. `raw` has its quotes. The answer is a view of `raw` when nothing is escaped, else of `out`
// (raw.size() bytes always suffice); nothing when it is no string, holds half a surrogate pair, or does not fit.
std::optional<std::string_view> decode_json_string(std::string_view raw, std::span<char> out) noexcept;

// Appends `value` as a JSON string, quotes included.
void append_json_string(std::string& out, std::string_view value);
// Appends `body` with the `length` bytes at `offset` replaced by `value`, which is JSON already.
void append_replaced(std::string& out, std::string_view body, std::size_t offset, std::size_t length,
                     std::string_view value);

}  // namespace spillway::http
