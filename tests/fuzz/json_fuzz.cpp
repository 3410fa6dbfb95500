// The scanner that finds `model` in a body, checked against a full parser.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include <spillway/http/json_scan.hpp>
#include <spillway/http/utf8.hpp>

using namespace spillway::http;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

constexpr json_place listed[] = {{0, "input"}, {0, "tools", true}, {1, ""}, {3, "type"}, {3, "content"}};
constexpr json_places places(listed);

// What a full parser finds at the same places, as far as names do not repeat.
struct counting final : json_sink {
    std::size_t types{0}, open{0}, closed{0};
    void on_value(std::uint8_t place, std::string_view, json_kind kind, std::string_view raw) noexcept override {
        require(place >= 1 && place <= 5);
        const bool container = kind == json_kind::object || kind == json_kind::array;
        require(container == raw.empty());
        open += container;
        types += place == 4;
    }
    void on_close(std::uint8_t place, std::uint32_t) noexcept override {
        require(place >= 1 && place <= 5);
        ++closed;
    }
};

std::size_t types_of(const nlohmann::json& body) {
    std::size_t n = 0;
    if (const auto input = body.find("input"); input != body.end() && input->is_array())
        for (const auto& item : *input) n += item.is_object() && item.contains("type");
    return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string body(reinterpret_cast<const char*>(data), size);
    json_query q;
    const auto model = q.want("model"), stream = q.want("stream");
    counting heard;
    q.listen(places, heard);
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
    require(heard.open == heard.closed && heard.types >= types_of(parsed));
    require(is_utf8(body));
    require(q[stream].is_true() == (parsed.contains("stream") && parsed["stream"] == true));
    std::string replaced;
    if (m.present()) {
        append_replaced(replaced, body, m.offset, m.raw.size(), "\"x\"");
        require(nlohmann::json::parse(replaced)["model"] == "x");
    }
    return 0;
}
