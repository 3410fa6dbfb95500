#include "otlp_json.hpp"

#include <charconv>
#include <cmath>

#include <nlohmann/json.hpp>

#include <spillway/base/json_text.hpp>
#include <spillway/base/text.hpp>

namespace spillway::trace {
namespace {

constexpr int kind_server = 2, kind_client = 3;  // SpanKind
constexpr std::string_view failed_code = "2";    // STATUS_CODE_ERROR
// Span.flags: the trace flags, and above them whether the parent is known to be elsewhere.
constexpr unsigned span_sampled = 1, span_has_remote = 0x100, span_remote = 0x200;

template <class Number>
void append_number(std::string& out, Number n) {
    char room[32];
    const auto end = std::to_chars(room, room + sizeof room, n).ptr;
    out.append(room, end);
}

template <std::size_t size>
void append_hex(std::string& out, std::string_view key, const std::array<std::uint8_t, size>& id) {
    constexpr char digits[] = "0123456789abcdef";
    out.append(key);
    for (const auto b : id) {
        out += digits[b >> 4];
        out += digits[b & 15];
    }
    out += '"';
}

void append_real(std::string& out, double d) {
    if (std::isnan(d)) out += "\"NaN\"";
    else if (std::isinf(d)) out += d > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    else append_number(out, d);
}

void append_key(std::string& out, std::string_view key) {
    if (out.back() != '[') out += ',';
    out += R"({"key":")";
    out += key;
    out += R"(","value":{)";
}

void append_text_attribute(std::string& out, std::string_view key, std::string_view text) {
    append_key(out, key);
    out += R"("stringValue":)";
    text::append_json_string(out, text);
    out += "}}";
}

void append_attribute(std::string& out, const attribute& a) {
    switch (a.what) {
        case attribute::kind::text: return append_text_attribute(out, a.key, a.text);
        case attribute::kind::constant: return append_text_attribute(out, a.key, a.constant);
        case attribute::kind::number:
            append_key(out, a.key);
            out += R"("intValue":")";
            append_number(out, a.number);
            out += '"';
            break;
        case attribute::kind::real:
            append_key(out, a.key);
            out += R"("doubleValue":)";
            append_real(out, a.real);
            break;
        case attribute::kind::flag:
            append_key(out, a.key);
            out += a.number != 0 ? R"("boolValue":true)" : R"("boolValue":false)";
            break;
    }
    out += "}}";
}

void append_time(std::string& out, std::string_view key, wall_time t) {
    out += key;
    append_number(out, std::chrono::duration_cast<nanoseconds>(t.time_since_epoch()).count());
    out += '"';
}

void append_span(std::string& out, const span& s) {
    const bool server = s.what == span::kind::server;
    const bool has_parent = s.parent_id != span_id{};
    append_hex(out, R"({"traceId":")", s.trace_id);
    append_hex(out, R"(,"spanId":")", s.span_id);
    if (has_parent) append_hex(out, R"(,"parentSpanId":")", s.parent_id);
    out += R"(,"flags":)";
    append_number(out, span_sampled | span_has_remote | (server && has_parent ? span_remote : 0));
    out += R"(,"name":)";
    text::append_json_string(out, s.name);
    out += R"(,"kind":)";
    append_number(out, server ? kind_server : kind_client);
    append_time(out, R"(,"startTimeUnixNano":")", s.begin);
    append_time(out, R"(,"endTimeUnixNano":")", s.end);
    out += R"(,"attributes":[)";
    for (const auto& a : s.attributes) append_attribute(out, a);
    out += ']';
    if (s.failed) {
        out.append(R"(,"status":{"code":)").append(failed_code);
        if (!s.status_message.empty()) {
            out += R"(,"message":)";
            text::append_json_string(out, s.status_message);
        }
        out += '}';
    }
    out += '}';
}

}  // namespace

std::string otlp_opening(const opening& from) {
    std::string out = R"({"resourceSpans":[{"resource":{"attributes":[)";
    append_text_attribute(out, "service.name", from.settings.service);
    if (!from.gateway.empty()) append_text_attribute(out, "service.instance.id", from.gateway);
    if (!from.version.empty()) append_text_attribute(out, "service.version", from.version);
    append_text_attribute(out, "cloud.provider", "azure");
    if (!from.region.empty()) append_text_attribute(out, "cloud.region", from.region);
    out += R"(]},"scopeSpans":[{"scope":{"name":"spillway")";
    if (!from.version.empty()) {
        out += R"(,"version":)";
        text::append_json_string(out, from.version);
    }
    out += R"(},"spans":[)";
    return out;
}

std::string otlp_request(std::string_view opening, std::span<const span> spans) {
    std::string out;
    out.reserve(opening.size() + spans.size() * 2048);
    out = opening;
    bool first = true;
    for (const auto& s : spans) {
        if (!first) out += ',';
        first = false;
        append_span(out, s);
    }
    out += "]}]}]}";
    return out;
}

std::uint64_t otlp_rejected(std::string_view answer) noexcept {
    try {
        const auto read = nlohmann::json::parse(answer, nullptr, false);
        if (!read.is_object()) return 0;
        const auto partial = read.find("partialSuccess");
        if (partial == read.end() || !partial->is_object()) return 0;
        const auto n = partial->find("rejectedSpans");
        if (n == partial->end()) return 0;
        if (n->is_number_unsigned()) return n->get<std::uint64_t>();
        return n->is_string() ? text::parse_unsigned(n->get_ref<const std::string&>()).value_or(0) : 0;
    } catch (const std::exception&) {
        return 0;
    }
}

}  // namespace spillway::trace
