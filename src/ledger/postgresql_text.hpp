#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <spillway/core/usage_record.hpp>

// Values as PostgreSQL takes them, whatever a peer sent: no NUL, valid UTF-8, whole numbers that fit.
namespace spillway::ledger::postgresql {

// What of Unicode a database holds.
enum class characters : std::uint8_t {
    all,     // also SQL_ASCII, which takes bytes as they are
    latin1,  // up to U+00FF
    some,    // of another encoding: it refuses what it does not know
    ascii,
};
characters characters_of(std::string_view server_encoding) noexcept;

// `s` with U+FFFD for each byte that is no UTF-8 and for NUL; where the database does not hold that or another
// character, with a question mark.
void append_clean(std::string& out, std::string_view s, characters held = characters::all);

// JSON that jsonb takes; empty: `s` is none.
std::string clean_json(std::string_view s);

std::string uuid(const core::record_id& id);

// An array in PostgreSQL's text form, such as {1,NULL,"a b"}.
class array {
public:
    explicit array(characters held = characters::all) : held_(held), text_("{") {}
    void text(std::string_view s);
    void number(std::int64_t n);
    void number(std::uint64_t n);
    // `n` units of 10^-digits: (1234567, 6) is 1.234567.
    void decimal(std::int64_t n, int digits);
    void null();
    std::string take() && { return std::move(text_ += '}'); }

private:
    void comma() {
        if (text_.size() > 1) text_ += ',';
    }
    characters held_;
    std::string text_;
};

}  // namespace spillway::ledger::postgresql
