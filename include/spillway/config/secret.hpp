#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include <spillway/base/fault.hpp>

namespace spillway::config {

// Answers what an environment variable holds; nothing when it is not set. Tests pass a table.
using environment = std::function<std::optional<std::string>(std::string_view name)>;

// The environment of this process.
environment process_environment();

// Where a secret comes from. The value of a literal is reachable only through resolve(): neither operator<< nor
// describe() ever show it, so that a secret cannot slip into a log, a status page or a core message by accident.
class secret_ref {
public:
    enum class kind : std::uint8_t { literal, env, file };

    secret_ref() = default;
    static secret_ref literal(std::string value) { return {kind::literal, std::move(value), std::nullopt}; }
    static secret_ref env(std::string name, std::optional<std::string> fallback = std::nullopt) {
        return {kind::env, std::move(name), std::move(fallback)};
    }
    static secret_ref file(std::string path) { return {kind::file, std::move(path), std::nullopt}; }

    kind where() const noexcept { return kind_; }
    // Never set, or set to nothing.
    bool empty() const noexcept { return kind_ == kind::literal && text_.empty(); }
    // The path of a file secret (the server watches it for rotation) or the name of a variable; empty for a literal.
    std::string_view place() const noexcept { return kind_ == kind::literal ? std::string_view{} : text_; }
    // "file:/etc/key", "env:WEU_KEY" or "literal:***".
    std::string describe() const;

    friend bool operator==(const secret_ref&, const secret_ref&) = default;
    friend std::ostream& operator<<(std::ostream& out, const secret_ref& s);

private:
    friend result<std::string> resolve(const secret_ref& ref, const environment& env);
    secret_ref(kind k, std::string text, std::optional<std::string> fallback)
        : kind_(k), text_(std::move(text)), fallback_(std::move(fallback)) {}

    kind kind_{kind::literal};
    std::string text_;
    std::optional<std::string> fallback_;  // of an env secret: `${NAME:-fallback}`
};

// The secret's value, without one trailing newline and without a byte order mark. Blocks on the file system: call it
// off the workers. Faults: `secret_unreadable` (file missing, unreadable, above 64 KiB), `secret_unset` (variable),
// `secret_empty`, `secret_unusable` (UTF-16, a NUL).
result<std::string> resolve(const secret_ref& ref, const environment& env = process_environment());

// The same for a secret of one line, such as a password: a control character inside is `secret_unusable`.
result<std::string> resolve_line(const secret_ref& ref, const environment& env = process_environment());

// The same for what travels in a header field, such as a key: printable ASCII without a blank at an end.
result<std::string> resolve_field(const secret_ref& ref, const environment& env = process_environment());

}  // namespace spillway::config
