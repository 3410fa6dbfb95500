#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <spillway/http/head.hpp>

namespace spillway::http {

struct scan_result {
    std::size_t consumed{0};  // bytes that belong to this body; what follows is the next message
    std::size_t forward{0};   // of these, the leading bytes that may be passed on untouched (trailers are dropped)
    bool done{false};         // the body is complete
    bool error{false};        // the framing is broken: close, forward nothing more
};

enum class framing_error : std::uint8_t {
    none,
    bad_chunk_size,
    chunk_too_large,
    bad_extension,
    extension_too_long,
    missing_crlf,
    bad_trailer,
    trailer_too_long,
};
std::string_view describe(framing_error e) noexcept;

// Tells where a body ends while its bytes pass through untouched. Any split of the bytes gives the same result.
//
//   auto r = scanner.feed(bytes, [&](std::string_view payload) { tap(payload); });
//   write(bytes.substr(0, r.forward));
//   if (r.done) write(scanner.closing());
class body_scanner {
public:
    static constexpr std::size_t max_extension = 256;  // bytes of one chunk extension
    static constexpr std::size_t max_trailer = 8192;   // bytes of all trailer fields

    body_scanner() noexcept : body_scanner(body_kind::none, 0) {}
    body_scanner(body_kind kind, std::uint64_t content_length) noexcept;
    explicit body_scanner(const message_head& head) noexcept : body_scanner(head.body, head.content_length) {}

    scan_result feed(std::string_view bytes) noexcept {
        return feed(bytes, [](std::string_view) {});
    }

    // `sink(std::string_view)` gets the payload inside the framing, in slices of `bytes`.
    template <class Sink>
    scan_result feed(std::string_view bytes, Sink&& sink) {
        std::size_t at = 0;
        forward_ = 0;
        while (at < bytes.size() && state_ != state::done && state_ != state::failed) {
            if (state_ != state::payload) {
                at = frame(bytes, at);
                continue;
            }
            const auto room = static_cast<std::uint64_t>(bytes.size() - at);
            const auto n = static_cast<std::size_t>(std::min(left_, room));
            sink(bytes.substr(at, n));
            at += n;
            take(n);
            forward_ = at;
        }
        return {at, forward_, state_ == state::done, state_ == state::failed};
    }

    // The peer closed. True: the body is complete; false: it was cut short. Afterwards done() or failed() holds.
    bool finish() noexcept;

    bool done() const noexcept { return state_ == state::done; }
    bool failed() const noexcept { return state_ == state::failed; }
    framing_error error() const noexcept { return error_; }
    body_kind kind() const noexcept { return kind_; }
    std::uint64_t payload_bytes() const noexcept { return payload_; }
    // Bytes that are still to come of a body with a known length.
    std::uint64_t remaining() const noexcept { return kind_ == body_kind::length ? left_ : 0; }

    // Chunked only: everything forwarded so far ends between two chunks, so an own chunk may be put in here.
    bool at_chunk_boundary() const noexcept { return state_ == state::size_start; }
    bool saw_trailers() const noexcept { return trailers_; }
    // What has to be written after a body whose trailers were dropped: the empty line that ends it. Else empty.
    std::string_view closing() const noexcept { return trailers_ && done() ? "\r\n" : std::string_view{}; }

private:
    enum class state : std::uint8_t {
        payload,
        size_start,
        size,
        extension,
        size_lf,
        chunk_cr,
        chunk_lf,
        last_start,
        last_lf,
        trailer_name,
        trailer,
        trailer_lf,
        trailer_start,
        done,
        failed,
    };

    std::size_t frame(std::string_view bytes, std::size_t at) noexcept;
    bool step(unsigned char c) noexcept;
    bool step_trailer(unsigned char c) noexcept;
    bool fail(framing_error e) noexcept;
    void take(std::size_t n) noexcept;

    body_kind kind_;
    state state_{state::done};
    framing_error error_{framing_error::none};
    bool trailers_{false};
    std::uint8_t digits_{0};
    std::uint16_t counted_{0};  // bytes of the extension or of the trailers
    std::uint64_t left_{0};     // of the payload piece that we are in
    std::uint64_t payload_{0};
    std::size_t forward_{0};
};

// "1a2b\r\n": the line before a chunk of n bytes (n > 0; after the payload comes CRLF).
void append_chunk_header(std::string& out, std::uint64_t n);
inline constexpr std::size_t max_chunk_header = 18;
// Same, into at least max_chunk_header bytes; returns how many were written.
std::size_t write_chunk_header(char* out, std::uint64_t n) noexcept;

inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace spillway::http
