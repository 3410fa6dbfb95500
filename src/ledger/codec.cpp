#include "codec.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#include "crc32c.hpp"

namespace spillway::ledger {
namespace {

using core::usage_record;

static_assert(std::endian::native == std::endian::little, "frames are copied as they lie in memory");

constexpr std::uint8_t known_version = 1;  // another one only when old readers cannot pass over what is new

// The texts in the order of their frame. New ones go to the end. What many records have in common comes first.
constexpr std::array texts{
    &usage_record::gateway,    &usage_record::client,  &usage_record::labels_json, &usage_record::route,
    &usage_record::pool,       &usage_record::backend, &usage_record::instance,    &usage_record::region,
    &usage_record::deployment, &usage_record::model,   &usage_record::operation,   &usage_record::request_id,
    &usage_record::end_user,   &usage_record::code,    &usage_record::tries_json,
};

// The numbers, as they lie in the frame. New ones go to the end; `bytes` tells how many there are.
struct numbers {
    std::uint8_t version{known_version};
    std::uint8_t texts{static_cast<std::uint8_t>(ledger::texts.size())};
    std::uint16_t bytes{0};
    std::uint16_t status{0};
    std::uint8_t attempts{0};
    std::uint8_t flags{0};
    std::uint8_t outcome{0}, source{0};
    std::uint16_t unused{0};
    std::uint32_t first_byte_us{0};
    std::array<std::uint8_t, 16> id{};
    std::int64_t time_us{0}, price_nanos{0};
    std::uint64_t bytes_in{0}, bytes_out{0}, duration_us{0};
    std::uint64_t prompt{0}, completion{0}, cached{0}, reasoning{0}, audio_prompt{0}, audio_completion{0};
    std::uint32_t token_us{0}, unused_too{0};
};
static_assert(sizeof(numbers) == 128 && std::is_trivially_copyable_v<numbers>);

constexpr std::uint8_t flag_streaming = 1, flag_priced = 2;
constexpr std::size_t smallest_head = 4;  // version, texts, bytes
constexpr std::size_t before_texts = sizeof(numbers) + texts.size() * sizeof(std::uint32_t);

constexpr std::size_t padded(std::size_t n) noexcept { return (n + 7) & ~std::size_t{7}; }

numbers numbers_of(const usage_record& r) noexcept {
    numbers n;
    n.bytes = sizeof(numbers);
    n.status = r.status;
    n.attempts = r.attempts;
    n.flags = static_cast<std::uint8_t>((r.streaming ? flag_streaming : 0) | (r.priced ? flag_priced : 0));
    n.outcome = static_cast<std::uint8_t>(r.outcome);
    n.source = static_cast<std::uint8_t>(r.source);
    n.first_byte_us = r.first_byte_us;
    n.id = r.id.bytes;
    n.time_us = r.time_us;
    n.price_nanos = r.price_nanos;
    n.bytes_in = r.bytes_in;
    n.bytes_out = r.bytes_out;
    n.duration_us = r.duration_us;
    n.prompt = r.tokens.prompt;
    n.completion = r.tokens.completion;
    n.cached = r.tokens.cached;
    n.reasoning = r.tokens.reasoning;
    n.audio_prompt = r.tokens.audio_prompt;
    n.audio_completion = r.tokens.audio_completion;
    n.token_us = r.token_us;
    return n;
}

void give(const numbers& n, usage_record& r) noexcept {
    r.id.bytes = n.id;
    r.time_us = n.time_us;
    r.status = n.status;
    r.attempts = n.attempts;
    r.outcome = n.outcome <= static_cast<std::uint8_t>(core::usage_outcome::error)
                    ? static_cast<core::usage_outcome>(n.outcome)
                    : core::usage_outcome::error;
    r.source = n.source <= static_cast<std::uint8_t>(core::token_source::estimated)
                   ? static_cast<core::token_source>(n.source)
                   : core::token_source::estimated;
    r.streaming = (n.flags & flag_streaming) != 0;
    r.priced = (n.flags & flag_priced) != 0;
    r.tokens = {n.prompt, n.completion, n.cached, n.reasoning, n.audio_prompt, n.audio_completion};
    r.bytes_in = n.bytes_in;
    r.bytes_out = n.bytes_out;
    r.first_byte_us = n.first_byte_us;
    r.duration_us = n.duration_us;
    r.token_us = n.token_us;
    r.price_nanos = n.price_nanos;
}

}  // namespace

std::size_t frame_size(const usage_record& r) noexcept {
    std::size_t n = frame_head + before_texts;
    for (const auto text : texts) n += (r.*text).size();
    return padded(n);
}

namespace {

void put_length(std::byte* to, std::uint32_t length) noexcept {
    std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(to)).store(length, std::memory_order_release);
}

// Most texts are a few bytes long, for which a call would take longer than the copy.
void copy_text(std::byte* to, const char* from, std::size_t n) noexcept {
    const auto ends = [=](auto word) {
        std::memcpy(&word, from, sizeof word);
        std::memcpy(to, &word, sizeof word);
        std::memcpy(&word, from + n - sizeof word, sizeof word);
        std::memcpy(to + n - sizeof word, &word, sizeof word);
    };
    struct sixteen {
        std::uint64_t low, high;
    };
    if (n > 32) std::memcpy(to, from, n);
    else if (n >= 16) ends(sixteen{});
    else if (n >= 8) ends(std::uint64_t{});
    else if (n >= 4) ends(std::uint32_t{});
    else
        for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<std::byte>(from[i]);
}

}  // namespace

void end_frames(std::byte* to) noexcept { put_length(to, 0); }

void encode_frame(const usage_record& r, std::byte* to, std::uint32_t file) noexcept {
    std::byte* const payload = to + frame_head;
    const numbers n = numbers_of(r);
    std::memcpy(payload, &n, sizeof n);
    std::byte* lengths = payload + sizeof n;
    std::byte* at = payload + before_texts;
    for (const auto text : texts) {
        const std::string_view s = r.*text;
        const auto length = static_cast<std::uint32_t>(s.size());
        std::memcpy(lengths, &length, sizeof length);
        lengths += sizeof length;
        copy_text(at, s.data(), s.size());
        at += s.size();
    }
    const auto length = static_cast<std::uint32_t>(at - payload);
    const std::uint32_t checksum = crc32c(payload, length) ^ file;
    std::memcpy(to + sizeof length, &checksum, sizeof checksum);
    put_length(to, length);
}

std::optional<frame> next_frame(std::span<const std::byte> from, bool trusted, std::uint32_t file) noexcept {
    if (from.size() < frame_head) return std::nullopt;
    std::array<std::uint32_t, 2> head{};
    std::memcpy(head.data(), from.data(), sizeof head);
    const std::size_t length = head[0];
    if (length == 0 || length > from.size() - frame_head) return std::nullopt;
    const auto payload = from.subspan(frame_head, length);
    if (!trusted && (crc32c(payload.data(), length) ^ file) != head[1]) return std::nullopt;
    return frame{payload, std::min(padded(frame_head + length), from.size())};
}

bool decode(std::span<const std::byte> payload, usage_record& out) noexcept {
    if (payload.size() < smallest_head) return false;
    numbers n;
    std::memcpy(static_cast<void*>(&n), payload.data(), smallest_head);
    const std::size_t bytes = n.bytes;
    const std::size_t how_many = n.texts;
    if (n.version != known_version || bytes < smallest_head) return false;
    std::size_t at = bytes + how_many * sizeof(std::uint32_t);
    if (at > payload.size()) return false;
    std::memcpy(static_cast<void*>(&n), payload.data(), std::min(bytes, sizeof n));
    give(n, out);
    for (std::size_t i = 0; i < std::max(how_many, texts.size()); ++i) {
        std::uint32_t length = 0;
        if (i < how_many) std::memcpy(&length, payload.data() + bytes + i * sizeof length, sizeof length);
        if (length > payload.size() - at) return false;
        if (i < texts.size()) out.*texts[i] = {reinterpret_cast<const char*>(payload.data()) + at, length};
        at += length;
    }
    return true;
}

}  // namespace spillway::ledger
