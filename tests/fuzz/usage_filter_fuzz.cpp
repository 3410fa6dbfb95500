// The filter of usage that only the gateway asked for: however the bytes are split its answer is the same, and it is
// what a slow reader of whole events would have made of them.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include <spillway/http/json_scan.hpp>
#include <spillway/http/usage_filter.hpp>

using namespace spillway::http;

namespace {

bool blank(char c) { return c == ' ' || c == '\t'; }

// End of the event that begins at `at`, behind its empty line; npos: it has none.
std::size_t end_of_event(const std::string& s, std::size_t at) {
    for (bool empty = true; at < s.size(); ++at) {
        if (s[at] != '\n' && s[at] != '\r') {
            empty = false;
            continue;
        }
        if (s[at] == '\r' && at + 1 < s.size() && s[at + 1] == '\n') ++at;
        if (empty) return at + 1;
        empty = true;
    }
    return std::string::npos;
}

// The only data line of an event, as a place in it.
bool data_of(const std::string& event, bool first, std::size_t& from, std::size_t& size) {
    int lines = 0;
    for (std::size_t at = first && event.starts_with("\xEF\xBB\xBF") ? 3 : 0; at < event.size();) {
        auto stop = event.find_first_of("\r\n", at);
        if (stop == std::string::npos) stop = event.size();
        const auto line = event.substr(at, stop - at);
        if (line == "data" || line.starts_with("data:")) {
            ++lines;
            from = std::min(at + 5, stop);
            size = stop - from;
        }
        at = stop + 1;
    }
    return lines == 1;
}

// Value of a top-level member, by a parser that builds a tree.
bool adds_nothing(const nlohmann::json& j, const char* name) {
    const auto it = j.find(name);
    return it == j.end() || it->is_null() || (it->is_array() && it->empty());
}

std::string slow_event(const std::string& event, bool first) {
    std::size_t from = 0, size = 0;
    if (event.size() > usage_filter::longest_event || !data_of(event, first, from, size)) return event;
    const std::string data = event.substr(from, size);
    const auto tree = nlohmann::json::parse(data, nullptr, false);
    if (!tree.is_object() || !tree.contains("usage")) return event;
    const auto& usage = tree["usage"];
    if (usage.is_object()) {
        const auto choices = tree.find("choices");
        if (choices == tree.end() || !choices->is_array() || !choices->empty()) return event;
        if (adds_nothing(tree, "error") && adds_nothing(tree, "prompt_filter_results") &&
            adds_nothing(tree, "prompt_annotations"))
            return {};
    } else if (!usage.is_null()) {
        return event;
    }
    json_query q;
    const auto i = q.want("usage");
    if (scan_json_object(data, q) != json_error::none) return event;
    std::size_t begin = data.rfind("\"usage\"", q[i].offset), end = q[i].offset + q[i].raw.size(), next = end;
    while (next < data.size() && blank(data[next])) ++next;
    if (data[next] == ',') {
        end = next + 1;
        while (end < data.size() && blank(data[end])) ++end;
    } else {
        std::size_t before = begin;
        while (blank(data[before - 1])) --before;
        if (data[before - 1] == ',') begin = before - 1;
    }
    return event.substr(0, from + begin) + event.substr(from + end);
}

// Only where all agree on what the JSON says: valid, no name twice or spelled with escapes.
bool comparable(const std::string& event, bool first) {
    std::size_t from = 0, size = 0;
    // Several data lines are one text, which this slow reader does not put together.
    if (!data_of(event, first, from, size))
        return event.find("usage") == std::string::npos && event.find('\\') == std::string::npos;
    const std::string data = event.substr(from, size);
    if (data.find("usage") == std::string::npos && data.find('\\') == std::string::npos) return true;
    json_query q;
    for (const auto* name : {"usage", "choices", "error", "prompt_filter_results", "prompt_annotations"})
        q.want(name);
    if (scan_json_object(data, q) != json_error::none || !nlohmann::json::accept(data)) return false;
    return !q[0].present() || data.substr(0, q[0].offset).rfind("\"usage\"") != std::string::npos;
}

template <class Step>
std::string filtered(const std::string& all, Step step, bool& seen) {
    usage_filter f;
    std::string out;
    const auto take = [&](std::string_view s) { out.append(s); };
    for (std::size_t i = 0, n = 0; i < all.size(); i += n) {
        n = step(i);
        f.feed(std::string_view(all).substr(i, n), take);
        if (f.held() > usage_filter::longest_event) std::abort();
    }
    f.finish(take);
    seen = f.filtered_usage_seen();
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string all(reinterpret_cast<const char*>(data), size);
    bool seen = false, seen_split = false;
    const std::string whole = filtered(
        all, [&](std::size_t) { return all.size(); }, seen);
    if (whole != filtered(
                     all, [](std::size_t i) { return 1 + i % 3; }, seen_split) ||
        seen != seen_split)
        std::abort();
    if (whole != filtered(
                     all, [](std::size_t) { return std::size_t{61}; }, seen_split))
        std::abort();
    if (whole.size() > all.size()) std::abort();

    std::string slow;
    for (std::size_t at = 0; at < all.size();) {
        const auto end = std::min(end_of_event(all, at), all.size());
        const bool complete = end_of_event(all, at) != std::string::npos;
        const std::string event = all.substr(at, end - at);
        if (complete && !comparable(event, at == 0)) return 0;
        slow += complete ? slow_event(event, at == 0) : event;
        at = end;
    }
    if (whole != slow) std::abort();
    return 0;
}
