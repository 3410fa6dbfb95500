#include <spillway/http/writer.hpp>

#include <spillway/http/local_reply.hpp>

#include "bytes.hpp"

namespace spillway::http {

void head_writer::put(std::string_view s) noexcept {
    if (overflowed_ || s.size() > room_.size() - size_) {
        overflowed_ = true;
        return;
    }
    if (!s.empty()) std::memcpy(room_.data() + size_, s.data(), s.size());
    size_ += s.size();
}

void head_writer::put_value(std::string_view s) noexcept {
    const char* end = s.data() + s.size();
    if (bytes::find(s.data(), end, bytes::control{}) != end) {
        refused_ = true;
        return;
    }
    put(s);
}

void head_writer::put_target(std::string_view s) noexcept {
    const char* end = s.data() + s.size();
    if (bytes::find(s.data(), end, bytes::not_visible{}) != end) {
        refused_ = true;
        return;
    }
    put(s);
}

void head_writer::put_number(std::uint64_t n) noexcept {
    char digits[20];
    std::size_t at = sizeof digits;
    do {
        digits[--at] = static_cast<char>('0' + n % 10);
        n /= 10;
    } while (n != 0);
    put({digits + at, sizeof digits - at});
}

void head_writer::request_line(std::string_view method, std::string_view target) noexcept {
    request_line(method, target, false, {});
}

void head_writer::request_line(std::string_view method, std::string_view path, bool has_query,
                               std::string_view query) noexcept {
    if (!bytes::is_token(method) || path.empty()) refused_ = true;
    put_target(method);
    put(" ");
    put_target(path);
    if (has_query) put("?");
    put_target(query);
    put(" HTTP/1.1\r\n");
}

void head_writer::status_line(int status, std::string_view reason) noexcept {
    if (status < 100 || status > 999) {
        refused_ = true;
        return;
    }
    put("HTTP/1.1 ");
    put_number(static_cast<std::uint64_t>(status));
    put(" ");
    put_value(reason.empty() ? reason_phrase(status) : reason);
    put("\r\n");
}

void head_writer::begin_field(std::string_view name) noexcept {
    if (!bytes::is_token(name)) refused_ = true;
    put(name);
    put(": ");
}

void head_writer::value_part(std::string_view part) noexcept { put_value(part); }
void head_writer::end_field() noexcept { put("\r\n"); }

void head_writer::field(std::string_view name, std::string_view value) noexcept {
    begin_field(name);
    put_value(value);
    put("\r\n");
}

void head_writer::field(std::string_view name, std::uint64_t value) noexcept {
    begin_field(name);
    put_number(value);
    put("\r\n");
}

void head_writer::end() noexcept { put("\r\n"); }

}  // namespace spillway::http
