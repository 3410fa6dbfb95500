#include "grading.hpp"

#include <algorithm>

#include <spillway/base/text.hpp>

namespace spillway::sim {
namespace {

std::string value_at(std::string_view path, const json& values) {
    const json* at = &values;
    while (!path.empty()) {
        const std::string name(path.substr(0, path.find('.')));
        path.remove_prefix(std::min(path.size(), name.size() + 1));
        at = find(*at, name.c_str());
        if (at == nullptr) return {};
    }
    return at->is_string() ? at->get<std::string>() : to_text(*at);
}

}  // namespace

std::string filled_in(const std::string& text, const json& values) {
    std::string out;
    std::size_t at = 0;
    for (;;) {
        const auto open = text.find("{{", at), close = text.find("}}", open);
        if (open == std::string::npos || close == std::string::npos) break;
        out.append(text, at, open - at);
        out += value_at(text::trim(std::string_view(text).substr(open + 2, close - open - 2)), values);
        at = close + 2;
    }
    return out.append(text, at);
}

double grade(const json& grader, const json& values) {
    if (string_or(grader, "type", "") != "string_check") return 1;
    const std::string have = filled_in(string_or(grader, "input", ""), values),
                      want = filled_in(string_or(grader, "reference", ""), values),
                      how = string_or(grader, "operation", "eq");
    bool fits = have == want;
    if (how == "ne") fits = !fits;
    else if (how == "like") fits = have.find(want) != std::string::npos;
    else if (how == "ilike") fits = text::icontains(have, want);
    return fits ? 1 : 0;
}

}  // namespace spillway::sim
