#include "family_threads.hpp"

#include "families.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

json text_block(const json& text) {
    return {{"type", "text"}, {"text", {{"value", text}, {"annotations", json::array()}}}};
}

// Clients say text as text or as parts; the API shows parts whose text is an object.
json content_blocks(const json& given) {
    if (!given.is_array()) return json::array({text_block(given)});
    json out = json::array();
    for (const auto& part : given) {
        const json* text = find(part, "text");
        out.push_back(text != nullptr && text->is_string() ? text_block(*text) : part);
    }
    return out;
}

answer create_thread(visit& v) { return answer::of(200, make_thread(v, v.body()).object); }

answer create_message(visit& v) {
    const stored* thread = v.named();
    if (thread == nullptr) return no_such(thread_kind, v.ids[0]);
    for (const char* needed : {"role", "content"})
        if (find(v.body(), needed) == nullptr) return missing(needed);
    return v.keep(make_message(v, thread->key, v.body()));
}

answer list_messages_of_thread(visit& v) {
    const stored* thread = v.named();
    if (thread == nullptr) return no_such(thread_kind, v.ids[0]);
    const std::string run = v.parameter("run_id");
    std::vector<json> out;
    for (const stored* s : v.objects.all(message_kind, thread->key, v.now))
        if (run.empty() || s->object["run_id"] == run) out.push_back(s->object);
    return page_of(v, std::move(out));
}

}  // namespace

stored& make_thread(visit& v, const json& wanted) {
    stored s;
    s.of = &thread_kind;
    s.object = v.made(thread_kind);
    for (const char* key : {"metadata", "tool_resources"}) {
        const json* given = find(wanted, key);
        s.object[key] = given != nullptr ? *given : json::object();
    }
    const std::string id = s.id();
    v.objects.keep(std::move(s), v.now);
    if (const json* messages = find(wanted, "messages"); messages != nullptr)
        for (const auto& m : *messages) v.objects.keep(make_message(v, id, m), v.now);
    return *v.objects.find(id, v.now);
}

stored make_message(visit& v, const std::string& thread, const json& wanted) {
    stored s;
    s.of = &message_kind;
    s.parent = thread;
    s.object = v.made(message_kind);
    s.object.update({{"thread_id", thread},
                     {"status", "completed"},
                     {"incomplete_details", nullptr},
                     {"completed_at", v.wall()},
                     {"incomplete_at", nullptr},
                     {"role", string_or(wanted, "role", "user")},
                     {"content", content_blocks(wanted.value("content", json("")))},
                     {"assistant_id", nullptr},
                     {"run_id", nullptr}});
    s.object["attachments"] = wanted.value("attachments", json::array());
    s.object["metadata"] = wanted.value("metadata", json::object());
    return s;
}

void add_threads(way_table& all) {
    all.push_back({"POST", "threads", create_thread, &thread_kind});
    all.push_back({"GET", "threads/{}", get_one, &thread_kind});
    all.push_back({"POST", "threads/{}", update_one, &thread_kind});
    all.push_back({"DELETE", "threads/{}", delete_one, &thread_kind});
    all.push_back({"POST", "threads/{}/messages", create_message, &message_kind});
    all.push_back({"GET", "threads/{}/messages", list_messages_of_thread, &message_kind});
    all.push_back({"GET", "threads/{}/messages/{}", get_one, &message_kind});
    all.push_back({"POST", "threads/{}/messages/{}", update_one, &message_kind});
    all.push_back({"DELETE", "threads/{}/messages/{}", delete_one, &message_kind});
}

}  // namespace spillway::sim
