#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <spillway/http/request_content.hpp>

namespace spillway::http {

// What one step of a decoder brought about.
struct decoded {
    enum class state : std::uint8_t {
        more,      // go on: with more room, or with the rest of the input
        done,      // the whole of it is decoded, and nothing follows
        broken,    // it is not of this coding, damaged, or something follows
        too_wide,  // it asks for a window above zstd_window_bits
        no_memory,
    };
    std::size_t consumed{0}, produced{0};
    state now{state::more};
};

// Undoes gzip or zstd, piece by piece, in bounded memory. One for each body.
class content_decoder {
public:
    // A window of zstd that is larger is refused, as RFC 9659 has it for HTTP.
    static constexpr unsigned zstd_window_bits = 23;

    virtual ~content_decoder() = default;
    // Decodes from `in` (the whole rest of the body) into `out`, until one of them is used up.
    virtual decoded step(std::string_view in, std::span<char> out) noexcept = 0;
    // What it holds at the moment.
    virtual std::size_t memory() const noexcept = 0;

    // For gzip and zstd; null when memory is out.
    static std::unique_ptr<content_decoder> make(content_coding coding);
};

}  // namespace spillway::http
