#include "families.hpp"
#include "family_files.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

constexpr kind upload_kind{"upload", "upload_"}, part_kind{"upload.part", "part_"};

answer create_upload(visit& v) {
    for (const char* needed : {"bytes", "filename", "mime_type", "purpose"})
        if (find(v.body(), needed) == nullptr) return missing(needed);
    stored s;
    s.of = &upload_kind;
    s.object = v.made(upload_kind);
    v.take(s.object, {{"bytes", 0}, {"filename", ""}, {"purpose", ""}});
    s.object["expires_at"] = v.wall(hours(1));
    s.object["status"] = "pending";
    s.object["file"] = nullptr;
    return v.keep(std::move(s));
}

// Null: it is not here, or no longer open; then `refused` says which.
stored* open_upload(visit& v, answer& refused) {
    stored* s = v.named();
    if (s == nullptr) refused = v.no_such();
    else if (s->object["status"] != "pending")
        refused = invalid("The upload is " + s->object["status"].get<std::string>() + ".");
    else return s;
    return nullptr;
}

answer add_part(visit& v) {
    answer refused;
    const stored* upload = open_upload(v, refused);
    if (upload == nullptr) return refused;
    auto content = content_in(v, "data");
    if (content == nullptr) return missing("data");
    stored s;
    s.of = &part_kind;
    s.object = v.made(part_kind);
    s.object["upload_id"] = upload->key;
    s.parent = upload->key;
    s.content = std::move(content);
    return v.keep(std::move(s));
}

answer complete_upload(visit& v) {
    answer refused;
    const stored* upload = open_upload(v, refused);
    if (upload == nullptr) return refused;
    const json* parts = find(v.body(), "part_ids");
    if (parts == nullptr || !parts->is_array()) return missing("part_ids");
    auto whole = std::make_shared<blob>();
    for (const auto& id : *parts) {
        const stored* part = id.is_string() ? v.find(part_kind, id.get<std::string>()) : nullptr;
        if (part == nullptr || part->parent != upload->key) return no_such(part_kind, to_text(id));
        whole->add(*part->content);
    }
    if (whole->size() != number_or(upload->object, "bytes", 0))
        return invalid("The parts have " + std::to_string(whole->size()) + " bytes, the upload was to have " +
                       to_text(upload->object["bytes"]) + ".");
    const std::string key = upload->key;
    stored file = make_file(v, string_or(upload->object, "filename", ""), string_or(upload->object, "purpose", ""),
                            std::move(whole));
    const json made = v.objects.keep(std::move(file), v.now).object;
    for (const stored* part : v.objects.all(part_kind, key, v.now)) v.objects.erase(part->key);
    stored* s = v.objects.find(key, v.now);
    if (s == nullptr) return v.no_such();
    s->object["status"] = "completed";
    s->object["file"] = made;
    return answer::of(200, s->object);
}

answer cancel_upload(visit& v) {
    answer refused;
    stored* s = open_upload(v, refused);
    if (s == nullptr) return refused;
    s->object["status"] = "cancelled";
    return answer::of(200, s->object);
}

}  // namespace

void add_uploads(way_table& all) {
    all.push_back({"POST", "uploads", create_upload, &upload_kind});
    all.push_back({"GET", "uploads/{}", get_one, &upload_kind});
    all.push_back({"POST", "uploads/{}/parts", add_part, &upload_kind});
    all.push_back({"POST", "uploads/{}/complete", complete_upload, &upload_kind});
    all.push_back({"POST", "uploads/{}/cancel", cancel_upload, &upload_kind});
}

}  // namespace spillway::sim
