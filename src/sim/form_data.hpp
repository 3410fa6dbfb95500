#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "blob.hpp"
#include "json_tools.hpp"

namespace spillway::sim {

struct form_part {
    std::string name, filename, content_type;
    bool file{false};  // has a file name
    blob content;
};

// A body of the kind multipart/form-data, read as it comes: files of any length take bounded memory.
class form_data {
public:
    // Nothing: the content type names no such form.
    static std::optional<std::string> boundary_in(std::string_view content_type);

    explicit form_data(std::string_view boundary) : mark_("\r\n--" + std::string(boundary)), pending_("\r\n") {}

    void feed(std::string_view bytes);
    // Whether the closing boundary has come.
    bool complete() const noexcept { return state_ == state::over; }

    const form_part* find(std::string_view name) const noexcept;
    const std::deque<form_part>& parts() const noexcept { return parts_; }
    // The fields as the members of a JSON body: `a[]` becomes a list, `a[b]` an object; of files the name, the length
    // and the digest.
    json as_json() const;

private:
    enum class state : std::uint8_t { before, boundary, head, content, over };
    bool step();
    bool read_boundary();
    bool read_head();
    bool read_content();

    std::string mark_, pending_;
    state state_{state::before};
    std::deque<form_part> parts_;
};

}  // namespace spillway::sim
