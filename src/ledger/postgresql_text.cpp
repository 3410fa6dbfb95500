#include "postgresql_text.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <nlohmann/json.hpp>

#include <spillway/base/text.hpp>
#include <spillway/base/utf8.hpp>

namespace spillway::ledger::postgresql {
namespace {

// Length of the character at the front of `s`; 0: none is. PostgreSQL has none for NUL.
std::size_t sequence(std::string_view s) noexcept { return s.empty() || s[0] == '\0' ? 0 : utf8::length(s); }

bool holds(characters held, std::string_view character) noexcept {
    switch (held) {
        case characters::all: return true;
        case characters::latin1:
            return character.size() == 1 ||
                   (character.size() == 2 && static_cast<std::uint8_t>(character[0]) <= 0xC3);
        case characters::some: return character != utf8::replacement;
        case characters::ascii: return character.size() == 1;
    }
    return false;
}

void clean(nlohmann::json& j, int depth) {
    if (j.is_string()) {
        std::string fresh;
        append_clean(fresh, j.get_ref<const std::string&>());
        j = std::move(fresh);
    } else if (depth == 0) {
        j = nullptr;
    } else if (j.is_array()) {
        for (auto& element : j) clean(element, depth - 1);
    } else if (j.is_object()) {
        auto fresh = nlohmann::json::object();
        for (auto& [name, value] : j.items()) {
            std::string key;
            append_clean(key, name);
            clean(value, depth - 1);
            fresh[key] = std::move(value);
        }
        j = std::move(fresh);
    }
}

}  // namespace

characters characters_of(std::string_view server_encoding) noexcept {
    if (server_encoding == "UTF8" || server_encoding == "SQL_ASCII") return characters::all;
    return server_encoding == "LATIN1" ? characters::latin1 : characters::some;
}

void append_clean(std::string& out, std::string_view s, characters held) {
    while (!s.empty()) {
        std::size_t good = 0, n = 0;
        while ((n = sequence(s.substr(good))) != 0 && holds(held, s.substr(good, n))) good += n;
        out.append(s.substr(0, good));
        s.remove_prefix(good);
        if (s.empty()) return;
        out += held == characters::all ? utf8::replacement : "?";
        s.remove_prefix(std::max<std::size_t>(n, 1));
    }
}

std::string clean_json(std::string_view s) {
    auto parsed = nlohmann::json::parse(s, nullptr, false);
    if (parsed.is_discarded()) return {};
    clean(parsed, 8);
    return parsed.dump();
}

std::string uuid(const core::record_id& id) {
    auto hex = text::to_hex(id.bytes);
    for (const std::size_t at : {8, 13, 18, 23}) hex.insert(at, 1, '-');
    return hex;
}

void array::text(std::string_view s) {
    comma();
    std::string good;
    append_clean(good, s, held_);
    text_ += '"';
    for (const char c : good) {
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c;
    }
    text_ += '"';
}

void array::number(std::int64_t n) {
    comma();
    text_ += std::to_string(n);
}

void array::number(std::uint64_t n) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    number(static_cast<std::int64_t>(n < most ? n : most));
}

void array::decimal(std::int64_t n, int digits) {
    comma();
    auto all = std::to_string(n < 0 ? 0 - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n));
    const auto width = static_cast<std::size_t>(digits);
    if (all.size() <= width) all.insert(0, width + 1 - all.size(), '0');
    all.insert(all.size() - width, 1, '.');
    if (n < 0) text_ += '-';
    text_ += all;
}

void array::null() {
    comma();
    text_ += "NULL";
}

}  // namespace spillway::ledger::postgresql
