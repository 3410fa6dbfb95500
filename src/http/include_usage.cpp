#include <spillway/http/include_usage.hpp>

namespace spillway::http {
namespace {

constexpr std::string_view first_version = "2024-09-01";

}  // namespace

bool client_asks_for_usage(const json_member& stream_options) noexcept {
    if (stream_options.kind != json_kind::object) return false;
    json_query q;
    const auto asked = q.want("include_usage");
    return scan_json_object(stream_options.raw, q) == json_error::none && q[asked].is_true();
}

std::optional<usage_edit> ask_for_usage(std::string_view body, const json_query& query,
                                        const json_member& stream_options) noexcept {
    if (stream_options.lookalike || query.close_offset() >= body.size()) return std::nullopt;
    switch (stream_options.kind) {
        case json_kind::absent:
            return usage_edit{query.open_offset() + 1, 0,
                              query.members() == 0 ? R"("stream_options":{"include_usage":true})"
                                                   : R"("stream_options":{"include_usage":true},)"};
        case json_kind::null:
            return usage_edit{stream_options.offset, stream_options.raw.size(), R"({"include_usage":true})"};
        case json_kind::object: break;
        default: return std::nullopt;
    }
    json_query q;
    const auto asked = q.want("include_usage");
    if (scan_json_object(stream_options.raw, q) != json_error::none || q[asked].lookalike) return std::nullopt;
    switch (q[asked].kind) {
        case json_kind::absent:
            return usage_edit{stream_options.offset + 1, 0,
                              q.members() == 0 ? R"("include_usage":true)" : R"("include_usage":true,)"};
        case json_kind::null:
        case json_kind::false_value:
            return usage_edit{stream_options.offset + q[asked].offset, q[asked].raw.size(), "true"};
        default: return std::nullopt;
    }
}

bool usage_can_be_asked(std::string_view api_version) noexcept {
    if (api_version == "v1" || api_version == "preview" || api_version == "latest") return true;
    const auto date = api_version.substr(0, first_version.size());
    if (date.size() != first_version.size()) return false;
    for (std::size_t i = 0; i < date.size(); ++i) {
        const bool dash = first_version[i] == '-';
        if (dash ? date[i] != '-' : date[i] < '0' || date[i] > '9') return false;
    }
    return date >= first_version;
}

}  // namespace spillway::http
