#include "settings_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <spillway/base/text.hpp>

namespace spillway::sim {
namespace {

std::optional<double> parse_number(std::string_view s) {
    double d = 0;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), d);
    if (error != std::errc{} || end != s.data() + s.size() || d < 0) return std::nullopt;
    return d;
}

}  // namespace

std::optional<duration> parse_duration(std::string_view s) {
    if (s == "0") return duration::zero();
    const auto unit_at = s.find_first_not_of("0123456789.");
    if (unit_at == std::string_view::npos) return std::nullopt;
    const auto number = parse_number(s.substr(0, unit_at));
    const std::string_view unit = s.substr(unit_at);
    if (!number || *number > 1e6) return std::nullopt;
    const double length = unit == "ms" ? 0.001 : unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
    if (length == 0) return std::nullopt;
    return std::chrono::duration_cast<duration>(std::chrono::duration<double>(*number * length));
}

void problems::add(const std::string& path, std::string_view what) {
    std::string line;
    if (const auto at = lines.find(path); at != lines.end()) line = "line " + std::to_string(at->second) + ": ";
    found.push_back(line + (path.empty() ? std::string("settings") : path) + ": " + std::string(what));
}

fault problems::as_fault(const std::string& about) const {
    std::string message;
    for (const auto& p : found) {
        if (!message.empty()) message += '\n';
        if (!about.empty()) message += about + ": ";
        message += p;
    }
    return {.code = "SimulatorSettings", .who = origin::client, .status = 400, .message = std::move(message)};
}

settings_reader::settings_reader(const json& node, std::string path, problems& out)
    : node_(node), path_(std::move(path)), out_(out) {
    if (!node_.is_object() && !node_.is_null()) out_.add(path_, "has to be a map of keys");
}

const json* settings_reader::raw(const char* key) {
    taken_.emplace_back(key);
    const json* j = find(node_, key);
    return j != nullptr && j->is_null() ? nullptr : j;
}

std::optional<std::string> settings_reader::scalar(const char* key) {
    const json* j = raw(key);
    if (j == nullptr) return std::nullopt;
    if (j->is_string()) return j->get<std::string>();
    if (j->is_number() || j->is_boolean()) return j->dump();
    problem(key, "has to be one value");
    return std::nullopt;
}

std::string settings_reader::expand(const char* key, const std::string& value) {
    std::string out;
    for (std::size_t at = 0;;) {
        const auto from = value.find("${", at);
        out.append(value, at, from == std::string::npos ? from : from - at);
        if (from == std::string::npos) return out;
        const auto to = value.find('}', from);
        if (to == std::string::npos) {
            problem(key, "has a ${ without its }");
            return out;
        }
        std::string name = value.substr(from + 2, to - from - 2);
        std::optional<std::string> otherwise;
        if (const auto colon = name.find(":-"); colon != std::string::npos) {
            otherwise = name.substr(colon + 2);
            name.resize(colon);
        }
        if (const char* set = std::getenv(name.c_str()); set != nullptr) out += set;
        else if (otherwise) out += *otherwise;
        else problem(key, "the environment has no variable " + name);
        at = to + 1;
    }
}

void settings_reader::text(const char* key, std::string& out) {
    if (const auto s = scalar(key)) out = expand(key, *s);
}

void settings_reader::flag(const char* key, bool& out) {
    const auto s = scalar(key);
    if (!s) return;
    if (*s != "true" && *s != "false") return problem(key, "has to be true or false");
    out = *s == "true";
}

void settings_reader::count(const char* key, std::uint64_t& out) {
    const auto s = scalar(key);
    if (!s) return;
    const auto n = text::parse_unsigned(*s);
    if (!n) return problem(key, "has to be a whole number");
    out = *n;
}

void settings_reader::count(const char* key, std::optional<std::uint64_t>& out) {
    std::uint64_t n = 0;
    const auto before = out_.found.size();
    count(key, n);
    if (has(key) && out_.found.size() == before) out = n;
}

void settings_reader::time(const char* key, duration& out) {
    const auto s = scalar(key);
    if (!s) return;
    const auto d = parse_duration(*s);
    if (!d) return problem(key, "has to be a duration such as 20ms, 1.5s or 2m");
    out = *d;
}

void settings_reader::share(const char* key, double& out) {
    const auto s = scalar(key);
    if (!s) return;
    const auto d = parse_number(*s);
    if (!d || *d > 1) return problem(key, "has to be a number from 0 to 1");
    out = *d;
}

void settings_reader::list(const char* key, std::vector<std::string>& out) {
    const json* j = raw(key);
    if (j == nullptr) return;
    const bool fits = j->is_array() && std::all_of(j->begin(), j->end(), [](const json& e) { return e.is_string(); });
    if (!fits) return problem(key, "has to be a list of texts");
    out.clear();
    for (const auto& e : *j) out.push_back(expand(key, e.get<std::string>()));
}

void settings_reader::texts(const char* key, std::vector<std::pair<std::string, std::string>>& out) {
    const json* j = raw(key);
    if (j == nullptr) return;
    if (!j->is_object()) return problem(key, "has to be a map of texts");
    for (const auto& [name, value] : j->items()) {
        if (value.is_string()) out.emplace_back(name, value.get<std::string>());
        else if (value.is_number() || value.is_boolean()) out.emplace_back(name, value.dump());
        else problem(key, name + " has to be text");
    }
}

void settings_reader::finish() {
    if (!node_.is_object()) return;
    for (const auto& [name, value] : node_.items())
        if (std::find(taken_.begin(), taken_.end(), name) == taken_.end())
            out_.add(path_of(name), "is no key that the simulator knows");
}

}  // namespace spillway::sim
