#include <spillway/http/usage_tap.hpp>

#include <cstring>

namespace spillway::http {
namespace {

constexpr std::string_view name = "\"usage\"";

constexpr bool blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

void usage_tap::feed(std::string_view bytes) noexcept {
    std::size_t at = 0;
    while (at < bytes.size()) {
        if (state_ == state::search) {
            at = search(bytes, at);
            continue;
        }
        follow(bytes[at++]);
    }
}

// Looks for the name; returns where it stopped. A name that is cut by the end of the slice is remembered.
std::size_t usage_tap::search(std::string_view bytes, std::size_t at) noexcept {
    while (at < bytes.size()) {
        if (matched_ == 0) {
            const auto* quote = static_cast<const char*>(std::memchr(bytes.data() + at, '"', bytes.size() - at));
            if (quote == nullptr) return bytes.size();
            at = static_cast<std::size_t>(quote - bytes.data()) + 1;
            matched_ = 1;
            continue;
        }
        if (bytes[at] == name[matched_]) {
            ++at;
            if (++matched_ == name.size()) {
                matched_ = 0;
                state_ = state::colon;
                return at;
            }
            continue;
        }
        // A quote may begin the next try.
        matched_ = 0;
    }
    return at;
}

void usage_tap::copy(char c) noexcept {
    if (growing_ < capacity) kept_[which_ ^ 1U][growing_] = c;
    ++growing_;
}

void usage_tap::follow(char c) noexcept {
    switch (state_) {
        case state::search: break;
        case state::colon:
            if (blank(c)) return;
            state_ = c == ':' ? state::brace : state::search;
            // The closing quote of what was taken for a name may open a string.
            if (c == '"') matched_ = 1;
            return;
        case state::brace:
            if (blank(c)) return;
            if (c != '{') {
                state_ = state::search;
                if (c == '"') matched_ = 1;
                return;
            }
            growing_ = 0;
            depth_ = 1;
            copy(c);
            state_ = state::copy;
            return;
        case state::copy:
            copy(c);
            if (c == '"') {
                state_ = state::string;
            } else if (c == '{' || c == '[') {
                ++depth_;
            } else if ((c == '}' || c == ']') && --depth_ == 0) {
                if (growing_ <= capacity) {
                    which_ ^= 1U;
                    size_ = growing_;
                }
                state_ = state::search;
            }
            return;
        case state::string:
            copy(c);
            if (c == '"') state_ = state::copy;
            if (c == '\\') state_ = state::escape;
            return;
        case state::escape:
            copy(c);
            state_ = state::string;
            return;
    }
}

}  // namespace spillway::http
