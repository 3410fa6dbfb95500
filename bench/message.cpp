#include "message.hpp"

#include <algorithm>
#include <cstring>

#include <spillway/base/text.hpp>

namespace spillway::bench {
namespace {

constexpr std::size_t longest_head = 64 * 1024;

bool take_field(std::string_view line, head& into) noexcept {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    const auto name = line.substr(0, colon), value = text::trim(line.substr(colon + 1));
    switch (name.size()) {
        case 6:
            if (text::iequals(name, "expect")) into.expects_continue = true;
            break;
        case 10:
            if (text::iequals(name, "connection")) into.close = text::iequals(value, "close");
            break;
        case 12:
            if (text::iequals(name, "content-type"))
                into.event_stream = text::istarts_with(value, "text/event-stream");
            break;
        case 14:
            if (text::iequals(name, "content-length")) {
                const auto n = text::parse_unsigned(value);
                if (!n || into.has_length) return false;
                into.length = *n;
                into.has_length = true;
            }
            break;
        case 17:
            if (text::iequals(name, "transfer-encoding")) {
                if (into.chunked || !text::iequals(value, "chunked")) return false;
                into.chunked = true;
            }
            break;
        default: break;
    }
    return true;
}

int status_of(std::string_view line) noexcept {
    if (line.size() < 12 || !line.starts_with("HTTP/1.")) return 0;
    return static_cast<int>(text::parse_unsigned(line.substr(9, 3)).value_or(0));
}

bool parse_chunk_size(std::string_view line, std::uint64_t& size) noexcept {
    size = 0;
    const auto digits = line.substr(0, line.find(';'));
    if (digits.empty() || digits.size() > 15) return false;
    for (const char c : digits) {
        const char l = text::lower(c);
        const int v = l >= '0' && l <= '9' ? l - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
        if (v < 0) return false;
        size = size * 16 + static_cast<unsigned>(v);
    }
    return true;
}

}  // namespace

bool parse_head(std::string_view bytes, head& into) noexcept {
    into = {};
    auto end = bytes.find("\r\n");
    into.first_line = bytes.substr(0, end);
    while (true) {
        bytes.remove_prefix(end + 2);
        end = bytes.find("\r\n");
        if (end == std::string_view::npos) return false;
        if (end == 0) return !(into.chunked && into.has_length);
        if (!take_field(bytes.substr(0, end), into)) return false;
    }
}

void event_counter::feed(std::string_view payload) noexcept {
    // An event ends with a blank line, which two pieces of payload may share.
    if (!payload.empty() && payload.front() == '\n' && tail_[sizeof tail_ - 1] == '\n') ++events_;
    for (std::size_t at = 0; (at = payload.find("\n\n", at)) != std::string_view::npos; at += 2) ++events_;
    const std::size_t n = std::min(payload.size(), sizeof tail_);
    std::memmove(tail_, tail_ + n, sizeof tail_ - n);
    std::memcpy(tail_ + sizeof tail_ - n, payload.data() + payload.size() - n, n);
}

void message_reader::reset() {
    state_ = state::head;
    partial_.clear();
    line_.clear();
    body_bytes_ = 0;
    status_ = 0;
    events_ = {};
}

progress message_reader::feed(std::string_view bytes) {
    while (state_ != state::done) {
        if (bytes.empty()) return progress::need_more;
        progress p = progress::malformed;
        if (state_ == state::head) p = take_head(bytes);
        else if (state_ == state::fixed) p = take_fixed(bytes);
        else p = take_chunked(bytes);
        if (p == progress::malformed) return p;
    }
    // No one may send ahead of the next request.
    return bytes.empty() ? progress::complete : progress::malformed;
}

progress message_reader::take_head(std::string_view& bytes) {
    std::string_view whole;
    if (partial_.empty()) {
        if (const auto end = bytes.find("\r\n\r\n"); end != std::string_view::npos) {
            whole = bytes.substr(0, end + 4);
            bytes.remove_prefix(end + 4);
        }
    }
    if (whole.empty()) {
        const auto held = partial_.size();
        partial_.append(bytes);
        const auto end = partial_.find("\r\n\r\n", held < 3 ? 0 : held - 3);
        if (end == std::string::npos) {
            bytes = {};
            return partial_.size() > longest_head ? progress::malformed : progress::need_more;
        }
        bytes.remove_prefix(end + 4 - held);
        partial_.resize(end + 4);
        whole = partial_;
    }
    if (!parse_head(whole, head_)) return progress::malformed;
    if (head_.first_line.starts_with("HTTP/")) {
        status_ = status_of(head_.first_line);
        if (status_ == 0) return progress::malformed;
        // An interim answer is followed by the real one; one without a length ends with the connection, which no
        // server of the benchmark does.
        if (status_ < 200) {
            partial_.clear();
            return progress::need_more;
        }
        if (!head_.chunked && !head_.has_length && status_ != 204 && status_ != 304) return progress::malformed;
    }
    left_ = head_.length;
    state_ = head_.chunked ? state::chunk_size : left_ == 0 ? state::done : state::fixed;
    return progress::need_more;
}

progress message_reader::take_fixed(std::string_view& bytes) {
    const auto n = std::min<std::uint64_t>(left_, bytes.size());
    take_payload(bytes.substr(0, n));
    bytes.remove_prefix(n);
    left_ -= n;
    if (left_ == 0) state_ = state::done;
    return progress::need_more;
}

progress message_reader::take_chunked(std::string_view& bytes) {
    if (state_ == state::chunk_data) {
        const auto n = std::min<std::uint64_t>(left_, bytes.size());
        take_payload(bytes.substr(0, n));
        bytes.remove_prefix(n);
        left_ -= n;
        if (left_ == 0) state_ = state::chunk_end;
        return progress::need_more;
    }
    std::string_view line;
    if (!take_line(bytes, line)) return line_.size() > 1024 ? progress::malformed : progress::need_more;
    bool ok = true;
    if (state_ == state::chunk_end) {
        ok = line.empty();
        state_ = state::chunk_size;
    } else if (state_ == state::chunk_size) {
        ok = parse_chunk_size(line, left_);
        state_ = left_ == 0 ? state::trailer : state::chunk_data;
    } else if (line.empty()) {
        state_ = state::done;
    }
    line_.clear();
    return ok ? progress::need_more : progress::malformed;
}

bool message_reader::take_line(std::string_view& bytes, std::string_view& line) {
    const auto end = bytes.find('\n');
    if (end == std::string_view::npos || !line_.empty()) {
        const auto n = end == std::string_view::npos ? bytes.size() : end + 1;
        line_.append(bytes.substr(0, n));
        bytes.remove_prefix(n);
        if (end == std::string_view::npos) return false;
        line = line_;
    } else {
        line = bytes.substr(0, end + 1);
        bytes.remove_prefix(end + 1);
    }
    line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return true;
}

void message_reader::take_payload(std::string_view payload) noexcept {
    body_bytes_ += payload.size();
    if (head_.event_stream) events_.feed(payload);
}

}  // namespace spillway::bench
