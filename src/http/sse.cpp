#include <spillway/http/sse.hpp>

#include <algorithm>
#include <cstring>

#include <spillway/http/json_scan.hpp>

#include "bytes.hpp"

namespace spillway::http {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// The value behind `"name":` in data that may be cut off anywhere; empty when it is not there.
std::string_view value_of(std::string_view data, std::string_view quoted_name) noexcept {
    const auto at = data.find(quoted_name);
    if (at == std::string_view::npos) return {};
    auto rest = data.substr(at + quoted_name.size());
    const auto skip = [&] {
        while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
    };
    skip();
    if (rest.empty() || rest.front() != ':') return {};
    rest.remove_prefix(1);
    skip();
    return rest;
}

std::optional<std::uint64_t> number_of(std::string_view s) noexcept {
    std::uint64_t v = 0;
    std::size_t n = 0;
    while (n < s.size() && n < 18 && s[n] >= '0' && s[n] <= '9')
        v = v * 10 + static_cast<std::uint64_t>(s[n++] - '0');
    if (n == 0) return std::nullopt;
    return v;
}

// Whether the object has a top-level member "error" that is not null. The data may be cut, so it is looked through by
// depth, without a claim to be whole.
bool has_top_level_error(std::string_view data) noexcept {
    constexpr std::string_view name = "\"error\"";
    if (data.find(name) == std::string_view::npos) return false;
    std::size_t depth = 0;
    for (std::size_t i = 0; i < data.size(); ++i) {
        const char c = data[i];
        if (c == '{' || c == '[') {
            ++depth;
        } else if (c == '}' || c == ']') {
            if (depth > 0) --depth;
        } else if (c == '"') {
            std::size_t end = i + 1;
            while (end < data.size() && data[end] != '"') end += data[end] == '\\' ? 2 : 1;
            if (depth == 1 && data.substr(i, name.size()) == name) {
                const auto v = value_of(data.substr(i), name);
                if (!v.empty() && v.substr(0, 4) != "null") return true;
            }
            i = end;
        }
    }
    return false;
}

bool is_failure_name(std::string_view name) noexcept {
    return name == "error" || name == "response.failed" || name == "thread.run.failed";
}

}  // namespace

bool is_error_event(std::string_view name, std::string_view data) noexcept {
    return is_failure_name(name) || has_top_level_error(data);
}

std::string_view response_id_of(std::string_view data) noexcept {
    const auto response = value_of(data, "\"response\"");
    const auto id = value_of(response, "\"id\"");
    if (id.size() < 2 || id.front() != '"') return {};
    const auto end = id.find('"', 1);
    return end == std::string_view::npos ? std::string_view{} : id.substr(1, end - 1);
}

void sse_scanner::feed(std::string_view payload) noexcept {
    if (!started_) {
        while (!payload.empty() && mark_ < byte_order_mark.size() && payload.front() == byte_order_mark[mark_]) {
            ++mark_;
            payload.remove_prefix(1);
        }
        if (payload.empty()) return;
        started_ = true;
    }
    if (pending_cr_ && !payload.empty()) {
        pending_cr_ = false;
        if (payload.front() == '\n') payload.remove_prefix(1);
    }
    while (!payload.empty()) {
        const char* begin = payload.data();
        const char* end = bytes::find(begin, begin + payload.size(), bytes::line_end{});
        const auto n = static_cast<std::size_t>(end - begin);
        if (n > 0) line_part(payload.substr(0, n));
        if (n == payload.size()) return;
        const bool cr = *end == '\r';
        end_line();
        payload.remove_prefix(n + 1);
        if (!cr) continue;
        if (payload.empty()) pending_cr_ = true;
        else if (payload.front() == '\n') payload.remove_prefix(1);
    }
}

// A piece of the running line, without its end.
void sse_scanner::line_part(std::string_view part) noexcept {
    line_empty_ = false;
    if (kind_ == line_kind::unknown) {
        while (!part.empty() && part.front() != ':' && field_size_ < field_.size()) {
            field_[field_size_++] = part.front();
            part.remove_prefix(1);
        }
        if (part.empty()) return;
        const std::string_view name(field_.data(), field_size_);
        kind_ = part.front() != ':' ? line_kind::other
                : name == "data"    ? line_kind::data
                : name == "event"   ? line_kind::event
                                    : line_kind::other;
        value_started_ = false;
        if (kind_ == line_kind::data) {
            if (has_data_) {
                keep_first("\n");
                usage_.cut();
            }
            if (usage_.wants_text()) usage_.event_name({name_.data(), name_size_});
            has_data_ = true;
        }
        if (kind_ == line_kind::event) name_size_ = 0;
        part.remove_prefix(1);
        if (name.empty() && kind_ == line_kind::other) return;
    }
    if (part.empty() || kind_ == line_kind::other) return;
    if (!value_started_) {
        value_started_ = true;
        if (part.front() == ' ') part.remove_prefix(1);
    }
    if (!part.empty()) value_part(part);
}

void sse_scanner::value_part(std::string_view part) noexcept {
    if (kind_ == line_kind::event) {
        const auto n = std::min(part.size(), name_.size() - name_size_);
        std::memcpy(name_.data() + name_size_, part.data(), n);
        name_size_ = static_cast<std::uint8_t>(name_size_ + n);
        return;
    }
    const auto n = std::min(part.size(), line_.size() - line_size_);
    std::memcpy(line_.data() + line_size_, part.data(), n);
    line_size_ = static_cast<std::uint16_t>(line_size_ + n);
    keep_first(part);
    usage_.feed(part);
}

void sse_scanner::keep_first(std::string_view part) noexcept {
    if (events_ >= first_events) return;
    auto& e = first_[events_];
    const auto n = std::min(part.size(), e.data.size() - e.data_size);
    std::memcpy(e.data.data() + e.data_size, part.data(), n);
    e.data_size = static_cast<std::uint16_t>(e.data_size + n);
    e.truncated = e.truncated || n < part.size();
}

void sse_scanner::end_line() noexcept {
    if (line_empty_) {
        end_event();
        return;
    }
    // A line without a colon is a field with an empty value.
    if (kind_ == line_kind::unknown && std::string_view(field_.data(), field_size_) == "data") has_data_ = true;
    if (kind_ == line_kind::data) usage_.cut();
    has_lines_ = true;
    line_empty_ = true;
    kind_ = line_kind::unknown;
    field_size_ = 0;
}

void sse_scanner::end_event() noexcept {
    if (has_data_) {
        if (events_ < first_events) {
            auto& e = first_[events_];
            std::memcpy(e.name.data(), name_.data(), name_size_);
            e.name_size = name_size_;
            e.complete = true;
        }
        judge_event();
        ++events_;
    }
    has_data_ = has_lines_ = false;
    name_size_ = 0;
    line_size_ = 0;
}

void sse_scanner::judge_event() noexcept {
    const std::string_view name(name_.data(), name_size_), data(line_.data(), line_size_);
    if (events_ == 0 || numbered_) {
        if (const auto n = number_of(value_of(data, "\"sequence_number\""))) {
            numbered_ = true;
            sequence_ = std::max(sequence_.value_or(0), *n);
        } else if (numbered_ && sequence_) {
            // The number lies behind what is kept of the line; the service counts without gaps.
            sequence_ = *sequence_ + 1;
        }
    }
    if (terminal_ == outcome::error) return;
    if (is_error_event(name, data)) terminal_ = outcome::error;
    else if (data == "[DONE]" || name == "response.completed" || name == "response.incomplete" || name == "done")
        terminal_ = outcome::clean;
}

sse_position sse_scanner::position() const noexcept {
    if (!line_empty_) return sse_position::inside_line;
    // After a CR the LF that may follow belongs to the same line end.
    if (pending_cr_) return sse_position::inside_line;
    return has_lines_ ? sse_position::between_lines : sse_position::boundary;
}

sse_scanner::event sse_scanner::first(std::size_t i) const noexcept {
    if (i >= first_events) return {};
    const auto& e = first_[i];
    const bool running = !e.complete && i == events_;
    const std::string_view name =
        running ? std::string_view(name_.data(), name_size_) : std::string_view(e.name.data(), e.name_size);
    return {name, {e.data.data(), e.data_size}, e.truncated, e.complete};
}

}  // namespace spillway::http
