#include "sqlite_key.hpp"

#include <spillway/base/text.hpp>

namespace spillway::ledger {
namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr int below_ms = 21;
constexpr std::int64_t largest_ms = (std::int64_t{1} << (63 - below_ms)) - 1;

std::uint64_t big_endian(const std::uint8_t* bytes, int n) noexcept {
    std::uint64_t out = 0;
    for (int i = 0; i < n; ++i) out = out << 8 | bytes[i];
    return out;
}

}  // namespace

sqlite_key sqlite_key_of(const core::usage_record& r) noexcept {
    const auto* id = r.id.bytes.data();
    const auto ms = static_cast<std::int64_t>(big_endian(id, 6));
    const auto record_ms = r.time_us / 1000;
    const bool close = ms >= record_ms - day_ms && ms <= record_ms + day_ms;
    if ((id[6] >> 4) == 7 && close && ms <= largest_ms) {
        const auto low = big_endian(id + 8, 8);
        const auto random = static_cast<std::int64_t>(big_endian(id + 6, 2) & 0xfff);
        return {ms << below_ms | random << 9 | static_cast<std::int64_t>((low >> 40) & sqlite_key_free_bits),
                static_cast<std::int64_t>(low), false};
    }
    const auto at = record_ms < 0 ? 0 : record_ms > largest_ms ? largest_ms : record_ms;
    const auto mixed = text::hash({reinterpret_cast<const char*>(id), r.id.bytes.size()});
    return {at << below_ms | static_cast<std::int64_t>(mixed >> (64 - below_ms)), 0, true};
}

}  // namespace spillway::ledger
