#include <spillway/core/cors.hpp>

#include <algorithm>

namespace spillway::core {
namespace {

constexpr std::size_t longest_origin = 300;
constexpr std::size_t longest_header_list = 4096;

bool host_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

// https://*.contoso.com admits https://a.b.contoso.com: the star stands for labels, never for another host's end.
bool matches(std::string_view pattern, std::string_view origin) noexcept {
    constexpr std::string_view star = "://*.";
    const auto at = pattern.find(star);
    if (at == std::string_view::npos) return pattern == origin;
    const auto front = pattern.substr(0, at + 3), back = pattern.substr(at + star.size() - 1);
    if (origin.size() <= front.size() + back.size() || !origin.starts_with(front) || !origin.ends_with(back))
        return false;
    const auto labels = origin.substr(front.size(), origin.size() - front.size() - back.size());
    return std::all_of(labels.begin(), labels.end(), host_character);
}

}  // namespace

bool cors_rules::admits(std::string_view origin) const noexcept {
    if (origin.empty() || origin.size() > longest_origin) return false;
    return any() || std::any_of(origins.begin(), origins.end(),
                                [&](const std::string& pattern) { return matches(pattern, origin); });
}

std::string_view allowed_headers(std::string_view requested) noexcept {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.' || c == ',' || c == ' ';
    };
    const bool good =
        requested.size() <= longest_header_list && std::all_of(requested.begin(), requested.end(), fits);
    return good ? requested : std::string_view{};
}

}  // namespace spillway::core
