#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <spillway/base/json_text.hpp>
#include <spillway/http/json_places.hpp>

namespace spillway::http {

// A member of the outermost object that the caller asked for.
struct json_member {
    std::string_view name;              // as asked
    json_kind kind{json_kind::absent};  // absent: the body has no such member
    std::string_view raw;               // the value as spelled, quotes or brackets included
    std::size_t offset{0};              // of raw in the body
    // A name that a careless reader could take for this one is there as well: other case of letters, full-width
    // letters, other or no separators, characters that cannot be seen.
    bool lookalike{false};

    bool present() const noexcept { return kind != json_kind::absent; }
    bool is_true() const noexcept { return kind == json_kind::true_value; }
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
    bad_name,   // a member of the outermost object has a name with half a surrogate pair
};
std::string_view describe(json_error e) noexcept;

// What to look for, and afterwards what was found. Small and without allocation; names must outlive it.
class json_query {
public:
    static constexpr std::size_t max_wanted = 12;

    // Index of the member; asking for more than max_wanted is a mistake of the program and is ignored (npos).
    std::size_t want(std::string_view name) noexcept;
    // Tells `sink` of everything at these places, in the order of the body. Both must outlive the scan.
    void listen(const json_places& places, json_sink& sink) noexcept {
        places_ = &places;
        sink_ = &sink;
    }

    const json_member& operator[](std::size_t wanted) const noexcept { return wanted_[wanted]; }
    const json_member* find(std::string_view name) const noexcept;  // nullptr when it was never asked for

    std::size_t open_offset() const noexcept { return open_; }    // of the outermost '{'
    std::size_t close_offset() const noexcept { return close_; }  // of the outermost '}'
    std::size_t members() const noexcept { return members_; }     // of the outermost object
    std::size_t error_offset() const noexcept { return error_; }  // where scanning stopped

private:
    friend class json_scanner;
    std::array<json_member, max_wanted> wanted_{};
    const json_places* places_{nullptr};
    json_sink* sink_{nullptr};
    std::size_t wanted_count_{0};
    std::size_t open_{0}, close_{0}, members_{0}, error_{0};
    std::uint64_t wanted_lengths_{0};  // bit n: some name has n bytes
};

inline constexpr std::size_t json_max_depth = 512;

// One pass over a complete JSON object. The grammar is checked in full (RFC 8259) except that the bytes of strings
// need not be UTF-8 (utf8.hpp looks at those). Names are compared decoded, so "mod\u0065l" is "model". A query is
// used for one scan.
json_error scan_json_object(std::string_view body, json_query& query) noexcept;

// The same in slices, for bodies of megabytes: others have their turn in between. Body and query must outlive it.
class json_slices {
public:
    json_slices(std::string_view body, json_query& query);
    ~json_slices();
    json_slices(const json_slices&) = delete;
    json_slices& operator=(const json_slices&) = delete;

    // Goes on for about so many bytes; a string is read to its end. False: there is more to do.
    bool go_on(std::size_t bytes) noexcept;
    // Once go_on() was true.
    json_error result() const noexcept;

private:
    std::unique_ptr<class json_scanner> scanner_;
};

// Decodes a string value. `raw` has its quotes. The answer is a view of `raw` when nothing is escaped, else of `out`
// (raw.size() bytes always suffice); nothing when it is no string, holds half a surrogate pair, or does not fit.
std::optional<std::string_view> decode_json_string(std::string_view raw, std::span<char> out) noexcept;

using text::append_json_string;
// Appends `body` with the `length` bytes at `offset` replaced by `value`, which is JSON already.
void append_replaced(std::string& out, std::string_view body, std::size_t offset, std::size_t length,
                     std::string_view value);

}  // namespace spillway::http
