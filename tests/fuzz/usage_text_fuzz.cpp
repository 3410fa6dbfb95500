// What becomes of a record's texts on their way into a store, whatever bytes a peer sent: in PostgreSQL's arrays only
// characters that the database holds, quoted so that a reader gets them back, and no longer than they may be; JSON
// stays JSON; a line of what was set aside is read back as the same record. Input: which characters, then the text.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "../../src/ledger/postgresql_text.hpp"
#include "../../src/ledger/reject.hpp"

using namespace spillway;
using namespace spillway::ledger;
using postgresql::characters;

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

void require(bool what) {
    if (!what) std::abort();
}

// By another way than the code's own.
bool is_utf8(const std::string& s) {
    try {
        static_cast<void>(nlohmann::json(s).dump());
        return true;
    } catch (const nlohmann::json::type_error&) {
        return false;
    }
}

void require_held(const std::string& s, characters held) {
    require(is_utf8(s) && s.find('\0') == std::string::npos);
    for (const char c : s) {
        const auto byte = static_cast<std::uint8_t>(c);
        if (held == characters::ascii) require(byte < 0x80);
        if (held == characters::latin1) require(byte <= 0xC3);
    }
    if (held != characters::all) require(s.find(replacement) == std::string::npos);
}

// The text of an array's only element, as the server reads it.
std::string read_element(std::string_view array) {
    require(array.starts_with("{\"") && array.ends_with("\"}"));
    array = array.substr(2, array.size() - 4);
    std::string out;
    for (std::size_t i = 0; i < array.size(); ++i) {
        require(array[i] != '"');
        if (array[i] == '\\') require(++i < array.size());
        out += array[i];
    }
    return out;
}

void check_array(std::string_view text, characters held) {
    std::string clean;
    postgresql::append_clean(clean, text, held);
    require_held(clean, held);
    require(clean.size() <= text.size() * replacement.size());
    std::string again;
    postgresql::append_clean(again, clean, held);
    require(again == clean);
    postgresql::array a(held);
    a.text(text);
    require(read_element(std::move(a).take()) == clean);
}

void check_json(std::string_view text) {
    const auto clean = postgresql::clean_json(text);
    if (clean.empty()) return;
    require(nlohmann::json::accept(clean) && clean.find('\0') == std::string::npos);
    require(clean.find("\\u0000") == std::string::npos || clean.find("\\\\u0000") != std::string::npos);
}

void check_line(std::string_view text) {
    core::usage_record r;
    for (auto& byte : r.id.bytes) byte = static_cast<std::uint8_t>(text.size() + 1);
    r.end_user = r.deployment = r.request_id = text;
    r.tokens.prompt = UINT64_MAX;
    r.price_nanos = INT64_MIN;
    const auto line = rejected_line(r, "why");
    require(line.find('\n') == line.size() - 1 && reason_of(line) == "why");
    const auto back = rejected_record::read(line);
    require(back.has_value());
    const auto& b = back->record();
    require(b.id == r.id && b.tokens == r.tokens && b.price_nanos == r.price_nanos && b.end_user == b.deployment);
    if (is_utf8(std::string(text))) require(b.request_id == text);
    static_cast<void>(rejected_record::read(text));  // a file may hold anything
    static_cast<void>(reason_of(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    check_array(text, static_cast<characters>(data[0] % 4));
    check_json(text);
    check_line(text);
    return 0;
}
