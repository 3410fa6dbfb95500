#include <spillway/http/sse.hpp>

#include <algorithm>
#include <cstring>
#include <new>

#include <spillway/base/text.hpp>
#include <spillway/http/json_scan.hpp>

#include "bytes.hpp"

namespace spillway::http {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// The value behind `"name":` in data that may be cut off anywhere; empty when it is not there.
std::string_view value_of(std::string_view data, std::string_view quoted_name) noexcept {
    const auto at = bytes::find_text(data, quoted_name);
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
    if (bytes::find_text(data, name) == std::string_view::npos) return false;
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

bool is_preamble_name(std::string_view name) noexcept {
    for (const std::string_view word : {"response.created", "response.queued", "response.in_progress", "keepalive",
                                        "keep-alive", "heartbeat", "ping"})
        if (name == word) return true;
    return false;
}

// Whether the line ends here, and an empty one follows.
bool ends_event(std::string_view rest) noexcept {
    const auto skip = [&rest] {
        if (rest.empty()) return false;
        const bool cr = rest.front() == '\r';
        if (!cr && rest.front() != '\n') return false;
        rest.remove_prefix(1);
        if (cr && !rest.empty() && rest.front() == '\n') rest.remove_prefix(1);
        return true;
    };
    return skip() && skip();
}

// The last event of a stream, where it is no failure.
bool is_end_name(std::string_view name) noexcept {
    if (name.empty()) return false;  // chunks of a chat have none
    for (const std::string_view word :
         {"response.completed", "response.incomplete", "response.cancelled", "done", "image_generation.completed",
          "image_edit.completed", "speech.audio.done", "transcript.text.done"})
        if (name == word) return true;
    return false;
}

// The word of `{"type":"..."`, for servers that leave the event's name to it. Chunks of a chat begin otherwise.
std::string_view leading_type(std::string_view data) noexcept {
    constexpr std::string_view front = R"({"type":)";
    if (!data.starts_with(front)) return {};
    data.remove_prefix(front.size());
    if (data.starts_with(' ')) data.remove_prefix(1);
    if (!data.starts_with('"')) return {};
    const auto end = data.find('"', 1);
    return end == std::string_view::npos ? std::string_view{} : data.substr(1, end - 1);
}

bool is_empty_array(std::string_view raw) noexcept {
    return !raw.empty() && raw.front() == '[' && text::trim(raw.substr(1)) == "]";
}

}  // namespace

bool is_error_event(std::string_view name, std::string_view data) noexcept {
    return is_failure_name(name) || has_top_level_error(data);
}

event_meaning meaning_of(std::string_view name, std::string_view data) noexcept {
    if (is_failure_name(name)) return event_meaning::error;
    if (is_preamble_name(name) || text::trim(data).empty() || data == "[DONE]") return event_meaning::nothing;
    json_query q;
    const auto error = q.want("error"), type = q.want("type"), choices = q.want("choices"), usage = q.want("usage"),
               filter = q.want("prompt_filter_results"), older_filter = q.want("prompt_annotations");
    // What is no JSON, or is cut, is the client's to see; only a failure must not pass for that reason.
    if (scan_json_object(data, q) != json_error::none)
        return has_top_level_error(data) ? event_meaning::error : event_meaning::something;
    if (q[error].present() && q[error].kind != json_kind::null) return event_meaning::error;
    if (q[type].kind == json_kind::string) {
        const auto word = q[type].raw.substr(1, q[type].raw.size() - 2);
        if (is_failure_name(word)) return event_meaning::error;
        if (is_preamble_name(word)) return event_meaning::nothing;
    }
    const bool no_choices =
        q[choices].present() ? is_empty_array(q[choices].raw) : q[filter].present() || q[older_filter].present();
    if ((name.empty() && q.members() == 0) || (no_choices && q[usage].kind != json_kind::object))
        return event_meaning::nothing;
    return event_meaning::something;
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
        event_ends_ = ends_event(payload.substr(n));
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
            // The lines of one event are one text.
            whole_ = event_ends_ && !has_data_;
            if (has_data_) value_part("\n");
            else if (usage_.wants_text()) usage_.event_name({name_.data(), name_size_});
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
    if (start_data_ != nullptr) keep_start(part);
    if (whole_) usage_.feed_whole(part);
    else usage_.feed(part);
}

void sse_scanner::watch_start(std::string* data) {
    start_data_ = data;
    if (data != nullptr) data->clear();
}

void sse_scanner::keep_start(std::string_view part) noexcept {
    const auto n = std::min(part.size(), start_bytes - std::min(start_bytes, start_data_->size()));
    try {
        start_data_->append(part.substr(0, n));
    } catch (const std::bad_alloc&) {
        start_ = event_meaning::something;  // the answer goes on unjudged
        start_data_ = nullptr;
    }
}

void sse_scanner::keep_first(std::string_view part) noexcept {
    if (events_ > 0) return;
    auto& e = first_;
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
    has_lines_ = true;
    line_empty_ = true;
    kind_ = line_kind::unknown;
    field_size_ = 0;
}

void sse_scanner::end_event() noexcept {
    if (has_data_) {
        usage_.cut();
        if (events_ == 0) {
            std::memcpy(first_.name.data(), name_.data(), name_size_);
            first_.name_size = name_size_;
            first_.complete = true;
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
    if (start_data_ != nullptr) {
        start_ = meaning_of(name, *start_data_);
        if (start_ != event_meaning::error) start_data_->clear();
        if (start_ != event_meaning::nothing) start_data_ = nullptr;
    }
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
    else if (data == "[DONE]" || is_end_name(name.empty() ? leading_type(data) : name)) terminal_ = outcome::clean;
}

bool sse_scanner::has_end_mark() const noexcept {
    return terminal() || (has_data_ && std::string_view(line_.data(), line_size_) == "[DONE]");
}

sse_position sse_scanner::position() const noexcept {
    if (!line_empty_) return sse_position::inside_line;
    // After a CR the LF that may follow belongs to the same line end.
    if (pending_cr_) return sse_position::inside_line;
    return has_lines_ ? sse_position::between_lines : sse_position::boundary;
}

sse_scanner::event sse_scanner::first() const noexcept {
    const auto& e = first_;
    const std::string_view name =
        !e.complete ? std::string_view(name_.data(), name_size_) : std::string_view(e.name.data(), e.name_size);
    return {name, {e.data.data(), e.data_size}, e.truncated, e.complete};
}

}  // namespace spillway::http
