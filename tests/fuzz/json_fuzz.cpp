// The scanner that finds `model` in a body, checked against a full parser.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include <spillway/http/json_scan.hpp>

using namespace spillway::http;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string body(reinterpret_cast<const char*>(data), size);
    json_query q;
    const auto model = q.want("model"), stream = q.want("stream");
    q.watch("file_id");
    json_hit hits[4];
    q.collect(hits);
    if (scan_json_object(body, q) != json_error::none) return 0;
    const auto& m = q[model];
    if (m.present()) {
        require(m.offset + m.raw.size() <= body.size() && body.compare(m.offset, m.raw.size(), m.raw) == 0);
        std::string memory(m.raw.size(), '\0');
        decode_json_string(m.raw, memory);
    }
    // What the scanner accepts is JSON; only bytes that are no UTF-8 may divide the two.
    const auto parsed = nlohmann::json::parse(body, nullptr, false);
    if (parsed.is_discarded()) return 0;
    require(parsed.is_object() && parsed.contains("model") == m.present());
    if (m.kind == json_kind::string) require(nlohmann::json::parse(m.raw) == parsed["model"]);
    require(q[stream].is_true() == (parsed.contains("stream") && parsed["stream"] == true));
    std::string replaced;
    if (m.present()) {
        append_replaced(replaced, body, m.offset, m.raw.size(), "\"x\"");
        require(nlohmann::json::parse(replaced)["model"] == "x");
    }
    return 0;
}
