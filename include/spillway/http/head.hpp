#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <spillway/http/fields.hpp>

// Strict, allocation-free parsing of a complete HTTP/1.x head that lies in one piece of memory. Everything in the
// result is a view into that memory. What two readers could understand in two ways is refused, never repaired.
namespace spillway::http {

struct field {
    std::string_view name;   // as the peer spelled it
    std::string_view value;  // without the blanks around it
    field_id id{field_id::unknown};
};

struct head_limits {
    std::size_t bytes{32768};  // the whole head with its empty line
    std::size_t fields{100};   // at most field_table::capacity
    std::size_t target{8192};  // bytes of the request target
};

// The fields of one head in the order of the wire, in place.
class field_table {
public:
    static constexpr std::size_t capacity = 128;

    // First field of that id, or nullptr. O(1).
    const field* find(field_id id) const noexcept {
        const auto at = first_[static_cast<std::size_t>(id)];
        return at == 0 || id == field_id::unknown ? nullptr : &fields_[at - 1u];
    }
    // First field of that name in any case of letters, or nullptr.
    const field* find(std::string_view name) const noexcept;
    // Value of the first field of that id, empty when there is none.
    std::string_view value(field_id id) const noexcept {
        const auto* f = find(id);
        return f ? f->value : std::string_view{};
    }
    bool has(field_id id) const noexcept { return find(id) != nullptr; }
    std::size_t count(field_id id) const noexcept;

    const field* begin() const noexcept { return fields_.data(); }
    const field* end() const noexcept { return fields_.data() + size_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const field& operator[](std::size_t i) const noexcept { return fields_[i]; }

    void clear() noexcept {
        first_.fill(0);
        size_ = 0;
    }
    // False when the table is full.
    bool add(const field& f) noexcept {
        if (size_ == capacity) return false;
        fields_[size_++] = f;
        auto& first = first_[static_cast<std::size_t>(f.id)];
        if (first == 0) first = static_cast<std::uint8_t>(size_);
        return true;
    }

private:
    std::array<std::uint8_t, field_count> first_{};  // position + 1 of the first field of an id
    std::size_t size_{0};
    std::array<field, capacity> fields_;
};

// How the body after a head is delimited. until_close occurs in responses alone.
enum class body_kind : std::uint8_t { none, length, chunked, until_close };

// What requests and responses share.
struct message_head {
    int minor_version{1};  // HTTP/1.x
    field_table fields;
    body_kind body{body_kind::none};
    std::uint64_t content_length{0};  // meaningful when body is length (0 is possible)
    bool keep_alive{false};           // the peer is ready for another message on this connection
    bool connection_upgrade{false};   // Connection lists `upgrade`
    bool connection_lists_others{false};

    // True when the Connection field names this field, which makes it hop-by-hop: do not forward it.
    bool connection_names(const field& f) const noexcept {
        return connection_lists_others && connection_names(f.name);
    }
    bool connection_names(std::string_view name) const noexcept;
};

struct request_head : message_head {
    std::string_view method;      // a token, case kept
    std::string_view target;      // origin form: begins with '/', printable ASCII, no fragment
    std::string_view host;        // value of Host (authority of an absolute target agrees with it); empty in 1.0 only
    bool expect_continue{false};  // the client waits for 100 before it sends the body
};

struct response_head : message_head {
    int status{0};
    std::string_view reason;
};

enum class head_error : std::uint8_t {
    none,
    incomplete,  // no empty line at the end: the caller called too early
    too_large,
    too_many_fields,
    target_too_long,
    bad_start_line,
    bad_method,
    unsupported_method,  // CONNECT and TRACE
    bad_target,
    target_form,  // asterisk, authority or an absolute form that disagrees with Host
    bad_version,
    unsupported_version,
    http2_preface,
    bad_status,
    bare_line_end,  // CR or LF alone
    folded_field,
    bad_field_name,
    space_before_colon,
    bad_field_value,
    missing_host,
    repeated_host,
    bad_host,
    bad_content_length,
    repeated_content_length,
    length_and_encoding,  // Content-Length together with Transfer-Encoding
    bad_transfer_encoding,
    encoding_in_http10,
    bad_connection,  // Connection names a field that frames or addresses the message
    bad_expect,
};

// The status to answer with: 400, 414, 417, 431, 501 or 505. (For a bad response it is 502.)
int status_of(head_error e) noexcept;
// One sentence that tells the sender what to mend. Static storage.
std::string_view describe(head_error e) noexcept;
// Stable snake_case name for logs and metrics.
std::string_view name_of(head_error e) noexcept;

inline constexpr std::size_t npos = static_cast<std::size_t>(-1);

// Offset just past the empty line that ends a head, or npos when it has not come yet. `from` is the number of bytes
// that an earlier call already saw without finding it, so that a peer that drips bytes costs no more than one that
// does not. An empty line of the wrong kind (bare LF) ends the head as well, for the parser to refuse it at once.
// At most two CRLFs before a request line are skipped.
std::size_t find_head_end(std::string_view buffer, std::size_t from = 0) noexcept;

// What to answer when the buffer is full and find_head_end() still says npos.
head_error oversize_error(std::string_view partial) noexcept;

// `head` is exactly the bytes up to find_head_end(). `out` is meaningful only when the result is `none`.
head_error parse_request(std::string_view head, const head_limits& limits, request_head& out) noexcept;

// Interim answers (100, 102, 103) that are read before an answer; a backend with more never answers.
inline constexpr std::size_t most_interim_heads = 64;

// `answers_head`: the request was HEAD, so no body follows whatever the fields say.
head_error parse_response(std::string_view head, const head_limits& limits, bool answers_head,
                          response_head& out) noexcept;

}  // namespace spillway::http
