#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace spillway::http {

// Watches the JSON text of an answer pass by, in any slices, and keeps the last `"usage": { ... }` object and the
// first model's name; on request also the text that the model wrote, so that an answer without usage can be
// estimated. Serves streams (through sse_scanner) and plain bodies of any size alike, and needs no buffer of them. A
// text that merely speaks of "usage" has its quotes escaped and is not taken for one; null is not an object. What it
// finds does not depend on where the slices end.
class usage_tap {
public:
    static constexpr std::size_t capacity = 1024;   // a longer usage object is not kept
    static constexpr std::size_t model_bytes = 64;  // nor is a longer model's name

    void feed(std::string_view bytes) noexcept;
    // A text that is whole: the one before has been cut, and cut() comes next. Finds the same as feed(), and costs a
    // tenth where nothing is found, as in nearly every chunk of a stream.
    void feed_whole(std::string_view text) noexcept;
    // The JSON text ends or breaks off here (end of an SSE line): nothing may match across.
    void cut() noexcept;
    // As new: for the next answer.
    void reset() noexcept;

    // From here on the answer's text is appended to `sink` until that holds `limit` bytes: as spelled in the JSON, so
    // still escaped, one value after the other. It must outlive the last feed(). Taken are
    //  - of events without a name: `content`, `text`, `refusal` and `reasoning_content` (strings, not deeper than
    //    Azure puts an answer's own: what it cites lies deeper) and `arguments`;
    //  - of events whose name or `type` ends in ".delta": `delta`, `value` and `arguments`;
    //  - of other named events nothing: they repeat what deltas have brought. Nothing of audio either.
    void want_text(std::string* sink, std::size_t limit) noexcept;
    // The name of the event whose data comes next; empty when it has none. Holds until cut().
    void event_name(std::string_view event) noexcept;

    bool found() const noexcept { return size_ != 0; }
    // The last complete usage object, braces included; empty when none was seen.
    std::string_view json() const noexcept { return {kept_[which_].data(), size_}; }
    // The first `model` that was not empty, of the outermost object or of its `response`; as spelled, without quotes.
    std::string_view model() const noexcept { return {model_.data(), model_size_}; }
    // Of the text, also of what did not go into the sink any more.
    std::uint64_t text_bytes() const noexcept { return text_bytes_; }
    bool wants_text() const noexcept { return sink_ != nullptr; }

private:
    // Where the next byte belongs: between and in names, behind a name, to a value that is wanted.
    enum class state : std::uint8_t { search, colon, value, usage, keep, text };
    enum class name : std::uint8_t { none, usage, model, response, type, delta, value, arguments, text };
    enum class text_of : std::uint8_t { none, plain, delta };  // events

    static name classify(std::string_view s) noexcept;
    static char first_byte(name n) noexcept;  // of a value that is wanted
    bool wanted(name n, std::int32_t depth) const noexcept;
    struct scan;  // the two loops that look at every byte
    std::size_t search(std::string_view bytes, std::size_t at) noexcept;
    std::string_view string_so_far(std::string_view more) noexcept;
    void hold(std::string_view part) noexcept;
    std::size_t before_value(std::string_view bytes, std::size_t at) noexcept;
    bool begin_value() noexcept;
    std::size_t in_string(std::string_view bytes, std::size_t at) noexcept;
    std::size_t in_usage(std::string_view bytes, std::size_t at) noexcept;
    void keep_usage(std::string_view part) noexcept;
    void take_text(std::string_view part) noexcept;
    void end_of_kept() noexcept;

    std::array<std::array<char, capacity>, 2> kept_;  // the last complete one, and the one that is being copied
    std::array<char, model_bytes> model_;
    std::array<char, model_bytes> held_;  // of a string that a slice's end has cut
    std::string* sink_{nullptr};
    std::size_t limit_{0};
    std::size_t size_{0};
    std::size_t growing_{0};
    std::uint64_t text_bytes_{0};
    std::int32_t depth_{0};
    std::int32_t usage_depth_{0};
    std::uint8_t which_{0};
    std::uint8_t model_size_{0};
    std::uint8_t held_size_{0};  // model_bytes + 1: it is longer than that
    state state_{state::search};
    name name_{name::none};
    text_of text_{text_of::plain};
    bool in_string_{false};  // while searching, or inside the usage object
    bool escape_{false};     // a backslash came before
    bool response_{false};   // the outermost object's `response` has begun
};

}  // namespace spillway::http
