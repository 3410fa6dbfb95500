#include "json_parts.hpp"

namespace spillway::tokens {

std::string compact(std::string_view raw) {
    std::string out;
    out.reserve(raw.size());
    for (std::size_t at = 0; at < raw.size(); ++at) {
        if (is_json_space(raw[at])) continue;
        const std::size_t begin = at;
        if (raw[at] == '"')
            for (++at; at < raw.size() && raw[at] != '"'; ++at)
                if (raw[at] == '\\') ++at;
        out.append(raw.substr(begin, at + 1 - begin));
    }
    return out;
}

}  // namespace spillway::tokens
