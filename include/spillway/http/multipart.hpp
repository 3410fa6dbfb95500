#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Bodies of multipart/form-data (RFC 7578), read in passing.
namespace spillway::http {

// The boundary that a Content-Type of multipart/form-data names: a view of it, 1 to 70 characters (RFC 2046). Nothing
// for another type, and for whatever could be read in two ways: two of them, escapes, characters that have to be
// quoted.
std::optional<std::string_view> multipart_boundary(std::string_view content_type) noexcept;

enum class multipart_error : std::uint8_t {
    none,
    bad_boundary,
    unterminated,         // the body has ended before its last boundary
    line_feed_only,       // a line that counts ends in LF alone, or in CR alone
    ambiguous_delimiter,  // what some readers take for a boundary and others do not
    too_many_parts,
    head_too_long,
    bad_head,
    no_disposition,  // no Content-Disposition, two, or another one than form-data
    no_name,
    ambiguous_name,  // `name*`, two names, or escapes that readers take in different ways
    encoded,         // a Content-Transfer-Encoding that changes bytes
};
std::string_view describe(multipart_error e) noexcept;

// Good during on_part alone.
struct multipart_part {
    std::size_t index{0};                      // the first one is 0
    std::string_view name;                     // decoded
    std::optional<std::string_view> filename;  // decoded; `filename*` does not count
    std::string_view content_type;             // as spelled; empty: none is told
};

class multipart_visitor {
public:
    virtual ~multipart_visitor() = default;
    // The head of a part is over, its value begins. Names may come twice.
    virtual void on_part(const multipart_part& part) = 0;
    // Some bytes of its value. `offset` is their place in the whole body; they are good during the call.
    virtual void on_value(std::uint64_t offset, std::string_view bytes) = 0;
    // The value is over: where it stands in the whole body.
    virtual void on_part_end(std::uint64_t offset, std::uint64_t length) = 0;
};

struct multipart_limits {
    std::size_t head_bytes{8 * 1024};  // of one part, its empty line included
    std::size_t parts{64};
};

// Takes a body in slices of any size. What stands before the first boundary and behind the last one is passed over.
// It reads strictly, so that nobody else finds other parts or names in the same body. Some bytes of a value are told
// of with the next slice: those that could begin a boundary.
class multipart_scanner {
public:
    explicit multipart_scanner(std::string_view boundary, multipart_limits limits = {});

    // After an error nothing is looked at any more.
    multipart_error feed(std::string_view bytes, multipart_visitor& visitor);
    // The body is over.
    multipart_error finish() noexcept;

    multipart_error error() const noexcept { return error_; }
    // How far the body was understood.
    std::uint64_t error_offset() const noexcept { return error_offset_; }
    // The last boundary has come.
    bool complete() const noexcept { return final_ && error_ == multipart_error::none; }

private:
    enum class state : std::uint8_t { preamble, value, epilogue, delimiter, head };
    enum class behind : std::uint8_t { nothing, dash, padding, cr };  // the boundary itself

    struct joined;  // what is held and a slice
    void search(std::string_view& in, multipart_visitor& visitor);
    multipart_error judge(const joined& text, std::size_t at, bool& is_delimiter) const noexcept;
    void end_of_section(const joined& text, std::size_t at, multipart_visitor& visitor);
    void tell_value(const joined& text, std::size_t size, multipart_visitor& visitor);
    void take_delimiter(char c);
    void take_head(std::string_view& in, multipart_visitor& visitor);
    void end_head(multipart_visitor& visitor);
    multipart_error read_head(multipart_part& part);
    multipart_error read_disposition(std::string_view value, multipart_part& part);
    void fail(multipart_error e, std::uint64_t at) noexcept {
        error_ = e;
        error_offset_ = at;
    }

    std::string dashes_;  // `--` and the boundary
    multipart_limits limits_;
    state state_{state::preamble};
    behind behind_{behind::nothing};
    bool final_{false};
    multipart_error error_{multipart_error::none};
    std::uint64_t offset_{0};  // of what comes next
    std::uint64_t error_offset_{0};
    std::uint64_t value_{0};  // where the running value begins
    std::size_t parts_{0};
    std::string held_;    // the last bytes of a section: a boundary may have begun in them
    std::string window_;  // held_ and as much of the slice as a boundary needs that begins in held_
    std::string head_;
    std::string name_, filename_;
};

}  // namespace spillway::http
