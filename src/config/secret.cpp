#include <spillway/config/secret.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ostream>

#include <spillway/base/plain_file.hpp>

#include "text_check.hpp"

namespace spillway::config {
namespace {

constexpr std::size_t largest_secret = 64 * 1024;

fault unreadable(std::string message) { return {.code = "secret_unreadable", .message = std::move(message)}; }

fault unusable(const secret_ref& ref, const std::string& why) {
    return {.code = "secret_unusable", .message = "the secret " + ref.describe() + " " + why};
}

// A fault could be made from text, too, so a text has to say that it is the value.
result<std::string> value_of(std::string text) { return {boost::system::in_place_value, std::move(text)}; }

result<std::string> read_file(const std::string& path) {
    auto out = read_plain_file(path, largest_secret + 1);
    if (!out) return unreadable(out.error().about(path));
    if (out->size() > largest_secret) return unreadable("the file " + path + " is too large for a secret");
    return value_of(std::move(*out));
}

}  // namespace

environment process_environment() {
    return [](std::string_view name) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(name).c_str());
        if (value == nullptr) return std::nullopt;
        return value;
    };
}

std::string secret_ref::describe() const {
    switch (kind_) {
        case kind::literal: return "literal:***";
        case kind::env: return "env:" + text_;
        case kind::file: return "file:" + text_;
    }
    return {};
}

std::ostream& operator<<(std::ostream& out, const secret_ref& s) { return out << s.describe(); }

result<std::string> resolve(const secret_ref& ref, const environment& env) {
    result<std::string> out = value_of({});
    switch (ref.kind_) {
        case secret_ref::kind::literal: out = value_of(ref.text_); break;
        case secret_ref::kind::env: {
            auto value = env(ref.text_);
            if ((!value || value->empty()) && ref.fallback_) value = ref.fallback_;
            if (!value)
                return fault{
                    .code = "secret_unset",
                    .message = "the environment variable " + ref.text_ + " is not set; set it before the start"};
            // A variable may itself name a file, as orchestrators that mount secrets like to have it.
            out = value->starts_with("file:") ? read_file(value->substr(5)) : value_of(*value);
            break;
        }
        case secret_ref::kind::file: out = read_file(ref.text_); break;
    }
    if (!out) return out;
    // PowerShell's redirection and Set-Content write these marks in front.
    if (out->starts_with("\xFF\xFE") || out->starts_with("\xFE\xFF"))
        return unusable(ref, "is UTF-16; save it as UTF-8 (in PowerShell: Set-Content -Encoding ascii)");
    if (out->starts_with("\xEF\xBB\xBF")) out->erase(0, 3);
    if (out->find('\0') != std::string::npos) return unusable(ref, "holds a NUL byte; write it as plain text");
    if (out->ends_with("\n")) out->pop_back();
    if (out->ends_with("\r")) out->pop_back();
    if (out->empty()) return fault{.code = "secret_empty", .message = "the secret " + ref.describe() + " is empty"};
    return out;
}

result<std::string> resolve_line(const secret_ref& ref, const environment& env) {
    auto out = resolve(ref, env);
    if (out && out->find_first_of("\r\n") != std::string::npos)
        return unusable(ref, "has line ends inside; write it on one line");
    if (out && !is_clean_text(*out)) return unusable(ref, "holds a control character; write it as plain text");
    return out;
}

result<std::string> resolve_field(const secret_ref& ref, const environment& env) {
    auto out = resolve_line(ref, env);
    if (!out) return out;
    if (out->front() == ' ' || out->back() == ' ') return unusable(ref, "begins or ends with a blank; take it away");
    if (std::any_of(out->begin(), out->end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
        return unusable(ref, "holds a character that no header field can carry; keys are plain ASCII");
    return out;
}

}  // namespace spillway::config
