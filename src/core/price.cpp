#include <spillway/core/price.hpp>

#include <algorithm>
#include <limits>

namespace spillway::core {

std::int64_t price_of(const token_counts& told, const config::price& p) noexcept {
    token_counts t = told;
    // So that no sum below leaves 128 bits, whatever the price.
    for (auto* n : {&t.prompt, &t.completion, &t.cached, &t.audio_prompt, &t.audio_completion})
        *n = static_cast<std::uint64_t>(to_signed(*n));
    const auto parts = [](std::uint64_t all, std::uint64_t part) { return std::min(all, part); };
    const auto cached = parts(t.prompt, t.cached);
    const auto audio_in = parts(t.prompt - cached, t.audio_prompt);
    const auto audio_out = parts(t.completion, t.audio_completion);
    __extension__ typedef __int128 wide;
    const wide picos = wide(t.prompt - cached - audio_in) * p.input +
                       wide(cached) * p.cached_input.value_or(p.input) +
                       wide(audio_in) * p.audio_input.value_or(p.input) + wide(t.completion - audio_out) * p.output +
                       wide(audio_out) * p.audio_output.value_or(p.output);
    constexpr wide most = std::numeric_limits<std::int64_t>::max();
    return static_cast<std::int64_t>(std::clamp((picos + 500) / 1000, -most, most));
}

}  // namespace spillway::core
