#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <spillway/http/framing.hpp>
#include <spillway/http/head.hpp>
#include <spillway/http/sse.hpp>
#include <spillway/http/stream_error.hpp>
#include <spillway/http/usage_tap.hpp>
#include <spillway/net/slab.hpp>

#include "transform.hpp"

namespace spillway::proxy {

// Sees the payload of an answer pass.
class payload_watcher {
public:
    virtual ~payload_watcher() = default;
    virtual void on_payload(std::string_view payload) = 0;
    // What was shown belongs to an answer that is not the client's.
    virtual void on_restart() noexcept = 0;
};

// The body of an answer between a backend and a client, without a socket: bytes in, bytes out.
//
//   take(bytes)       what the backend sent: where the body ends, and what its events and its usage say
//   open(...)         how the body is framed for the client
//   pass(out, bytes)  what the client gets of bytes that were taken, through the list of transforms
//   end(out)          what ends the body
//
// An attempt takes the front of an answer before it is known whether it is the client's; the relay takes the rest.
class answer_pipe {
public:
    // How the body travels on. Bytes pass with their framing wherever both sides understand it.
    enum class framing : std::uint8_t { pass, encode, close };

    explicit answer_pipe(net::slab_pool& slabs) noexcept : slabs_(slabs) {}

    // A new answer: nothing of the one before is known any more.
    void reset() noexcept;
    void begin(const http::response_head& head) noexcept { body_ = http::body_scanner(head); }
    // Before the first byte is taken. Text of the events is kept up to `text_limit`, for an estimate; 0: none.
    void watch_events(std::size_t text_limit, std::string* start);
    void stop_judging() { events_->watch_start(nullptr); }
    void watch_usage(std::unique_ptr<http::usage_tap> tap) noexcept { tap_ = std::move(tap); }
    std::unique_ptr<http::usage_tap> give_tap() noexcept { return std::move(tap_); }
    // Shows all payload to it as well; null: to none.
    void watch_payload(payload_watcher* by) noexcept { watcher_ = by; }

    http::scan_result take(std::string_view bytes);
    // The backend's connection has ended. False: that is no end of this body.
    bool take_end() noexcept { return body_.finish(); }

    void add(std::unique_ptr<transform> t);
    // The client's framing; before pass(). `http_1_1`: the client understands chunks.
    void open(bool http_1_1) noexcept;
    framing how() const noexcept { return framing_; }
    // Nothing changes on the way: what take() called forwardable may go on without pass().
    bool passes() const noexcept { return framing_ == framing::pass; }
    void pass(net::buffer& out, std::string_view bytes);
    void end(net::buffer& out);
    // The body is over, and its end has to be written in another form than it came in.
    bool writes_end() const noexcept { return !passes() || !body_.closing().empty(); }

    // Whether own bytes may be put into the stream here: between two events and between two chunks.
    bool may_insert() const noexcept;
    void insert(net::buffer& out, std::string_view text) const;
    // Ends a stream that broke off in the error form of its family. False: that cannot be said here; only a reset
    // tells the client then. Never a clean end.
    bool end_broken(net::buffer& out, http::stream_family family) const;

    const http::body_scanner& body() const noexcept { return body_; }
    // Null: the answer is no stream of events that is read.
    const http::sse_scanner* events() const noexcept { return events_.get(); }
    bool terminal() const noexcept { return events_ && events_->terminal(); }
    bool ends_with_error() const noexcept { return events_ && events_->terminal_is_error(); }
    // The usage as the answer told it, as JSON; empty: not yet, or never.
    std::string_view usage_json() const noexcept;
    std::string_view model() const noexcept;
    // The text of events that was kept, escaped, and how much more there was.
    const std::string& text() const noexcept { return text_; }
    std::string take_text() noexcept { return std::move(text_); }
    void put_text_back(std::string text) noexcept { text_ = std::move(text); }
    std::uint64_t text_bytes() const noexcept { return events_ ? events_->usage().text_bytes() : 0; }
    std::uint64_t text_cut() const noexcept;

private:
    void run(transform* t, std::string_view payload, payload_sink out);
    void append_payload(net::buffer& out, std::string_view bytes);
    void append_chunk(net::buffer& out, std::string_view payload) const;

    net::slab_pool& slabs_;
    http::body_scanner body_;
    http::body_scanner unchunk_;  // takes chunk marks off what is passed on
    std::unique_ptr<http::sse_scanner> events_;
    std::unique_ptr<http::usage_tap> tap_;
    std::unique_ptr<transform> transforms_;
    payload_watcher* watcher_{nullptr};
    std::string text_;
    framing framing_{framing::pass};
};

}  // namespace spillway::proxy
