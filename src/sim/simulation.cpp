#include "simulation.hpp"

#include <cstdio>

#include "answer_text.hpp"

namespace spillway::sim {
namespace {

// Whether the request makes or continues what is asked for later, so that its id must not come twice.
bool is_kept(const exchange& x) {
    if (x.op == operation::stored || x.op == operation::family) return true;
    if (x.op == operation::chat) return true_in(x.body, "store");
    for (const char* key : {"conversation", "previous_response_id"})
        if (const json* j = find(x.body, key); j != nullptr && !j->is_null()) return true;
    return true_in(x.body, "background");
}

}  // namespace

void simulation::name(exchange& x) {
    constexpr std::int64_t long_ago = 1700000000;
    const std::int64_t now = wall_clock::to_time_t(wall_clock::now());
    // What is stored needs an id of its own; and ids of two runs have to differ, or a client could mistake one
    // response for another.
    const bool fixed = deterministic && !is_kept(x);
    const std::uint64_t mark = fixed ? prompt_hash(x.body) : static_cast<std::uint64_t>(now);
    const std::uint64_t number = ++last_id_;
    char text[48];
    std::snprintf(text, sizeof text, "%016llx%08llx", static_cast<unsigned long long>(mark),
                  static_cast<unsigned long long>(fixed ? 0 : number));
    x.id = text;
    std::snprintf(text, sizeof text, "%08llx-0000-4000-8000-%012llx", static_cast<unsigned long long>(now),
                  static_cast<unsigned long long>(number));
    x.request_id = text;
    x.wall_seconds = deterministic ? long_ago : now;
}

void simulation::remember(const instance& at, const exchange& x) {
    constexpr std::size_t most = 200;
    history.push_back({&at, x.counters->last_request});
    if (history.size() > most) history.pop_front();
}

json simulation::remembered::to_json() const {
    json entry{{"instance", at->options().name}, {"deployment", what->deployment}};
    entry.update(what->to_json());
    return entry;
}

void simulation::clear_counters() {
    history.clear();
    journal.clear();
    for (auto& i : instances) i->clear_counters();
    if (identity) identity->clear();
}

json simulation::state() const {
    json all = json::object();
    for (const auto& i : instances) all[i->options().name] = i->to_json(clock::now());
    json rules = json::array();
    for (const auto& r : faults.rules()) rules.push_back(to_json(r));
    return {{"instances", std::move(all)}, {"faults", std::move(rules)}};
}

}  // namespace spillway::sim
