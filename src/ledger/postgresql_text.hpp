#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <spillway/core/usage_record.hpp>

// Values as PostgreSQL takes them, whatever a peer sent: no NUL, valid UTF-8, whole numbers that fit.
namespace spillway::ledger::postgresql {

// `s` with U+FFFD for each byte that is no UTF-8 and for NUL.
void append_clean(std::string& out, std::string_view s);

// JSON that jsonb takes; empty: `s` is none.
std::string clean_json(std::string_view s);

std::string uuid(const core::record_id& id);

// An array in PostgreSQL's text form, such as {1,NULL,"a b"}.
class array {
public:
    array() : text_("{") {}
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
    std::string text_;
};

}  // namespace spillway::ledger::postgresql
