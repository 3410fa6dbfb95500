#pragma once

#include <string>
#include <string_view>

#include "issue_sink.hpp"

namespace spillway::config {

// No control character in it: nothing that could end a header line, a log line or a C string.
bool is_clean_text(std::string_view s) noexcept;

// Byte by byte checks before the YAML parser sees the text: UTF-8 without NUL and control characters, no tab that
// indents. A byte order mark is taken off `text`. False when the text must not be parsed.
bool check_bytes(std::string_view& text, issue_sink& issues);

// 32 hex digits that change when a byte changes. For comparing replicas, not against an attacker.
std::string content_hash(std::string_view bytes);

}  // namespace spillway::config
