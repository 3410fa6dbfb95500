#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// A reader of HTTP/1.1 messages of the benchmark's own: it checks what a gateway hands out, so it shares no code with
// one. It takes well-formed messages only and calls everything else malformed.
namespace spillway::bench {

// What a head says about its message. `first_line` is valid until the bytes that the reader was fed with are gone.
struct head {
    std::string_view first_line;
    std::uint64_t length{0};
    bool chunked{false};
    bool has_length{false};
    bool event_stream{false};
    bool close{false};
    bool expects_continue{false};
};

// Takes the bytes of a head, its blank line included. False when it is malformed.
bool parse_head(std::string_view bytes, head& into) noexcept;

// Watches the payload of an event stream go by.
class event_counter {
public:
    void feed(std::string_view payload) noexcept;
    std::uint64_t events() const noexcept { return events_; }
    // The last event so far is `data: [DONE]`, complete with its blank line.
    bool ended_with_done() const noexcept { return std::string_view(tail_, sizeof tail_) == done_event; }

private:
    static constexpr std::string_view done_event = "data: [DONE]\n\n";
    char tail_[done_event.size()]{};
    std::uint64_t events_{0};
};

enum class progress : std::uint8_t { need_more, complete, malformed };

// One message from its first byte to its last. reset() makes it ready for the next one of the connection.
class message_reader {
public:
    progress feed(std::string_view bytes);
    void reset();

    bool started() const noexcept { return state_ != state::head || !partial_.empty(); }
    bool has_head() const noexcept { return state_ != state::head; }
    const head& message() const noexcept { return head_; }
    int status() const noexcept { return status_; }
    std::uint64_t body_bytes() const noexcept { return body_bytes_; }
    const event_counter& events() const noexcept { return events_; }

private:
    enum class state : std::uint8_t { head, fixed, chunk_size, chunk_data, chunk_end, trailer, done };
    progress take_head(std::string_view& bytes);
    progress take_fixed(std::string_view& bytes);
    progress take_chunked(std::string_view& bytes);
    bool take_line(std::string_view& bytes, std::string_view& line);
    void take_payload(std::string_view payload) noexcept;

    state state_{state::head};
    head head_;
    int status_{0};
    std::string partial_;  // a head that came in pieces
    std::string line_;     // the first part of a chunk line that was cut in two
    std::uint64_t left_{0};
    std::uint64_t body_bytes_{0};
    event_counter events_;
};

}  // namespace spillway::bench
