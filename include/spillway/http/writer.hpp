#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <spillway/http/fields.hpp>

namespace spillway::http {

// Writes a head into memory of the caller, by copying and nothing else. When something does not fit, or when a part
// would break the head apart (CR, LF, NUL), the writer stops and says so: look at ok() once, at the end.
class head_writer {
public:
    explicit head_writer(std::span<char> room) noexcept : room_(room) {}

    void request_line(std::string_view method, std::string_view target) noexcept;
    // `query` comes without its '?', which is written when has_query is set.
    void request_line(std::string_view method, std::string_view path, bool has_query,
                      std::string_view query) noexcept;
    // An empty reason takes the usual one of that status.
    void status_line(int status, std::string_view reason = {}) noexcept;

    void field(std::string_view name, std::string_view value) noexcept;
    void field(std::string_view name, std::uint64_t value) noexcept;
    void field(field_id id, std::string_view value) noexcept;
    void field(field_id id, std::uint64_t value) noexcept;

    // A value in pieces: begin_field, value_part..., end_field. Spares the caller a copy ("Bearer " + token).
    void begin_field(std::string_view name) noexcept;
    void value_part(std::string_view part) noexcept;
    void end_field() noexcept;

    // The empty line that ends the head.
    void end() noexcept;

    bool overflowed() const noexcept { return overflowed_; }
    bool refused() const noexcept {
        return refused_;
    }  // a part was no part of a head: a control character, a bad name, a blank in a target
    bool ok() const noexcept { return !overflowed_ && !refused_; }
    // What was written; only for use when ok().
    std::string_view written() const noexcept { return {room_.data(), size_}; }

private:
    void put(std::string_view s) noexcept;
    void put_value(std::string_view s) noexcept;
    void put_target(std::string_view s) noexcept;
    void put_number(std::uint64_t n) noexcept;

    std::span<char> room_;
    std::size_t size_{0};
    bool overflowed_{false};
    bool refused_{false};
};

}  // namespace spillway::http
