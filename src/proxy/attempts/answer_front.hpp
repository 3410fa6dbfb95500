#pragma once

#include <span>

#include <spillway/core/told_time.hpp>

#include "../answer/pipe.hpp"
#include "../request/request.hpp"

namespace spillway::proxy {

// The front of a backend's answer, in scratch::answer, as far as it decides whether the answer is the client's.
// Without a socket: the attempt reads into room() and says how much came.
class answer_front {
public:
    enum class search : std::uint8_t { missing, found, bad };
    enum class body_begins : std::uint8_t { begun, not_yet, never };

    // Of one answer's head, or of an interim one before it.
    static constexpr std::size_t most_head_bytes = 64 * 1024;

    answer_front(const request& asked, answer_pipe& pipe) noexcept : asked_(asked), pipe_(pipe) {}

    // Before an attempt: nothing of an earlier one may be taken for its answer.
    void reset() noexcept;

    // Room for more of it. Growing moves what is there, and the head's fields are views into it.
    std::span<char> room(std::size_t bytes);
    void commit(std::size_t bytes) { memory().answer.commit(bytes); }
    // Looks for the head in what has come, and forgets interim answers in front of it.
    search find_head();
    bool has_head() const noexcept { return head_bytes_ > 0; }
    // The body begins here; the connection may carry another request afterwards when `in_step`.
    void begin_body(bool in_step) noexcept;
    // Feeds what has come of the body to the pipe, once.
    void feed();

    const http::response_head& head() const noexcept { return memory().response; }
    bool empty() const noexcept { return memory().answer.empty(); }
    std::size_t size() const noexcept { return memory().answer.size(); }
    std::size_t head_bytes() const noexcept { return head_bytes_; }
    std::size_t body_bytes() const noexcept { return size() - head_bytes_; }
    bool had_interim() const noexcept { return interim_heads_ > 0; }
    std::string_view body() const noexcept { return memory().answer.view().substr(head_bytes_); }
    // Of the body, what may go on to the client.
    std::string_view forwardable() const noexcept { return body().substr(0, forwardable_); }
    // Bytes came that belong to no answer.
    bool surplus() const noexcept { return surplus_; }
    bool fed_all() const noexcept { return body_bytes() == fed_; }
    bool keeps_connection() const noexcept { return keeps_; }
    // The payload of what has come, whatever its framing.
    std::string payload() const;
    // The whole answer is there.
    bool is_whole() const;

    core::throttle_fields throttle() const noexcept;
    // Whether it is a stream of events that can be read. Behind APIM one without a content type has been seen.
    bool is_event_stream() const noexcept;
    // Whether anything of the body has come. Only a 200 has to have one.
    body_begins body_start() const noexcept;

private:
    scratch& memory() const noexcept { return asked_.memory(); }

    const request& asked_;
    answer_pipe& pipe_;
    std::size_t head_bytes_{0}, fed_{0}, forwardable_{0};  // head_bytes_ 0: not there yet
    std::size_t head_searched_{0}, interim_heads_{0};
    bool surplus_{false}, keeps_{false};
};

}  // namespace spillway::proxy
