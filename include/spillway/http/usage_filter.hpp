#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <spillway/http/piece_sink.hpp>

namespace spillway::http {

// For a chat or completions stream whose backend was asked for the usage by the gateway, not by the client. Takes the
// payload in any slices and yields what the client would have got without the question:
//  - the usage chunk (`choices` empty, `usage` an object) is dropped with its whole event. If it carries something
//  that
//    would have come anyway (results of the prompt's filter, an error), only its `usage` is taken out;
//  - `"usage":null` of the other chunks is taken out together with its comma.
// An event may write its data in several lines; only a null in such a one stays.
// Everything else passes as it is: comments, [DONE], usage beside choices (a backend
// that does so does it unasked), what is no JSON. An event that lies whole in a slice is not copied; a part of one is
// held until the event's blank line, nothing longer; an event of more than `longest_event` bytes passes
// untouched.
class usage_filter {
public:
    static constexpr std::size_t longest_event = 64 * 1024;

    // Calls out(std::string_view) for what is to go on; the pieces live until it returns.
    template <class Out>
    void feed(std::string_view payload, Out&& out) {
        run(payload, piece_sink(out));
    }
    // The stream has ended or broken off: an incomplete event goes on as it is.
    template <class Out>
    void finish(Out&& out) {
        flush(piece_sink(out));
    }

    // Bytes of an incomplete event that have not gone on yet. While there are any, nothing may be put into the
    // stream.
    std::size_t held() const noexcept { return held_.size(); }
    // The chunk that only the gateway asked for has come.
    bool filtered_usage_seen() const noexcept { return seen_; }

private:
    // What is taken out of an event.
    struct cut {
        std::size_t from{0}, to{0};
    };

    void run(std::string_view payload, piece_sink out);
    void flush(piece_sink out);
    std::size_t event_end(std::string_view s, std::size_t at) noexcept;
    cut judge(std::string_view event);
    cut judge_lines(std::string_view event);
    cut judge_data(std::string_view json) noexcept;

    std::string held_;
    bool line_empty_{true};  // no byte of the running line has come
    bool after_cr_{false};   // an LF that comes next belongs to the line before
    bool in_event_{false};   // between events otherwise
    bool passing_{false};    // the running event was too long to be held
    bool dropped_{false};    // the last event
    bool first_{true};       // no event has ended yet
    bool seen_{false};
};

}  // namespace spillway::http
