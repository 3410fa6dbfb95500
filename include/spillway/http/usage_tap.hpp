#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spillway::http {

// Watches JSON bytes pass by, in any slices, and keeps a copy of the last `"usage": { ... }` object. Serves streams
// (through sse_scanner) and plain JSON bodies of any size alike. Needs no buffer of the body and looks at a byte
// about a sixteenth of an instruction's time. A text that merely speaks of "usage" has its quotes escaped and is not
// taken for one; null is not an object.
class usage_tap {
public:
    static constexpr std::size_t capacity = 1024;  // a longer usage object is not kept

    void feed(std::string_view bytes) noexcept;
    // The JSON text ends or breaks off here (end of an SSE line): nothing may match across.
    void cut() noexcept {
        state_ = state::search;
        matched_ = 0;
    }

    bool found() const noexcept { return size_ != 0; }
    // The last complete usage object, braces included; empty when none was seen.
    std::string_view json() const noexcept { return {kept_[which_].data(), size_}; }

private:
    enum class state : std::uint8_t { search, colon, brace, copy, string, escape };
    std::size_t search(std::string_view bytes, std::size_t at) noexcept;
    void copy(char c) noexcept;
    void follow(char c) noexcept;

    std::array<std::array<char, capacity>, 2> kept_;  // the last complete one, and the one that is being copied
    std::size_t size_{0};
    std::size_t growing_{0};
    std::uint32_t depth_{0};
    std::uint8_t which_{0};
    std::uint8_t matched_{0};  // bytes of `"usage"` at the end of the last slice
    state state_{state::search};
};

}  // namespace spillway::http
