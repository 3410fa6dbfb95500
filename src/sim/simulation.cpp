#include "simulation.hpp"

#include <cstdio>

#include "answer_text.hpp"

namespace spillway::sim {

void simulation::name(exchange& x) {
    constexpr std::int64_t long_ago = 1700000000;
    x.wall_seconds = deterministic ? long_ago : wall_clock::to_time_t(wall_clock::now());
    // Ids of two runs have to differ, or a client could mistake one response for another.
    const std::uint64_t mark = deterministic ? prompt_hash(x.body) : static_cast<std::uint64_t>(x.wall_seconds);
    char text[40];
    std::snprintf(text, sizeof text, "%016llx%08llx", static_cast<unsigned long long>(mark),
                  static_cast<unsigned long long>(deterministic ? 0 : ++last_id_));
    x.id = text;
}

void simulation::remember(const instance& at, const exchange& x) {
    constexpr std::size_t most = 200;
    json entry{{"instance", at.options().name}, {"deployment", x.deployment_name}};
    entry.update(x.counters->last_request);
    history.push_back(std::move(entry));
    if (history.size() > most) history.pop_front();
}

void simulation::clear_counters() {
    history.clear();
    for (auto& i : instances) i->clear_counters();
}

json simulation::state() const {
    json all = json::object();
    for (const auto& i : instances) all[i->options().name] = i->to_json(clock::now());
    json rules = json::array();
    for (const auto& r : faults.rules()) rules.push_back(to_json(r));
    return {{"instances", std::move(all)}, {"faults", std::move(rules)}};
}

}  // namespace spillway::sim
