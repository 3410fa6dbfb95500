#include <algorithm>

#include <spillway/trace/span.hpp>

namespace spillway::trace {
namespace {

// Capitals are no digits here: the recommendation wants one spelling.
constexpr int digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

template <std::size_t size>
bool read_hex(std::string_view from, std::array<std::uint8_t, size>& out) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        const int high = digit(from[2 * i]), low = digit(from[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return true;
}

template <std::size_t size>
bool all_zero(const std::array<std::uint8_t, size>& id) noexcept {
    return std::all_of(id.begin(), id.end(), [](std::uint8_t b) { return b == 0; });
}

template <std::size_t size>
char* write_hex(char* to, const std::array<std::uint8_t, size>& bytes) noexcept {
    constexpr char digits[] = "0123456789abcdef";
    for (const auto b : bytes) {
        *to++ = digits[b >> 4];
        *to++ = digits[b & 15];
    }
    return to;
}

constexpr std::uint8_t flag_sampled = 1, flag_random = 2;

}  // namespace

std::optional<context> parse_traceparent(std::string_view field) noexcept {
    if (field.size() < traceparent_size || field[2] != '-' || field[35] != '-' || field[52] != '-')
        return std::nullopt;
    std::array<std::uint8_t, 1> version{}, flags{};
    context out;
    if (!read_hex(field, version) || !read_hex(field.substr(3), out.trace_id) ||
        !read_hex(field.substr(36), out.parent_id) || !read_hex(field.substr(53), flags))
        return std::nullopt;
    if (version[0] == 0xff) return std::nullopt;
    if (field.size() > traceparent_size && (version[0] == 0 || field[traceparent_size] != '-')) return std::nullopt;
    if (all_zero(out.trace_id) || all_zero(out.parent_id)) return std::nullopt;
    out.sampled = (flags[0] & flag_sampled) != 0;
    out.random = (flags[0] & flag_random) != 0;
    return out;
}

std::array<char, traceparent_size> format_traceparent(const trace_id& trace, const span_id& span, bool sampled,
                                                      bool random) noexcept {
    std::array<char, traceparent_size> out{'0', '0', '-'};
    char* to = write_hex(out.data() + 3, trace);
    *to++ = '-';
    to = write_hex(to, span);
    *to++ = '-';
    const std::array<std::uint8_t, 1> flags{
        static_cast<std::uint8_t>((sampled ? flag_sampled : 0) | (random ? flag_random : 0))};
    write_hex(to, flags);
    return out;
}

}  // namespace spillway::trace
