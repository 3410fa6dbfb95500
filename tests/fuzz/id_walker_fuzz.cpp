// The walker that finds ids in answers: however the bytes are split it tells the same and changes nothing else, and
// it finds what a full parser finds. Input: the form (one byte, odd is sse), the payload.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <spillway/http/id_walker.hpp>
#include <spillway/http/json_scan.hpp>

using namespace spillway::http;

namespace {

constexpr id_member members[] = {{"id"}, {"data"}, {"item"}, {"m", true}, {"e", false, true}};
constexpr id_table table(members);

void require(bool what) {
    if (!what) std::abort();
}

struct found {
    int member{-1}, parent{-1};
    unsigned depth{0};
    std::string value;
    bool operator==(const found&) const = default;
};

struct listener final : id_visitor {
    std::vector<found> all;
    bool inserts{false};
    std::string_view on_string(int member, int parent, unsigned depth, std::string_view value) override {
        all.push_back({member, parent, depth, std::string(value)});
        return inserts ? std::string_view("\x01") : std::string_view();
    }
};

template <class Step>
std::string walked(const std::string& all, id_walker::form form, listener& l, Step step) {
    id_walker w(form, table, l);
    std::string out;
    const auto take = [&](std::string_view s) { out.append(s); };
    for (std::size_t i = 0, n = 0; i < all.size(); i += n) {
        n = step(i);
        w.feed(std::string_view(all).substr(i, n), take);
        std::size_t passed = out.size();
        if (l.inserts) passed -= l.all.size();
        require(passed + (w.holds() ? id_walker::head_bytes - 1 : 0) >= std::min(i + n, all.size()));
    }
    w.finish(take);
    return out;
}

// The same by a parser that knows the whole grammar.
struct slow_reader final : nlohmann::json_sax<nlohmann::json> {
    struct level {
        bool object;
        int member, parent;  // of what stands in an array; of the object itself
        bool muted;
        int name{-1};
    };
    std::vector<level> levels;
    std::vector<found> all;
    std::size_t deepest{0};
    unsigned objects{0};

    level here() const {
        if (levels.empty()) return {false, -1, -1, false};
        const auto& l = levels.back();
        if (!l.object) return l;
        return {false, l.name, l.member, l.muted || (l.name >= 0 && table[l.name].opaque)};
    }
    bool open(bool object) {
        auto l = here();
        l.object = object;
        levels.push_back(l);
        objects += object;
        deepest = std::max(deepest, levels.size());
        return true;
    }
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(std::int64_t) override { return true; }
    bool number_unsigned(std::uint64_t) override { return true; }
    bool number_float(double, const std::string&) override { return true; }
    bool binary(nlohmann::json::binary_t&) override { return true; }
    bool string(std::string& s) override {
        const auto l = here();
        if (!l.muted && l.member >= 0) all.push_back({l.member, l.parent, objects, s});
        return true;
    }
    bool start_object(std::size_t) override { return open(true); }
    bool start_array(std::size_t) override { return open(false); }
    bool key(std::string& s) override {
        levels.back().name = levels.back().muted ? -1 : table.find(s);
        return true;
    }
    bool end_object() override {
        --objects;
        levels.pop_back();
        return true;
    }
    bool end_array() override {
        levels.pop_back();
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }
};

void compare_with_parser(const std::string& all, const std::vector<found>& told) {
    std::vector<found> decoded, expected;
    const bool whole =
        for_each_id(all, table, [&](int member, int parent, unsigned depth, std::string_view value, bool escaped) {
            require(value.data() > all.data() && value.data() + value.size() < all.data() + all.size());
            std::string memory(value.size() + 2, '\0');
            const auto text = decode_json_string({value.data() - 1, value.size() + 2}, memory);
            decoded.push_back({member, parent, depth, text ? std::string(*text) : "?"});
            if (table[member].prefix) value = value.substr(0, id_walker::head_bytes);
            if (table[member].prefix ? value.find('\\') == std::string_view::npos
                                     : !escaped && value.size() <= id_walker::longest_value)
                expected.push_back({member, parent, depth, std::string(value)});
        });
    if (whole) require(expected == told);
    slow_reader slow;
    // The parser takes a zero byte for the end.
    if (all.find('\0') != std::string::npos || !nlohmann::json::sax_parse(all, &slow)) return;
    require(whole == (slow.deepest <= id_walker::deepest));
    if (whole) require(decoded == slow.all);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto form = (data[0] & 1) != 0 ? id_walker::form::sse : id_walker::form::json;
    const std::string all(reinterpret_cast<const char*>(data + 1), size - 1);
    const auto whole = [&](std::size_t) { return all.size(); };
    const auto small = [](std::size_t i) { return 1 + i % 3; };
    const auto larger = [](std::size_t i) { return 1 + i * 7 % 61; };
    listener silent, silent_split, one, split, other;
    require(walked(all, form, silent, whole) == all && walked(all, form, silent_split, small) == all);
    one.inserts = split.inserts = other.inserts = true;
    const auto out = walked(all, form, one, whole);
    require(out.size() == all.size() + one.all.size());
    require(out == walked(all, form, split, small) && out == walked(all, form, other, larger));
    require(one.all == split.all && one.all == other.all && one.all == silent.all && one.all == silent_split.all);
    if (form == id_walker::form::json) compare_with_parser(all, one.all);
    return 0;
}
