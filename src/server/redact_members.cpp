#include <algorithm>

#include <spillway/http/json_scan.hpp>
#include <spillway/server/redact.hpp>

namespace spillway::server {
namespace {

constexpr std::string_view redacted_value = "\"[redacted]\"";

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_number(char c) noexcept {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

// Walks over strings and looks at what follows them. It keeps no stack: depth is counted inside a member that is
// taken out alone, so that text of any nesting costs the same.
class walk {
public:
    walk(std::string_view text, const std::vector<std::string>& names) : in_(text), names_(names) {
        out_.reserve(text.size());
    }

    std::string run() {
        while (at_ < in_.size() && !broken_) {
            const char c = in_[at_];
            if (c == '"') {
                string();
            } else if (depth_ != 0 && (c == '-' || (c >= '0' && c <= '9'))) {
                number();
            } else {
                if (depth_ != 0) count(c);
                out_ += c;
                ++at_;
            }
        }
        return std::move(out_);
    }

private:
    void count(char c) noexcept {
        if (c == '{' || c == '[') ++depth_;
        else if (c == '}' || c == ']') --depth_;
    }

    // The place behind the closing quote of the string that begins at `from`. A line end inside is no JSON: the
    // string counts as ended there, so that one stray quote does not turn everything after it inside out.
    std::size_t end_of_string(std::size_t from, bool& closed) const noexcept {
        closed = false;
        for (std::size_t i = from + 1; i < in_.size(); ++i) {
            if (in_[i] == '\\') {
                ++i;
            } else if (in_[i] == '"') {
                closed = true;
                return i + 1;
            } else if (in_[i] == '\n' || in_[i] == '\r') {
                return i;
            }
        }
        return in_.size();
    }

    std::size_t behind_space(std::size_t i) const noexcept {
        while (i < in_.size() && is_space(in_[i])) ++i;
        return i;
    }

    void string() {
        bool closed = false;
        const std::size_t end = end_of_string(at_, closed);
        const std::size_t colon = behind_space(end);
        const bool name = closed && colon < in_.size() && in_[colon] == ':';
        if (!name && depth_ != 0) return hide_string(end, closed);
        const auto raw = in_.substr(at_, end - at_);
        out_ += raw;
        at_ = end;
        if (!name || depth_ != 0 || !wanted(raw)) return;
        const std::size_t value = behind_space(colon + 1);
        out_ += in_.substr(at_, value - at_);
        at_ = value;
        if (at_ == in_.size()) return;
        if (in_[at_] == '"') {
            const std::size_t value_end = end_of_string(at_, closed);
            hide_string(value_end, closed);
        } else if (is_number(in_[at_])) {
            number();
        } else if (in_[at_] == '{' || in_[at_] == '[') {
            depth_ = 1;
            out_ += in_[at_++];
        }
    }

    void hide_string(std::size_t end, bool closed) {
        out_ += redacted_value;
        if (!closed && end < in_.size()) broken_ = true;
        at_ = end;
    }

    void number() {
        out_ += redacted_value;
        while (at_ < in_.size() && is_number(in_[at_])) ++at_;
    }

    bool wanted(std::string_view raw) {
        room_.resize(raw.size());
        const auto name = http::decode_json_string(raw, room_);
        return std::binary_search(names_.begin(), names_.end(), name.value_or(raw.substr(1, raw.size() - 2)));
    }

    std::string_view in_;
    const std::vector<std::string>& names_;
    std::string out_;
    std::string room_;
    std::size_t at_{0};
    std::size_t depth_{0};
    bool broken_{false};
};

}  // namespace

std::string redact_members(std::string_view text, const std::vector<std::string>& names) {
    if (names.empty()) return std::string(text);
    return walk(text, names).run();
}

}  // namespace spillway::server
