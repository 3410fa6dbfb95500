#include <spillway/core/usage_record.hpp>

namespace spillway::core {

record_id make_record_id(std::uint64_t ms, std::uint64_t random_high, std::uint64_t random_low) noexcept {
    record_id id;
    for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
    id.bytes[6] = static_cast<std::uint8_t>(0x70U | (random_high & 0x0fU));
    id.bytes[7] = static_cast<std::uint8_t>(random_high >> 4);
    id.bytes[8] = static_cast<std::uint8_t>(0x80U | (random_low & 0x3fU));
    for (std::size_t i = 9; i < 16; ++i) id.bytes[i] = static_cast<std::uint8_t>(random_low >> (8 * (i - 8)));
    return id;
}

std::string_view to_string(usage_outcome o) noexcept {
    switch (o) {
        case usage_outcome::ok: return "ok";
        case usage_outcome::client_left: return "client_left";
        case usage_outcome::broken: return "broken";
        case usage_outcome::refused: return "refused";
        case usage_outcome::failed: return "failed";
        case usage_outcome::error: return "error";
    }
    return {};
}

std::string_view to_string(token_source s) noexcept {
    switch (s) {
        case token_source::none: return "none";
        case token_source::exact: return "exact";
        case token_source::estimated: return "estimated";
    }
    return {};
}

}  // namespace spillway::core
