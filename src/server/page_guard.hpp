#pragma once

#include <string_view>

// What keeps foreign web pages in an operator's browser away from the admin listener.
namespace spillway::server {

// Whether a Host field names this listener and not a foreign domain that was made to resolve to it: an address, or
// localhost. Only browsers can be misled that way, and they always send one, so none at all is good.
bool is_own_host(std::string_view host) noexcept;

// Whether a request that changes something comes from a page of this listener, or from no page at all. `origin` and
// `fetch_site` are the fields Origin and Sec-Fetch-Site, empty when there are none.
bool is_same_origin(std::string_view host, std::string_view origin, std::string_view fetch_site) noexcept;

}  // namespace spillway::server
