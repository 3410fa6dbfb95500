#include "families.hpp"
#include "kept_answers.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

bool chat_fits(const visit& v, const json& chat) {
    if (const std::string model = v.parameter("model"); !model.empty() && string_or(chat, "model", "") != model)
        return false;
    for (const auto& [name, value] : chat["metadata"].items()) {
        const std::string wanted = v.parameter("metadata[" + name + "]");
        if (!wanted.empty() && value != json(wanted)) return false;
    }
    return true;
}

answer list_chats(visit& v) {
    std::vector<json> out;
    for (const stored* s : v.objects.all(chat_kind, "", v.now))
        if (chat_fits(v, s->object)) out.push_back(s->object);
    return page_of(v, std::move(out), {20, true});
}

answer list_messages(visit& v) {
    const stored* s = v.named();
    if (s == nullptr) return v.no_such();
    const json& messages = s->inside["messages"];
    return page_of(v, {messages.begin(), messages.end()}, {20, true});
}

}  // namespace

void keep_chat(visit& v, const answer& a) {
    stored s;
    s.of = &chat_kind;
    s.object = a.kept;
    v.take(s.object, {{"metadata", json::object()}});
    json messages = json::array();
    const json given = v.body().value("messages", json::array());
    for (const auto& m : given) {
        json one{{"id", s.id() + "-" + std::to_string(messages.size())}};
        one.update(m);
        if (one["content"].is_array()) {
            one["content_parts"] = one["content"];
            one["content"] = nullptr;
        }
        messages.push_back(std::move(one));
    }
    s.inside = {{"messages", std::move(messages)}};
    v.objects.keep(std::move(s), v.now);
}

void add_stored_chats(way_table& all) {
    all.push_back({"GET", "chat/completions", list_chats, &chat_kind});
    all.push_back({"GET", "chat/completions/{}", get_one, &chat_kind});
    all.push_back({"POST", "chat/completions/{}", update_one, &chat_kind});
    all.push_back({"DELETE", "chat/completions/{}", delete_one, &chat_kind});
    all.push_back({"GET", "chat/completions/{}/messages", list_messages, &chat_kind});
}

}  // namespace spillway::sim
