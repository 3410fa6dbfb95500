#pragma once

#include <string>
#include <string_view>

namespace spillway::http {

// The usual phrase of a status, "Unknown" for others. Static storage.
std::string_view reason_phrase(int status) noexcept;

// The `type` member that goes with a status in Azure's error shape.
std::string_view error_type_of(int status) noexcept;

// Appends {"error":{"code":...,"message":...,"type":...,"param":null}}. Whatever is in the texts, the result is JSON.
// An empty type becomes error_type_of(500); an empty param becomes null.
void append_error_body(std::string& out, std::string_view code, std::string_view message, std::string_view type = {},
                       std::string_view param = {});
std::string error_body(int status, std::string_view code, std::string_view message);

}  // namespace spillway::http
