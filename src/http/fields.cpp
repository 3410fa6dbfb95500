#include <spillway/http/fields.hpp>

namespace spillway::http {

std::uint8_t flags_of(field_id id, std::string_view name) noexcept {
    if (id != field_id::unknown) return flags_of(id);
    if (name.size() < 5 || text::lower(name[0]) != 'x') return field_flag::none;
    if (text::istarts_with(name, "x-stainless-")) return field_flag::sdk;
    if (text::istarts_with(name, "x-azure-") || text::istarts_with(name, "x-fd-") ||
        text::istarts_with(name, "x-forwarded-"))
        return field_flag::front;
    return field_flag::none;
}

}  // namespace spillway::http
