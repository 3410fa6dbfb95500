#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spillway::http {

// How a family of the API tells of an error amid a stream.
enum class stream_family : std::uint8_t { chat, responses, assistants };

struct stream_error {
    std::string_view code{"upstream_stream_broken"};
    std::string_view message;
    std::uint64_t sequence_number{0};  // responses: the next one in the stream
    std::string_view response_id;      // responses: empty when response.created never came
};

// Appends the event that ends a broken stream so that every SDK raises an error: never [DONE], never a clean end.
// Belongs at an event boundary (sse_position::boundary; at between_lines put "\n" first; inside a line close the
// connection without the last chunk instead).
void append_stream_error(std::string& out, stream_family family, const stream_error& e);

}  // namespace spillway::http
