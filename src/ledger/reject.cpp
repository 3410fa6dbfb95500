#include "reject.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>
#include <spillway/base/text.hpp>

#include "codec.hpp"

namespace spillway::ledger {
namespace {

using json = nlohmann::json;

std::string line(const nlohmann::ordered_json& j) {
    return j.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

// As in the lines.
struct named_text {
    const char* name;
    std::string_view core::usage_record::*of;
};
constexpr std::array told_texts{
    named_text{"gateway", &core::usage_record::gateway},
    named_text{"client", &core::usage_record::client},
    named_text{"labels", &core::usage_record::labels_json},
    named_text{"end_user", &core::usage_record::end_user},
    named_text{"request_id", &core::usage_record::request_id},
    named_text{"route", &core::usage_record::route},
    named_text{"pool", &core::usage_record::pool},
    named_text{"backend", &core::usage_record::backend},
    named_text{"instance", &core::usage_record::instance},
    named_text{"region", &core::usage_record::region},
    named_text{"deployment", &core::usage_record::deployment},
    named_text{"model", &core::usage_record::model},
    named_text{"operation", &core::usage_record::operation},
    named_text{"code", &core::usage_record::code},
    named_text{"tries", &core::usage_record::tries_json},
};

// Each number of the record by its name: for writing and for reading.
template <class Record, class F>
void each_number(Record& r, F f) {
    f("time_us", r.time_us);
    f("status", r.status);
    f("attempts", r.attempts);
    f("prompt_tokens", r.tokens.prompt);
    f("completion_tokens", r.tokens.completion);
    f("cached_tokens", r.tokens.cached);
    f("reasoning_tokens", r.tokens.reasoning);
    f("audio_prompt_tokens", r.tokens.audio_prompt);
    f("audio_completion_tokens", r.tokens.audio_completion);
    f("bytes_in", r.bytes_in);
    f("bytes_out", r.bytes_out);
    f("first_byte_us", r.first_byte_us);
    f("duration_us", r.duration_us);
    f("token_us", r.token_us);
    f("price_nanos", r.price_nanos);
}

// False: it is none, or does not fit.
template <class Number>
bool read_number(const json& j, Number& out) {
    if (j.is_number_unsigned()) {
        const auto n = j.get<std::uint64_t>();
        out = static_cast<Number>(n);
        return std::in_range<Number>(n);
    }
    if (!j.is_number_integer()) return false;
    const auto n = j.get<std::int64_t>();
    out = static_cast<Number>(n);
    return std::in_range<Number>(n);
}

bool read_flag(const json& j, const char* name, bool& out) {
    const auto it = j.find(name);
    if (it == j.end() || !it->is_boolean()) return false;
    out = it->get<bool>();
    return true;
}

template <class Enum>
bool read_word(const json& j, const char* name, Enum last, Enum& out) {
    const auto it = j.find(name);
    if (it == j.end() || !it->is_string()) return false;
    for (int i = 0; i <= static_cast<int>(last); ++i) {
        out = static_cast<Enum>(i);
        if (core::to_string(out) == it->get_ref<const std::string&>()) return true;
    }
    return false;
}

}  // namespace

std::string rejected_line(const core::usage_record& r, const std::string& why) {
    nlohmann::ordered_json j{{"why", why}, {"id", text::to_hex(r.id.bytes)}};
    for (const auto& t : told_texts) j[t.name] = r.*t.of;
    each_number(r, [&](const char* name, const auto& n) { j[name] = n; });
    j["outcome"] = core::to_string(r.outcome);
    j["token_source"] = core::to_string(r.source);
    j["streaming"] = r.streaming;
    j["priced"] = r.priced;
    return line(j);
}

std::string unreadable_line(std::span<const std::byte> payload) {
    return line({{"why", "written by a version that is not known"},
                 {"payload", text::to_hex({reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()})}});
}

// Earlier versions wrote down the whole message of PostgreSQL, whose detail repeats the record.
std::string reason_of(std::string_view line) {
    const auto j = json::parse(line, nullptr, false);
    const auto why = j.is_object() ? j.find("why") : j.end();
    if (why == j.end() || !why->is_string()) return "unknown";
    const auto& all = why->get_ref<const std::string&>();
    return all.substr(0, std::min(all.find(" DETAIL:"), all.find(" CONTEXT:")));
}

std::optional<rejected_record> rejected_record::read(std::string_view line) {
    const auto j = json::parse(line, nullptr, false);
    if (!j.is_object()) return std::nullopt;
    rejected_record out;
    auto& r = out.record_;
    if (const auto p = j.find("payload"); p != j.end() && p->is_string()) {
        const auto& hex = p->get_ref<const std::string&>();
        out.payload_ = std::make_unique<std::vector<std::byte>>(hex.size() / 2);
        auto* const bytes = reinterpret_cast<std::uint8_t*>(out.payload_->data());
        if (!text::from_hex(hex, {bytes, out.payload_->size()}) || !decode(*out.payload_, r)) return std::nullopt;
        return out;
    }
    const auto id = j.find("id");
    if (id == j.end() || !id->is_string() || !text::from_hex(id->get_ref<const std::string&>(), r.id.bytes))
        return std::nullopt;
    for (const auto& t : told_texts) {
        const auto it = j.find(t.name);
        if (it == j.end() || !it->is_string()) return std::nullopt;
        r.*t.of = out.texts_->emplace_back(it->get_ref<const std::string&>());
    }
    bool whole = true;
    each_number(r, [&](const char* name, auto& n) {
        const auto it = j.find(name);
        whole = whole && it != j.end() && read_number(*it, n);
    });
    if (!whole || !read_flag(j, "streaming", r.streaming) || !read_flag(j, "priced", r.priced) ||
        !read_word(j, "outcome", core::usage_outcome::error, r.outcome) ||
        !read_word(j, "token_source", core::token_source::estimated, r.source))
        return std::nullopt;
    return out;
}

}  // namespace spillway::ledger
