#pragma once

#include <string>
#include <string_view>

// JSON strings for what is written by hand, without a tree of values: log lines, error bodies, spans.
namespace spillway::text {

// Appends `s` as the inside of a JSON string: quotes, backslashes and control characters escaped; bytes that are not
// UTF-8 become U+FFFD, so that a log line or error body is valid JSON whatever a peer sent.
void append_json_escaped(std::string& out, std::string_view s);
// The same with its quotes.
void append_json_string(std::string& out, std::string_view s);
// `"name":"value"`, with a comma in front unless the object has just been opened.
void append_json_member(std::string& out, std::string_view name, std::string_view value);

}  // namespace spillway::text
