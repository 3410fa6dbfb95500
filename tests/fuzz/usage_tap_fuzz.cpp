// Usage, model and text of an answer that passes by: the same however its bytes are sliced, within their bounds, and
// in a plain body no usage is missed that a parser which builds a tree finds. Input: the text's limit, whether text
// is wanted, then the answer; in it 1 is a cut, and 2 to 3 the name of an event.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/core/usage.hpp>
#include <spillway/http/usage_tap.hpp>

using namespace spillway;

namespace {

constexpr char cut_here = 1, name_begins = 2, name_ends = 3;

void require(bool what) {
    if (!what) std::abort();
}

struct finding {
    bool found{false};
    std::string json, model, text;
    std::uint64_t text_bytes{0};
    bool operator==(const finding&) const = default;
};

struct wanted {
    std::size_t limit;
    bool text;
};

// `step` tells how long each slice is. A slice is a string of its own, so that a read past its end shows.
template <class Step>
finding watch(std::string_view answer, wanted w, Step step) {
    finding out;
    const auto tap = std::make_unique<http::usage_tap>();
    if (w.text) tap->want_text(&out.text, w.limit);
    for (std::size_t slices = 0; !answer.empty();) {
        if (answer.front() == cut_here) {
            tap->cut();
            answer.remove_prefix(1);
            continue;
        }
        if (answer.front() == name_begins) {
            const auto end = std::min(answer.find(name_ends), answer.size());
            const std::string name(answer.substr(1, end - 1));
            tap->event_name(name);
            answer.remove_prefix(std::min(end + 1, answer.size()));
            continue;
        }
        auto most = std::min<std::size_t>(answer.find_first_of("\1\2"), answer.size());
        most = std::min(most, step(slices++));
        const std::string slice(answer.substr(0, most));
        tap->feed(slice);
        answer.remove_prefix(most);
    }
    out.found = tap->found();
    out.json = tap->json();
    out.model = tap->model();
    out.text_bytes = tap->text_bytes();
    return out;
}

void check_bounds(const finding& f, std::string_view answer, wanted w) {
    require(f.text.size() <= w.limit && f.text.size() <= f.text_bytes && f.text_bytes <= answer.size());
    require(f.json.size() <= http::usage_tap::capacity && f.model.size() <= http::usage_tap::model_bytes);
    require(f.found == !f.json.empty());
    const auto usage = core::parse_usage(f.json);
    if (usage) require(usage->cached <= usage->prompt && usage->reasoning <= usage->completion);
}

// Only where both must agree: an object without escapes whose names are there once, shorter than what is kept.
void compare_with_a_tree(std::string_view body, const finding& f) {
    if (body.find_first_of("\1\2\\") != std::string_view::npos || body.size() >= http::usage_tap::capacity) return;
    bool twice = false;
    std::vector<std::set<std::string>> names;
    const auto look = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
        using kind = nlohmann::json::parse_event_t;
        if (event == kind::object_start) names.emplace_back();
        if (event == kind::object_end && !names.empty()) names.pop_back();
        if (event == kind::key && !names.empty())
            twice = !names.back().insert(value.get<std::string>()).second || twice;
        return true;
    };
    const auto tree = nlohmann::json::parse(body, look, false);
    if (!tree.is_object() || twice) return;
    const auto usage = tree.find("usage");
    if (usage != tree.end() && usage->is_object()) require(f.found);
    if (f.found) require(nlohmann::json::accept(f.json));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const wanted w{data[0] * std::size_t{4}, (data[1] & 1) != 0};
    const std::string_view answer(reinterpret_cast<const char*>(data) + 2, size - 2);
    const auto whole = watch(answer, w, [](std::size_t) { return SIZE_MAX; });
    require(whole == watch(answer, w, [](std::size_t) { return std::size_t{1}; }));
    require(whole == watch(answer, w, [&](std::size_t n) { return std::size_t{1} + data[n % size] % 13; }));
    check_bounds(whole, answer, w);
    if (!w.text) compare_with_a_tree(answer, whole);
    return 0;
}
