#include <spillway/http/writer.hpp>

#include <algorithm>
#include <charconv>

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

namespace {

// Small numbers are the usual ones, and divide faster.
char* write_number(char* to, std::uint64_t n) noexcept {
    constexpr std::size_t most = 20;
    if (n <= UINT32_MAX) return std::to_chars(to, to + most, static_cast<std::uint32_t>(n)).ptr;
    return std::to_chars(to, to + most, n).ptr;
}

}  // namespace

void head_writer::put_number(std::uint64_t n) noexcept {
    char digits[20];
    put({digits, static_cast<std::size_t>(write_number(digits, n) - digits)});
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

namespace {

// What we know needs no look at each of its bytes.
static_assert(std::all_of(std::begin(detail::field_infos) + 1, std::end(detail::field_infos),
                          [](const field_info& f) {
                              return !f.name.empty() && std::all_of(f.name.begin(), f.name.end(), [](char c) {
                                  return bytes::token_table[static_cast<unsigned char>(c)];
                              });
                          }));

}  // namespace

void head_writer::field(field_id id, std::string_view value) noexcept {
    if (id == field_id::unknown) refused_ = true;
    put(name_of(id));
    put(": ");
    put_value(value);
    put("\r\n");
}

void head_writer::field(field_id id, std::uint64_t value) noexcept {
    if (id == field_id::unknown) refused_ = true;
    const std::string_view name = name_of(id);
    constexpr std::size_t most_besides = 2 + 20 + 2;
    if (overflowed_ || name.size() + most_besides > room_.size() - size_) {
        overflowed_ = true;
        return;
    }
    char* to = room_.data() + size_;
    to = std::copy(name.begin(), name.end(), to);
    *to++ = ':';
    *to++ = ' ';
    to = write_number(to, value);
    *to++ = '\r';
    *to++ = '\n';
    size_ = static_cast<std::size_t>(to - room_.data());
}

void head_writer::end() noexcept { put("\r\n"); }

}  // namespace spillway::http
