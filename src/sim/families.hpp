#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "visit.hpp"

namespace spillway::sim {

// One operation on things that live on an instance.
struct way_in {
    std::string_view method;
    std::string_view pattern;  // below /openai/ or /openai/v1/, with {} for an id
    answer (*handle)(visit& v);
    const kind* of{nullptr};       // of what the pattern ends with
    bool needs_deployment{false};  // `model` names one, whose quota counts
};
using way_table = std::vector<way_in>;

// One a family, each in a file of its own.
void add_responses(way_table& all);
void add_conversations(way_table& all);
void add_stored_chats(way_table& all);
void add_files(way_table& all);
void add_uploads(way_table& all);
void add_batches(way_table& all);
void add_vector_stores(way_table& all);
void add_assistants(way_table& all);
void add_threads(way_table& all);
void add_runs(way_table& all);
void add_containers(way_table& all);
void add_evals(way_table& all);
void add_fine_tuning(way_table& all);
void add_videos(way_table& all);

struct found_way {
    const way_in* how{nullptr};  // null: the path is known, the method is not
    std::vector<std::string> ids;
};
// Nothing: no family has such a path.
std::optional<found_way> find_way_in(std::string_view method, std::string_view path);

}  // namespace spillway::sim
