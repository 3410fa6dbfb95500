#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <spillway/http/usage_tap.hpp>

namespace spillway::http {

// Where a stream of server-sent events stands after the bytes that were fed.
enum class sse_position : std::uint8_t {
    boundary,       // between two events: a comment or an own event may be put in
    between_lines,  // a line is complete, its event is not: one empty line would end it
    inside_line,    // nothing can be put in without breaking the line
};

// What an event at the start of a stream says about the answer.
enum class event_meaning : std::uint8_t {
    nothing,    // a preamble, or a sign of life: whatever may follow
    something,  // the answer has begun, or its end is said
    error,      // the answer has failed
};

// Reads a stream of server-sent events in passing: payload slices in any split, line ends \n, \r\n and \r, lines of
// any length. Keeps only what is named below; never delays a byte.
class sse_scanner {
public:
    static constexpr std::size_t first_bytes = 1024;       // kept of the first event's data
    static constexpr std::size_t start_bytes = 64 * 1024;  // see watch_start
    static constexpr std::size_t name_bytes = 64;
    static constexpr std::size_t line_bytes = 192;  // looked at of each data line

    struct event {
        std::string_view name;  // of the `event:` line; empty when there is none
        std::string_view data;  // data lines joined by '\n', at most first_bytes
        bool truncated{false};  // there was more data
        bool complete{false};   // the event has ended
    };

    void feed(std::string_view payload) noexcept;

    sse_position position() const noexcept;
    bool at_event_boundary() const noexcept { return position() == sse_position::boundary; }

    // Complete events with data so far. Comments are no events.
    std::uint64_t events() const noexcept { return events_; }
    // The first event of the stream, as far as it has come.
    event first() const noexcept;

    // From here on each event is judged until one means something; `data` holds what the running event has brought,
    // whole up to start_bytes, and at last that of an error event. It must live until watch_start(nullptr). For a
    // stream that has not begun yet.
    void watch_start(std::string* data);
    event_meaning start() const noexcept { return start_; }

    // A terminal event has passed: [DONE], done, response.completed, .failed, .incomplete or .cancelled, the last
    // event of a picture or of sound, error, or an error object.
    bool terminal() const noexcept { return terminal_ != outcome::open; }
    // Whether a stream that is over has had its end: as terminal(), and [DONE] also where no empty line follows it.
    bool has_end_mark() const noexcept;
    // ... and it told of an error.
    bool terminal_is_error() const noexcept { return terminal_ == outcome::error; }

    // Highest `sequence_number` seen, for streams that number their events.
    std::optional<std::uint64_t> sequence_number() const noexcept { return sequence_; }
    // The number that an event made by us has to carry.
    std::uint64_t next_sequence_number() const noexcept { return sequence_ ? *sequence_ + 1 : events_; }

    const usage_tap& usage() const noexcept { return usage_; }
    // See usage_tap.
    void want_text(std::string* sink, std::size_t limit) noexcept { usage_.want_text(sink, limit); }

private:
    enum class outcome : std::uint8_t { open, clean, error };
    enum class line_kind : std::uint8_t { unknown, event, data, other };

    void line_part(std::string_view part) noexcept;
    void value_part(std::string_view part) noexcept;
    void keep_first(std::string_view part) noexcept;
    void keep_start(std::string_view part) noexcept;
    void end_line() noexcept;
    void end_event() noexcept;
    void judge_event() noexcept;

    struct kept_event {
        std::array<char, first_bytes> data;
        std::array<char, name_bytes> name;
        std::uint16_t data_size{0};
        std::uint8_t name_size{0};
        bool truncated{false};
        bool complete{false};
    };

    usage_tap usage_;
    kept_event first_;
    std::string* start_data_{nullptr};
    std::array<char, name_bytes> name_{};  // of the running event
    std::array<char, line_bytes> line_{};  // front of the running event's data
    std::array<char, 8> field_{};          // front of the running line, until its colon is known
    std::uint64_t events_{0};
    std::optional<std::uint64_t> sequence_;
    std::uint16_t line_size_{0};
    std::uint8_t name_size_{0};
    std::uint8_t field_size_{0};
    std::uint8_t mark_{0};  // bytes of a byte order mark seen at the very front
    line_kind kind_{line_kind::unknown};
    outcome terminal_{outcome::open};
    event_meaning start_{event_meaning::nothing};
    bool line_empty_{true};      // no byte of the running line has come
    bool value_started_{false};  // the one blank after the colon is gone
    bool pending_cr_{false};
    bool has_data_{false};    // the running event has a data line
    bool has_lines_{false};   // the running event has any line
    bool numbered_{false};    // the stream carries sequence numbers
    bool event_ends_{false};  // with the running line, in this very payload
    bool whole_{false};       // the running line is all of its event's data
    bool started_{false};
};

// What an event says before the answer has begun. Nothing: comments never get here; `response.created`, `.queued` and
// `.in_progress`, keep-alives, [DONE], an object without members, and Azure's chunk without choices (the results of
// the prompt's filter). Error: as is_error_event, and by `type` where the event has no name. `data` is whole.
event_meaning meaning_of(std::string_view name, std::string_view data) noexcept;

// Whether an event tells of a failed answer: `event: error`, response.failed, thread.run.failed, or a top-level
// "error" member that is not null in its (possibly cut) data.
bool is_error_event(std::string_view name, std::string_view data) noexcept;

// The id of the response object in the data of response.created (possibly cut); empty when there is none.
std::string_view response_id_of(std::string_view data) noexcept;

}  // namespace spillway::http
