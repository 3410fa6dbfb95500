// What Redis says, in whatever pieces: memory is bounded, no answer is invented, and errors keep their words.
#include "../../src/quota/redis_reader.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace spillway::quota;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

// The answer as the protocol spells it. Integers with leading zeros or of "-0" are no part of this form.
std::string spelled(const redis_value& v) {
    using kind = redis_value::kind;
    const auto text = [](const std::string& s) { return "$" + std::to_string(s.size()) + "\r\n" + s + "\r\n"; };
    switch (v.what) {
        case kind::status: return "+" + v.text + "\r\n";
        case kind::error: return "-" + v.text + "\r\n";
        case kind::number: return ":" + std::to_string(v.number) + "\r\n";
        case kind::text: return text(v.text);
        case kind::nothing: return {};
        case kind::list: break;
    }
    std::string out;
    for (const auto& i : v.items) out += i.text;
    return out;
}

struct reading {
    std::vector<redis_value> values;
    bool broken{false};
};

// The first byte tells how long the pieces are; 0: all at once.
reading read(std::string_view bytes, std::size_t piece) {
    redis_reader r;
    reading out;
    while (!bytes.empty()) {
        const auto part = bytes.substr(0, piece == 0 ? bytes.size() : piece);
        bytes.remove_prefix(part.size());
        if (!r.feed(part)) break;
        while (auto v = r.next()) {
            require(v->items.size() <= redis_reader::most_items && v->text.size() <= redis_reader::most_bytes);
            out.values.push_back(std::move(*v));
        }
        require(r.waiting() <= redis_reader::most_bytes);
        if (r.broken()) break;
    }
    out.broken = r.broken();
    if (out.broken) require(!r.next() && !r.error().empty() && r.waiting() == 0);
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    const auto whole = read(bytes, 0), cut = read(bytes, data[0] % 64U);
    require(whole.broken == cut.broken && whole.values.size() == cut.values.size());
    std::size_t from = 0;
    for (std::size_t i = 0; i < whole.values.size(); ++i) {
        const auto& v = whole.values[i];
        require(v.what == cut.values[i].what && v.number == cut.values[i].number && v.text == cut.values[i].text);
        require(v.items.size() == cut.values[i].items.size());
        // All that is told stands in the bytes, in this order.
        if (v.what == redis_value::kind::status || v.what == redis_value::kind::error) {
            const auto at = bytes.find(spelled(v), from);
            require(at != std::string::npos);
            from = at + 1;
        } else if (v.what == redis_value::kind::text) {
            require(bytes.find(v.text, from) != std::string::npos);
        } else if (v.what == redis_value::kind::list) {
            require(spelled(v).size() <= bytes.size());
        }
    }
    return 0;
}
