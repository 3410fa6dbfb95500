#pragma once

#include <span>
#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/http/framing.hpp>
#include <spillway/http/request_content.hpp>
#include <spillway/net/task.hpp>

#include "../scratch.hpp"
#include "memory_hold.hpp"

namespace spillway::proxy {

// The body of a request on its way into memory: only then can another backend get it, too.
class request_body {
public:
    explicit request_body(const setting& at) noexcept : at_(at), memory_(at) {}

    // The head is there; it has so many bytes of the session's input, and what lies behind them is ours.
    void expect(scratch& memory, std::size_t head_bytes);
    // Nothing of the request is read any more: its head was refused, or how far reading came is not known.
    void give_up() noexcept { read_ = true; }

    // Whether gateway and backend will read the body alike: one type, one coding, one character set.
    maybe_fault check_content(core::body_form wanted);
    // multipart/form-data with this boundary, else JSON.
    bool is_form() const noexcept { return form_; }
    std::string_view boundary() const noexcept { return scratch_->boundary; }
    // The usual small body came together with its head. False: read() has to wait for it.
    bool is_here() noexcept;
    // An upload that is not small goes on to its backend as it comes, with next(): it is sent once, and no memory
    // holds it. False: it has to be read. Faults: RequestTooLarge.
    result<bool> pass_on(const core::operation& op);
    bool passes() const noexcept { return passes_; }
    // Its length is not told in advance.
    bool is_chunked() const noexcept { return framing_.kind() == http::body_kind::chunked; }
    std::uint64_t length() const noexcept { return passes_ ? scratch_->upload.length : bytes_.size(); }
    // Bytes of it into `room`; none: it is over. Fails as a read from the client does, and as broken where more comes
    // than limits.upload.
    net::task<net::io_result> next(std::span<char> room);
    // Reads the rest. Faults: RequestTooLarge, RequestTimeout, BadRequest, those of memory_hold, ClientLeft (499).
    net::task<maybe_fault> read(std::size_t client);
    bool is_encoded() const noexcept { return coding_ != http::content_coding::identity; }
    // The body as it was before its client encoded it, which is how backends get it: names in it have to be read and
    // rewritten. Bounded like a body that came so, and done in turns.
    net::task<maybe_fault> decode();
    // Reads and forgets a small rest of a refused request, so that the answer is not lost in a reset and the
    // connection can carry another request. A large rest leaves the connection out of step.
    net::task<void> drain();
    // Takes the request out of the session's input.
    void consume_input() noexcept;
    // The body is not needed any more.
    void release() noexcept;

    std::string_view view() const noexcept { return bytes_; }
    bool empty() const noexcept { return bytes_.empty(); }
    std::size_t size() const noexcept { return bytes_.size(); }
    bool exists() const noexcept { return exists_; }
    bool is_read() const noexcept { return read_; }
    // False: what follows on the connection is not the next request.
    bool in_step() const noexcept { return in_step_; }
    std::size_t head_bytes() const noexcept { return head_bytes_; }
    // Bytes of head and body that have come.
    std::size_t received() const noexcept { return received_; }
    static fault client_left();

private:
    bool take_in_place() noexcept;
    net::task<maybe_fault> read_rest_in_place(std::size_t missing);
    net::task<maybe_fault> read_long();
    net::task<maybe_fault> read_chunked();
    net::task<net::io_result> read_some(std::span<char> room, time_point begun, std::size_t received);
    maybe_fault hold(std::size_t bytes) { return memory_.grow_to(bytes); }
    void count(std::size_t bytes) noexcept;
    fault too_large(std::uint64_t limit, std::string_view which = "body") const;

    const setting& at_;
    scratch* scratch_{nullptr};
    memory_hold memory_;
    http::body_scanner framing_;
    std::string_view bytes_;
    std::size_t head_bytes_{0};
    std::size_t input_used_{0};  // head and body bytes in the session's input, to be consumed at the end
    std::size_t received_{0};
    http::content_coding coding_{http::content_coding::identity};
    net::task<net::io_result> read_raw(std::span<char> room);
    net::task<net::io_result> next_chunks(std::span<char> room);
    bool exists_{false}, read_{false}, in_step_{true}, expects_continue_{false}, passes_{false}, form_{false};
};

}  // namespace spillway::proxy
