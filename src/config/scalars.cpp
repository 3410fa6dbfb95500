#include <algorithm>
#include <memory>

#include <spillway/base/text.hpp>

#include "keys.hpp"

namespace spillway::config {
namespace {

std::string quoted(std::string_view s) {
    constexpr std::size_t longest = 60;
    return "'" + std::string(s.substr(0, longest)) + (s.size() > longest ? "...'" : "'");
}

using outcome = std::optional<problem>;

std::string between(std::string_view what, const std::string& least, const std::string& most) {
    return std::string(what) + ", " + least + " to " + most;
}

// Reads by `parse`, checks the range, hands over to `set`.
template <class T, class Parse, class Print, class Set>
scalar ranged(scalar::shape what, std::string_view kind, T least, T most, Parse parse, Print print, Set set,
              std::string_view example) {
    scalar s;
    s.what = what;
    s.words = between(kind, print(least), print(most));
    s.read = [=](const scalar_text& t) -> outcome {
        const auto v = parse(t.value);
        if (!v) return problem{quoted(t.value) + " is not a " + std::string(kind), "write " + std::string(example)};
        if (*v < least || *v > most) {
            return problem{quoted(t.value) + " is out of range", "write " + print(least) + " to " + print(most)};
        }
        set(*v);
        return std::nullopt;
    };
    return s;
}

template <class Set>
scalar count_with(std::uint32_t least, std::uint32_t most, Set set) {
    const auto print = [](std::uint64_t n) { return std::to_string(n); };
    auto s = ranged<std::uint64_t>(
        scalar::shape::count, "number", least, most, parse_count, print,
        [set](std::uint64_t n) { set(static_cast<std::uint32_t>(n)); }, "digits, such as 100, 600k or 50M");
    s.range = {least, most};
    return s;
}

template <class Set>
scalar time_with(duration least, duration most, Set set) {
    return ranged<duration>(scalar::shape::time, "duration", least, most, parse_duration, print_duration, set,
                            "a whole number with ms, s, m, h or d, such as 250ms or 5m");
}

template <class Set>
scalar flag_with(Set set) {
    scalar s;
    s.what = scalar::shape::flag;
    s.words = "true or false";
    s.read = [set](const scalar_text& t) -> outcome {
        if (t.value != "true" && t.value != "false") {
            return problem{quoted(t.value) + " is neither true nor false", "write true or false"};
        }
        set(t.value == "true");
        return std::nullopt;
    };
    return s;
}

bool is_hash(std::string_view s) noexcept {
    key_hash h;
    return s.starts_with("sha256:") && text::from_hex(s.substr(7), h.bytes);
}

}  // namespace

scalar text_of(std::string& out, std::string pattern, std::string words) {
    scalar s;
    s.words = std::move(words);
    s.pattern = std::move(pattern);
    s.shown_default = out;
    s.read = [&out](const scalar_text& t) -> outcome {
        out = t.value;
        return std::nullopt;
    };
    return s;
}

scalar word_of(std::string& out, std::size_t longest, letters which) {
    auto s = text_of(out);
    s.read = [&out, longest, which](const scalar_text& t) -> outcome {
        if (!t.value.empty() && (t.value.front() == ' ' || t.value.back() == ' '))
            return problem{quoted(t.value) + " begins or ends with a blank", "take it away"};
        const bool foreign = std::any_of(t.value.begin(), t.value.end(), [which](char c) {
            const auto u = static_cast<unsigned char>(c);
            return u == 0x7F || (u > 0x7F && which == letters::ascii);
        });
        if (foreign)
            return problem{quoted(t.value) + " has a character that no header field can carry", "write plain ASCII"};
        if (t.value.size() > longest)
            return problem{quoted(t.value) + " is too long",
                           "write at most " + std::to_string(longest) + " characters"};
        out = t.value;
        return std::nullopt;
    };
    return s;
}

scalar text_of(std::optional<std::string>& out, std::string words) {
    scalar s;
    s.words = std::move(words);
    s.read = [&out](const scalar_text& t) -> outcome {
        out = t.value;
        return std::nullopt;
    };
    return s;
}

scalar flag_of(bool& out) {
    auto s = flag_with([&out](bool v) { out = v; });
    s.shown_default = out ? "true" : "false";
    return s;
}

scalar flag_of(std::optional<bool>& out) {
    return flag_with([&out](bool v) { out = v; });
}

scalar count_of(std::uint32_t& out, std::uint32_t least, std::uint32_t most) {
    auto s = count_with(least, most, [&out](std::uint32_t v) { out = v; });
    s.shown_default = std::to_string(out);
    return s;
}

scalar count_of(std::optional<std::uint32_t>& out, std::uint32_t least, std::uint32_t most) {
    return count_with(least, most, [&out](std::uint32_t v) { out = v; });
}

scalar count_of(std::optional<std::uint64_t>& out, std::uint64_t least, std::uint64_t most) {
    auto s = ranged<std::uint64_t>(
        scalar::shape::count, "number", least, most, parse_count, [](std::uint64_t v) { return std::to_string(v); },
        [&out](std::uint64_t v) { out = v; }, "a whole number, such as 600, 120k or 50M");
    s.range = {least, most};
    return s;
}

namespace {

scalar decimal_with(int places, std::string_view what, std::function<void(std::int64_t)> set) {
    scalar s;
    s.words = "amount, such as 2.50";
    s.read = [places, what, set = std::move(set)](const scalar_text& t) -> outcome {
        const auto v = parse_decimal(t.value, places);
        if (!v) return problem{quoted(t.value) + " is no " + std::string(what), "write a number such as 2.50"};
        set(*v);
        return std::nullopt;
    };
    return s;
}

}  // namespace

scalar price_of(std::int64_t& out) {
    return decimal_with(6, "price for a million tokens", [&out](std::int64_t v) { out = v; });
}

scalar price_of(std::optional<std::int64_t>& out) {
    return decimal_with(6, "price for a million tokens", [&out](std::int64_t v) { out = v; });
}

scalar money_of(std::optional<std::int64_t>& out) {
    return decimal_with(9, "amount of money", [&out](std::int64_t v) { out = v; });
}

scalar size_of(std::uint64_t& out, std::uint64_t least, std::uint64_t most) {
    auto s = ranged<std::uint64_t>(
        scalar::shape::size, "size", least, most, parse_size, print_size, [&out](std::uint64_t v) { out = v; },
        "bytes, or a whole number with KiB, MiB or GiB, such as 16KiB");
    s.shown_default = print_size(out);
    return s;
}

scalar time_of(duration& out, duration least, duration most) {
    auto s = time_with(least, most, [&out](duration v) { out = v; });
    s.shown_default = print_duration(out);
    return s;
}

scalar time_of(std::optional<duration>& out, duration least, duration most) {
    return time_with(least, most, [&out](duration v) { out = v; });
}

scalar share_of(double& out) {
    auto s = ranged<double>(
        scalar::shape::share, "share", 0.0, 1.0, parse_share, print_percent, [&out](double v) { out = v; },
        "a percentage such as 20%, or 0.2");
    s.shown_default = print_percent(out);
    return s;
}

scalar choice_of(std::string_view shown_default, names all, std::function<void(std::size_t)> set) {
    scalar s;
    s.what = scalar::shape::choice;
    s.choices.assign(all.begin(), all.end());
    for (const auto name : all) s.words += (s.words.empty() ? "" : ", ") + std::string(name);
    s.shown_default = shown_default;
    s.read = [choices = s.choices, words = s.words, set = std::move(set)](const scalar_text& t) -> outcome {
        const auto it = std::find(choices.begin(), choices.end(), t.value);
        if (it == choices.end()) {
            return problem{quoted(t.value) + " is not one of: " + words,
                           did_you_mean(t.value, choices, "choose one")};
        }
        set(static_cast<std::size_t>(it - choices.begin()));
        return std::nullopt;
    };
    return s;
}

scalar secret_of(secret_ref& out, bool may_be_hash) {
    scalar s;
    s.what = scalar::shape::secret;
    s.words = may_be_hash ? "secret reference, or sha256: of one" : "secret reference";
    // The value stays out of every message.
    s.read = [&out, may_be_hash](const scalar_text& t) -> outcome {
        if (t.value.starts_with("file:")) {
            if (t.value.size() == 5) return problem{"file: names no file", "write file:/path"};
            out = secret_ref::file(std::string(t.value.substr(5)));
            return std::nullopt;
        }
        // Only what is one reference and nothing else stays a reference; the loader has checked its form.
        if (const auto close = t.raw.find('}'); t.raw.starts_with("${") && close == t.raw.size() - 1) {
            const auto inside = t.raw.substr(2, close - 2);
            const auto dash = inside.find(":-");
            std::optional<std::string> fallback;
            if (dash != std::string_view::npos) fallback = std::string(inside.substr(dash + 2));
            out = secret_ref::env(std::string(inside.substr(0, dash)), std::move(fallback));
            return std::nullopt;
        }
        if (t.value.empty()) return problem{"the secret is empty", "write ${NAME} or file:/path"};
        if (may_be_hash && t.value.starts_with("sha256:") && !is_hash(t.value)) {
            return problem{"the key hash is malformed", "sha256: is followed by 64 hexadecimal digits"};
        }
        out = secret_ref::literal(std::string(t.value));
        if (t.referred || (may_be_hash && is_hash(t.value))) return std::nullopt;
        return problem{"a secret stands in the file in clear",
                       "take it from the environment with ${NAME}, or from a file with file:/path",
                       severity::warning};
    };
    return s;
}

scalar moment_of(std::optional<wall_time>& out) {
    scalar s;
    s.words = "date or time, such as 2026-12-31 or 2026-12-31T18:00:00Z";
    s.read = [&out](const scalar_text& t) -> outcome {
        out = parse_moment(t.value);
        if (out) return std::nullopt;
        return problem{quoted(t.value) + " is neither a date nor a time",
                       "write 2026-12-31, or 2026-12-31T18:00:00Z"};
    };
    return s;
}

scalar hash_of(key_hash& out, std::string_view of) {
    const bool is_key = of == "key";
    scalar s;
    s.what = scalar::shape::hash;
    s.words = "sha256: and 64 hexadecimal digits";
    s.pattern = "sha256:[0-9a-fA-F]{64}";
    s.read = [&out, is_key](const scalar_text& t) -> outcome {
        if (!t.value.starts_with("sha256:") && !is_key) {
            return problem{"a fingerprint is a SHA-256 in hexadecimal digits",
                           "write sha256: and what `openssl x509 -fingerprint -sha256` prints, without colons"};
        }
        if (!t.value.starts_with("sha256:")) {
            return problem{"client keys are stored as hashes only",
                           "run `spillway keys hash` and write the sha256:... that it prints"};
        }
        if (!is_hash(t.value)) {
            return problem{"the key hash is malformed",
                           "sha256: is followed by 64 hexadecimal digits; `spillway keys hash` prints it"};
        }
        text::from_hex(t.value.substr(7), out.bytes);
        return std::nullopt;
    };
    return s;
}

}  // namespace spillway::config
