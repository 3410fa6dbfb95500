#include "families.hpp"

namespace spillway::sim {
namespace {

way_table all_ways() {
    way_table all;
    add_responses(all);
    add_conversations(all);
    add_stored_chats(all);
    add_files(all);
    add_uploads(all);
    add_batches(all);
    add_assistants(all);
    add_threads(all);
    add_runs(all);
    add_vector_stores(all);
    add_containers(all);
    add_evals(all);
    add_fine_tuning(all);
    add_videos(all);
    return all;
}

// A part that a pattern spells out goes before one that is an id: threads/runs before threads/{}.
int match(std::string_view pattern, std::string_view path, std::vector<std::string>& ids) {
    int spelled = 1;
    ids.clear();
    for (;;) {
        const std::string_view want = pattern.substr(0, pattern.find('/')), have = path.substr(0, path.find('/'));
        if (want == "{}") {
            if (have.empty()) return 0;
            ids.push_back(percent_decoded(have));
        } else if (want == have) {
            ++spelled;
        } else {
            return 0;
        }
        const bool pattern_over = want.size() == pattern.size(), path_over = have.size() == path.size();
        if (pattern_over || path_over) return pattern_over && path_over ? spelled : 0;
        pattern.remove_prefix(want.size() + 1);
        path.remove_prefix(have.size() + 1);
    }
}

}  // namespace

std::optional<found_way> find_way_in(std::string_view method, std::string_view path) {
    static const way_table table = all_ways();
    std::optional<found_way> best;
    int best_spelled = 0;
    std::vector<std::string> ids;
    for (const auto& r : table) {
        const int spelled = match(r.pattern, path, ids);
        if (spelled == 0 || spelled < best_spelled) continue;
        const bool fits = r.method == method;
        if (spelled == best_spelled && !fits) continue;
        best_spelled = spelled;
        best = found_way{fits ? &r : nullptr, ids};
    }
    return best;
}

}  // namespace spillway::sim
