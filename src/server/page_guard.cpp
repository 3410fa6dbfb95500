#include "page_guard.hpp"

#include <algorithm>

#include <spillway/base/text.hpp>
#include <spillway/net/address.hpp>

namespace spillway::server {
namespace {

// The host alone: no port, no brackets. Empty when something else follows than a port.
std::string_view name_in(std::string_view host) noexcept {
    const auto end = host.starts_with('[') ? host.find(']') : std::min(host.find(':'), host.size());
    if (end == std::string_view::npos) return {};
    const auto behind = host.substr(host.starts_with('[') ? end + 1 : end);
    if (!behind.empty() && (behind.front() != ':' || (behind.size() > 1 && !text::parse_unsigned(behind.substr(1)))))
        return {};
    return host.starts_with('[') ? host.substr(1, end - 1) : host.substr(0, end);
}

}  // namespace

bool is_own_host(std::string_view host) noexcept {
    if (host.empty()) return true;
    const auto name = name_in(host);
    return text::iequals(name, "localhost") || (!name.empty() && net::address::parse_forwarded(name));
}

bool is_same_origin(std::string_view host, std::string_view origin, std::string_view fetch_site) noexcept {
    if (!fetch_site.empty() && fetch_site != "same-origin" && fetch_site != "none") return false;
    if (origin.empty()) return true;
    const auto scheme_end = origin.find("://");
    return scheme_end != std::string_view::npos && text::iequals(origin.substr(scheme_end + 3), host);
}

}  // namespace spillway::server
