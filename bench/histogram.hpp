#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include <spillway/base/time.hpp>

namespace spillway::bench {

// Counts of durations in buckets whose width is 1/64 of their value: any percentile is right within 1.6 %, from a
// nanosecond to hours, and recording is an increment.
class histogram {
public:
    void record(duration d) noexcept {
        const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(d.count(), 0));
        ++counts_[index_of(ns)];
        ++total_;
        max_ = std::max(max_, ns);
    }

    std::uint64_t count() const noexcept { return total_; }

    // The duration that a share `p` (0 to 1) of all is no longer than, in microseconds.
    double percentile_us(double p) const noexcept {
        const auto wanted = static_cast<std::uint64_t>(p * static_cast<double>(total_));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > wanted) return static_cast<double>(std::min(upper_end(i), max_)) / 1000.0;
        }
        return max_us();
    }
    double max_us() const noexcept { return static_cast<double>(max_) / 1000.0; }

private:
    static constexpr unsigned fine_bits = 6, exponents = 40;

    static std::size_t index_of(std::uint64_t ns) noexcept {
        if (ns < (1U << fine_bits)) return ns;
        const auto exponent = std::min<unsigned>(std::bit_width(ns) - fine_bits - 1, exponents - 1);
        return ((exponent + 1U) << fine_bits) + ((ns >> exponent) & ((1U << fine_bits) - 1));
    }
    static std::uint64_t upper_end(std::size_t index) noexcept {
        if (index < (1U << fine_bits)) return index;
        const auto exponent = (index >> fine_bits) - 1;
        const std::uint64_t mantissa = (1U << fine_bits) + (index & ((1U << fine_bits) - 1));
        return ((mantissa + 1) << exponent) - 1;
    }

    std::array<std::uint64_t, (exponents + 1U) << fine_bits> counts_{};
    std::uint64_t total_{0}, max_{0};
};

}  // namespace spillway::bench
