#include "families.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

answer create_assistant(visit& v) {
    const std::string model = string_or(v.body(), "model", "");
    if (model.empty()) return missing("model");
    if (v.at.find_deployment(model) == nullptr)
        return invalid("The requested model '" + model + "' does not exist.", "model");
    stored s;
    s.of = &assistant_kind;
    s.object = v.made(assistant_kind);
    v.take(s.object, {{"name", nullptr},
                      {"description", nullptr},
                      {"model", nullptr},
                      {"instructions", nullptr},
                      {"tools", json::array()},
                      {"top_p", 1.0},
                      {"temperature", 1.0},
                      {"tool_resources", json::object()},
                      {"metadata", json::object()},
                      {"response_format", "auto"}});
    return v.keep(std::move(s));
}

}  // namespace

void add_assistants(way_table& all) {
    all.push_back({"POST", "assistants", create_assistant, &assistant_kind});
    all.push_back({"GET", "assistants", list_all, &assistant_kind});
    all.push_back({"GET", "assistants/{}", get_one, &assistant_kind});
    all.push_back({"POST", "assistants/{}", update_one, &assistant_kind});
    all.push_back({"DELETE", "assistants/{}", delete_one, &assistant_kind});
}

}  // namespace spillway::sim
