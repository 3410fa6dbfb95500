#include "answer_schema.hpp"

#include <algorithm>

namespace spillway::sim {

const json* answer_schema(const call& c) {
    static const json any_object{{"type", "object"}, {"properties", {{"answer", {{"type", "string"}}}}}};
    const json* format = nullptr;
    if (c.op == operation::chat) format = find(*c.body, "response_format");
    else if (c.op == operation::responses)
        if (const json* text = find(*c.body, "text")) format = find(*text, "format");
    if (format == nullptr) return nullptr;
    const std::string type = string_or(*format, "type", "");
    if (type == "json_object") return &any_object;
    if (type != "json_schema") return nullptr;
    const json* holder = c.op == operation::chat ? find(*format, "json_schema") : format;
    const json* schema = holder != nullptr ? find(*holder, "schema") : nullptr;
    return schema != nullptr ? schema : &any_object;
}

std::vector<std::string> in_pieces(const std::string& text) {
    constexpr std::size_t size = 4;
    std::vector<std::string> out;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = std::min(text.size(), at + size);
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) ++end;
        out.push_back(text.substr(at, end - at));
        at = end;
    }
    return out;
}

}  // namespace spillway::sim
