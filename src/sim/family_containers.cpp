#include "families.hpp"
#include "family_files.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

constexpr kind container_file_kind{"container.file", "cfile_"};

stored container_file(visit& v, const std::string& container, std::string_view name,
                      std::shared_ptr<const blob> content) {
    stored s;
    s.of = &container_file_kind;
    s.parent = container;
    s.object = v.made(container_file_kind);
    s.object.update({{"bytes", content->size()},
                     {"container_id", container},
                     {"path", "/mnt/data/" + std::string(name)},
                     {"source", "user"}});
    s.content = std::move(content);
    return s;
}

answer create_container(visit& v) {
    if (find(v.body(), "name") == nullptr) return missing("name");
    const json files = v.body().value("file_ids", json::array());
    for (const auto& id : files)
        if (v.find(file_kind, id.get<std::string>()) == nullptr) return no_such(file_kind, id.get<std::string>());
    stored s;
    s.of = &container_kind;
    s.object = v.made(container_kind);
    v.take(
        s.object,
        {{"name", ""}, {"expires_after", {{"anchor", "last_active_at"}, {"minutes", 20}}}, {"memory_limit", "1g"}});
    s.object["status"] = "running";
    s.object["last_active_at"] = v.wall();
    const auto life = static_cast<std::int64_t>(number_or(s.object["expires_after"], "minutes", 20));
    s.plan = {{minutes(life), {{"status", "expired"}}}};
    const std::string id = s.id();
    const json told = v.objects.keep(std::move(s), v.now).object;
    for (const auto& one : files) {
        const stored* file = v.find(file_kind, one.get<std::string>());
        v.objects.keep(container_file(v, id, string_or(file->object, "filename", ""), file->content), v.now);
    }
    return answer::of(200, told);
}

// From a form, or from a file that is here already.
answer add_container_file(visit& v) {
    const stored* container = v.named();
    if (container == nullptr) return no_such(container_kind, v.ids[0]);
    if (container->object["status"] == "expired") return invalid("The container is expired.");
    if (auto content = content_in(v, "file"); content != nullptr)
        return v.keep(container_file(v, container->key, v.x.asked.form->find("file")->filename, std::move(content)));
    const std::string id = string_or(v.body(), "file_id", "");
    if (id.empty()) return missing("file");
    const stored* file = v.find(file_kind, id);
    if (file == nullptr) return no_such(file_kind, id);
    return v.keep(container_file(v, container->key, string_or(file->object, "filename", ""), file->content));
}

}  // namespace

void add_containers(way_table& all) {
    all.push_back({"POST", "containers", create_container, &container_kind});
    all.push_back({"GET", "containers", list_all, &container_kind});
    all.push_back({"GET", "containers/{}", get_one, &container_kind});
    all.push_back({"DELETE", "containers/{}", delete_one, &container_kind});
    all.push_back({"POST", "containers/{}/files", add_container_file, &container_file_kind});
    all.push_back({"GET", "containers/{}/files", list_all, &container_file_kind});
    all.push_back({"GET", "containers/{}/files/{}", get_one, &container_file_kind});
    all.push_back({"DELETE", "containers/{}/files/{}", delete_one, &container_file_kind});
    all.push_back({"GET", "containers/{}/files/{}/content", get_content, &container_file_kind});
}

}  // namespace spillway::sim
