#include "reject.hpp"

#include <nlohmann/json.hpp>
#include <spillway/base/text.hpp>

namespace spillway::ledger {
namespace {

std::string line(const nlohmann::ordered_json& j) {
    return j.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace

std::string rejected_line(const core::usage_record& r, const std::string& why) {
    return line({
        {"why", why},
        {"id", text::to_hex(r.id.bytes)},
        {"time_us", r.time_us},
        {"gateway", r.gateway},
        {"client", r.client},
        {"labels", r.labels_json},
        {"end_user", r.end_user},
        {"request_id", r.request_id},
        {"route", r.route},
        {"pool", r.pool},
        {"backend", r.backend},
        {"instance", r.instance},
        {"region", r.region},
        {"deployment", r.deployment},
        {"model", r.model},
        {"operation", r.operation},
        {"code", r.code},
        {"tries", r.tries_json},
        {"status", r.status},
        {"attempts", r.attempts},
        {"outcome", core::to_string(r.outcome)},
        {"token_source", core::to_string(r.source)},
        {"streaming", r.streaming},
        {"prompt_tokens", r.tokens.prompt},
        {"completion_tokens", r.tokens.completion},
        {"cached_tokens", r.tokens.cached},
        {"reasoning_tokens", r.tokens.reasoning},
        {"audio_prompt_tokens", r.tokens.audio_prompt},
        {"audio_completion_tokens", r.tokens.audio_completion},
        {"bytes_in", r.bytes_in},
        {"bytes_out", r.bytes_out},
        {"first_byte_us", r.first_byte_us},
        {"duration_us", r.duration_us},
        {"token_us", r.token_us},
        {"price_nanos", r.price_nanos},
        {"priced", r.priced},
    });
}

std::string unreadable_line(std::span<const std::byte> payload) {
    return line({{"why", "written by a version that is not known"},
                 {"payload", text::to_hex({reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()})}});
}

}  // namespace spillway::ledger
