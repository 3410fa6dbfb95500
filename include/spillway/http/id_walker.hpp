#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

#include <spillway/http/piece_sink.hpp>

// Ids in JSON, wherever it has them: found in passing, and lengthened in passing.
namespace spillway::http {

// A member whose strings are wanted, whatever object it stands in.
struct id_member {
    std::string_view name;
    bool opaque{false};  // nothing inside of its value is reported, nor is the value (metadata, parameters, schema)
    bool prefix{false};  // id_walker: what is put in stands in front of the value
};

// The members of a caller, made at compile time. A name counts once.
class id_table {
public:
    static constexpr std::size_t most = 64;

    template <std::size_t N>
    explicit consteval id_table(const id_member (&all)[N]) {
        static_assert(N <= most);
        first_.fill(none);
        next_.fill(none);
        for (std::size_t i = 0; i < N; ++i) {
            if (all[i].name.empty() || find(all[i].name) >= 0) throw "a name is empty or there twice";
            members_[i] = all[i];
            auto& slot = first_[slot_of(all[i].name)];
            next_[i] = slot;
            slot = static_cast<std::int8_t>(i);
        }
    }

    // Index of the member, or -1.
    constexpr int find(std::string_view name) const noexcept {
        if (name.empty()) return -1;
        int i = first_[slot_of(name)];
        while (i >= 0 && members_[static_cast<std::size_t>(i)].name != name) i = next_[static_cast<std::size_t>(i)];
        return i;
    }
    constexpr const id_member& operator[](int i) const noexcept { return members_[static_cast<std::size_t>(i)]; }

private:
    static constexpr std::int8_t none = -1;
    static constexpr std::size_t slot_of(std::string_view name) noexcept {
        return (name.size() * 7 + static_cast<unsigned char>(name.front()) * 5 +
                static_cast<unsigned char>(name.back())) %
               most;
    }
    std::array<id_member, most> members_{};
    std::array<std::int8_t, most> first_{}, next_{};
};

class id_visitor {
public:
    virtual ~id_visitor() = default;
    // A string has come at a member of the table.
    // `member`: index of the member whose value it is, or of the array that holds it. `parent`: index of the member
    // whose value, or array of values, is the object of that member; -1: none of the table. `depth`: objects around
    // it. `value`: at most id_walker::longest_value bytes without escapes, and of a `prefix` member at most the first
    // id_walker::head_bytes; other strings are not reported. Good during the call alone.
    // Gives what to put in before the closing quote, or behind the opening one (`prefix`); it is raw JSON, empty for
    // nothing, and has to live until the next call or the end of the feed.
    virtual std::string_view on_string(int member, int parent, unsigned depth, std::string_view value) = 0;
};

// Reads an answer in passing, in slices of any size, and tells of strings at the members of a table, at the closing
// quote (for `prefix` members once head_bytes are there). All bytes go on as they came, with what the visitor puts in
// between; only the head of a `prefix` string is held until it is complete. Names may be spelled with escapes.
// What is no JSON passes as well, and from there on nothing is reported; in the form sse until the next event, whose
// `data:` lines are one text. Sizes do not matter: nothing is ever collected but one name or value.
class id_walker {
public:
    enum class form : std::uint8_t { json, sse };
    static constexpr std::size_t longest_value = 512;
    static constexpr std::size_t head_bytes = 64;
    static constexpr std::size_t deepest = 128;

    // Both must outlive it.
    id_walker(form f, const id_table& table, id_visitor& visitor) noexcept
        : table_(table), visitor_(&visitor), form_(f) {}

    // Calls out(std::string_view) for what is to go on; the pieces live until it returns.
    template <class Out>
    void feed(std::string_view bytes, Out&& out) {
        run(bytes, piece_sink(out));
    }
    // The answer has ended or broken off: what is held goes on as it is.
    template <class Out>
    void finish(Out&& out) {
        flush(piece_sink(out));
    }

    // The head of a string is held: nothing may be put into the stream.
    bool holds() const noexcept { return state_ == state::text && use_ == use::head; }
    // Something lay below `deepest` containers, and was not looked at.
    bool too_deep() const noexcept { return too_deep_; }

    // As for_each_id; not for callers.
    struct whole_sink {
        void* object;
        void (*call)(void*, int member, int parent, unsigned depth, std::string_view value, bool escaped);
    };
    static bool read_whole(std::string_view body, const id_table& table, whole_sink sink);

private:
    enum class state : std::uint8_t {
        value,
        first_value,  // or the end of the array
        name,
        first_name,  // or the end of the object
        colon,
        text,    // inside a string
        scalar,  // inside a number or a word
        after,   // behind a value
        deep,    // below the deepest container
        done,    // behind the outermost value
        broken,
    };
    enum class use : std::uint8_t { skip, name, value, head };  // of a string
    enum class line_kind : std::uint8_t { unknown, data, other };
    // What its strings and objects are told to be at.
    struct level {
        std::int8_t member{-1}, parent{-1};
    };
    struct pass;  // a slice on its way through

    id_walker(const id_table& table, whole_sink sink) noexcept : table_(table), whole_(sink) {}

    void run(std::string_view bytes, piece_sink out);
    void flush(piece_sink out);

    bool take_mark(const char*& p, const char* end) noexcept;
    void line_part(const char* p, const char* end, pass& s);
    void end_line(pass& s);

    void walk(const char* p, const char* end, pass& s);
    const char* plain_members(const char* p, const char* end) noexcept;
    void token(char c, pass& s);
    void open(bool object) noexcept;
    void close(bool object, pass& s);
    void end_value() noexcept { state_ = depth_ == 0 ? state::done : state::after; }
    void break_off(pass& s);
    level place() const noexcept;
    void begin_string() noexcept;
    const char* deep_part(const char* p, const char* end) noexcept;
    const char* head_part(const char* p, const char* end, pass& s);
    const char* string_part(const char* p, const char* end, pass& s);
    void end_string(std::string_view raw, const char* quote, pass& s);
    void keep(std::string_view part) noexcept;
    int find_name(std::string_view raw) const noexcept;

    const id_table& table_;
    id_visitor* visitor_{nullptr};
    whole_sink whole_{nullptr, nullptr};
    std::array<level, deepest> levels_;  // no more than depth_ are ever read
    std::bitset<deepest> is_object_;
    std::array<char, longest_value> kept_;  // of the running string, where it came in several slices
    std::size_t kept_size_{0};
    std::size_t over_{0};  // containers open below the deepest
    std::uint8_t depth_{0}, objects_{0};
    std::uint8_t muted_{0};   // depth of the opaque container that is open
    std::int8_t member_{-1};  // the last name of the innermost object
    state state_{state::value};
    use use_{use::skip};
    bool escaped_{false}, after_backslash_{false};
    bool too_long_{false};  // the running string is longer than kept_
    bool too_deep_{false};
    std::uint8_t mark_{0};  // bytes of a byte order mark seen at the very front
    // Of the form sse.
    form form_{form::json};
    line_kind kind_{line_kind::unknown};
    std::uint8_t field_{0};  // bytes of `data:` that the running line has begun with
    bool line_empty_{true}, after_cr_{false};
};

// The same for a body that lies in memory: f(int member, int parent, unsigned depth, std::string_view value, bool
// escaped) for every string at a member of the table, of any length, as spelled between its quotes: a view of the
// body. With `escaped`, decode_json_string tells what it says. False: it is nested too deeply or is no JSON, and what
// was reported is not all. It checks no more of the grammar than it needs: scan_json_object does.
template <class F>
bool for_each_id(std::string_view body, const id_table& table, F&& f) {
    using function = std::remove_reference_t<F>;
    return id_walker::read_whole(
        body, table,
        {const_cast<void*>(static_cast<const void*>(std::addressof(f))),
         [](void* o, int member, int parent, unsigned depth, std::string_view value, bool escaped) {
             (*static_cast<function*>(o))(member, parent, depth, value, escaped);
         }});
}

}  // namespace spillway::http
