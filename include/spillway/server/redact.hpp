#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>

struct pcre2_real_code_8;

namespace spillway::server {

// Takes out of a captured text what may not be kept: first the values of named JSON members, then what matches a
// pattern. Both look at the text as it went over the wire: a character that is written as \uXXXX, or a word that a
// stream spreads over several events, is not seen by a pattern.
class redactor {
public:
    redactor() = default;  // takes nothing out

    // Fault: `capture_pattern`, which names the pattern and where it breaks.
    static result<redactor> make(const config::capture& from);

    // Valid UTF-8, with [redacted] in place of what was taken out. When a pattern takes too long to search for, the
    // whole text becomes one [redacted]: nothing that could not be checked is kept.
    std::string apply(std::string_view text) const;

    // The most processor time that apply() spends on patterns, about: one call of the library more.
    static constexpr duration patience = milliseconds(250);

private:
    bool replace(const pcre2_real_code_8& pattern, std::string& text, duration until) const;

    std::vector<std::shared_ptr<const pcre2_real_code_8>> patterns_;
    std::vector<std::string> fields_;  // sorted
};

// The values of members of these names (sorted), at any depth: texts and numbers, also those inside when the value is
// an object or array. Works on one JSON text, on many (server-sent events), and on what was cut off. JSON that is
// broken inside such a value ends the text there.
std::string redact_members(std::string_view text, const std::vector<std::string>& names);

}  // namespace spillway::server
