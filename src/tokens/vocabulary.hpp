#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/tokens/estimator.hpp>

namespace spillway::tokens {

using rank = std::uint32_t;
inline constexpr rank no_rank = ~rank{0};

// The tokens of an encoding: bytes -> rank, which is also the token's number. Immutable; three to six megabytes.
class vocabulary {
public:
    // Loads it at the first call; thread safe.
    static const vocabulary& of(encoding e);

    // no_rank when these bytes are no token.
    rank find(std::string_view bytes) const noexcept;
    std::string_view token(rank r) const noexcept {
        return std::string_view(bytes_).substr(starts_[r], starts_[r + 1] - starts_[r]);
    }
    std::size_t size() const noexcept { return starts_.size() - 1; }
    std::size_t longest() const noexcept { return longest_; }
    // As told in the file and as computed: equal unless the file or the loader is broken.
    std::uint64_t told_checksum() const noexcept { return told_checksum_; }
    std::uint64_t checksum() const noexcept;

private:
    explicit vocabulary(std::string_view packed);
    void unpack(std::string_view packed, std::size_t count);
    void index();

    struct slot {
        std::uint32_t tag;
        rank token{no_rank};
    };
    std::string bytes_;                  // all tokens one after the other
    std::vector<std::uint32_t> starts_;  // one more than there are tokens
    std::vector<slot> slots_;            // a power of two, at most half full
    std::size_t longest_{0};
    std::uint64_t told_checksum_{0};
};

}  // namespace spillway::tokens
