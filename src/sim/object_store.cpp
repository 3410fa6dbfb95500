#include "object_store.hpp"

#include <array>

namespace spillway::sim {
namespace {

struct collection {
    std::string_view path, prefix, object;
};
constexpr std::array<collection, 11> collections{{
    {"responses", "resp_", "response"},
    {"files", "file-", "file"},
    {"assistants", "asst_", "assistant"},
    {"threads", "thread_", "thread"},
    {"vector_stores", "vs_", "vector_store"},
    {"batches", "batch_", "batch"},
    {"conversations", "conv_", "conversation"},
    {"containers", "cntr_", "container"},
    {"fine_tuning/jobs", "ftjob-", "fine_tuning.job"},
    {"evals", "eval_", "eval"},
    {"uploads", "upload_", "upload"},
}};
// Made below something of the above.
constexpr std::array<collection, 3> parts{
    {{"messages", "msg_", "thread.message"}, {"runs", "run_", "thread.run"}, {"items", "item_", "item"}}};

constexpr std::size_t most_objects = 10000;

const collection* find_collection(std::string_view path) noexcept {
    for (const auto& c : collections)
        if (path.starts_with(c.path) && (path.size() == c.path.size() || path[c.path.size()] == '/')) return &c;
    return nullptr;
}

answer no_such(std::string_view object, std::string_view id) {
    return error_answer(404, "not_found", "No " + std::string(object) + " found with id '" + std::string(id) + "'.",
                        "invalid_request_error");
}

// The file inside a multipart body; the whole body when it is none.
std::string_view uploaded(std::string_view body) {
    const auto named = body.find("filename=");
    const auto head_end = named == std::string_view::npos ? named : body.find("\r\n\r\n", named);
    if (head_end == std::string_view::npos) return body;
    const std::string_view boundary = body.substr(0, body.find("\r\n"));
    const std::string_view rest = body.substr(head_end + 4);
    const auto end = rest.find(boundary);
    return end == std::string_view::npos || end < 2 ? rest : rest.substr(0, end - 2);
}

json as_list(json data) { return {{"object", "list"}, {"data", std::move(data)}, {"has_more", false}}; }

}  // namespace

struct object_store::place {
    const collection* in;
    std::string id, rest;  // "files/ID/REST"
};

bool object_store::knows(std::string_view path) noexcept { return find_collection(path) != nullptr; }

void object_store::keep(const json& object) {
    const std::string id = string_or(object, "id", "");
    if (objects_.insert_or_assign(id, object).second) order_.push_back(id);
    while (order_.size() > most_objects) {
        objects_.erase(order_.front());
        contents_.erase(order_.front());
        order_.pop_front();
    }
}

answer object_store::handle(const request& r, std::string_view path, const std::string& fresh, std::int64_t now) {
    place at{find_collection(path), {}, {}};
    if (at.in == nullptr) return error_answer(404, "404", "Resource not found");
    if (path.size() > at.in->path.size()) {
        const std::string_view tail = path.substr(at.in->path.size() + 1);
        const auto slash = tail.find('/');
        at.id = tail.substr(0, slash);
        if (slash != std::string_view::npos) at.rest = tail.substr(slash + 1);
    }
    if (at.id.empty()) return r.method == "POST" ? create(r, at, fresh, now) : list(at);
    if (at.in->path == "threads" && at.id == "runs") {  // a thread and its run in one
        place thread{at.in, {}, {}};
        return create(r, thread, fresh, now);
    }
    if (!objects_.contains(at.id)) return no_such(at.in->object, at.id);
    if (!at.rest.empty()) return below(r, at, fresh, now);
    if (r.method == "DELETE") {
        objects_.erase(at.id);
        contents_.erase(at.id);
        return answer::of(200,
                          {{"id", at.id}, {"object", std::string(at.in->object) + ".deleted"}, {"deleted", true}});
    }
    return answer::of(200, objects_[at.id]);
}

answer object_store::create(const request& r, const place& at, const std::string& fresh, std::int64_t now) {
    json object{{"id", std::string(at.in->prefix) + fresh}, {"object", at.in->object}, {"created_at", now}};
    const json body = json::parse(r.body, nullptr, false);
    if (body.is_object()) {
        object.update(body);
    } else {
        const std::string_view content = uploaded(r.body);
        object["bytes"] = content.size();
        object["status"] = "processed";
        contents_[object["id"]] = content;
    }
    keep(object);
    return answer::of(200, object);
}

answer object_store::list(const place& at) const {
    json data = json::array();
    for (const auto& [id, object] : objects_)
        if (id.starts_with(at.in->prefix)) data.push_back(object);
    return answer::of(200, as_list(std::move(data)));
}

answer object_store::below(const request& r, const place& at, const std::string& fresh, std::int64_t now) {
    if (at.rest == "content") {
        answer out;
        out.content_type = "application/octet-stream";
        out.pieces.push_back({contents_[at.id], 0});
        return out;
    }
    if (at.rest == "cancel") {
        objects_[at.id]["status"] = "cancelled";
        return answer::of(200, objects_[at.id]);
    }
    if (r.method != "POST") {
        if (objects_.contains(at.rest.substr(at.rest.find('/') + 1)))
            return answer::of(200, objects_[at.rest.substr(at.rest.find('/') + 1)]);
        return answer::of(200, as_list(json::array()));
    }
    json object{{"id", fresh}, {"object", at.rest}, {"created_at", now}};
    for (const auto& p : parts)
        if (at.rest == p.path) {
            object["id"] = std::string(p.prefix) + fresh;
            object["object"] = p.object;
        }
    object[std::string(at.in->object) + "_id"] = at.id;
    if (const json body = json::parse(r.body, nullptr, false); body.is_object()) object.update(body);
    keep(object);
    return answer::of(200, object);
}

}  // namespace spillway::sim
