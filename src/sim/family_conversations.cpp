#include "families.hpp"
#include "input_items.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

json keep_items(visit& v, const std::string& conversation, const json& given) {
    json out = json::array();
    for (const auto& item : whole_items(v, given)) {
        stored s;
        s.of = &item_kind;
        s.object = item;
        s.parent = conversation;
        out.push_back(v.objects.keep(std::move(s), v.now).object);
    }
    return out;
}

answer create_conversation(visit& v) {
    stored s;
    s.of = &conversation_kind;
    s.object = v.made(conversation_kind);
    v.take(s.object, {{"metadata", json::object()}});
    const std::string id = s.id();
    const json object = v.objects.keep(std::move(s), v.now).object;
    keep_items(v, id, v.body().value("items", json::array()));
    return answer::of(200, object);
}

answer create_items(visit& v) {
    const stored* s = v.named();
    if (s == nullptr) return v.no_such();
    const json* given = find(v.body(), "items");
    if (given == nullptr) return missing("items");
    constexpr std::size_t most = 20;
    if (given->size() > most) return invalid("At most 20 items at a time.", "items");
    json data = keep_items(v, s->key, *given);
    const json first = data.empty() ? json(nullptr) : data.front()["id"];
    const json last = data.empty() ? json(nullptr) : data.back()["id"];
    return answer::of(
        200,
        {{"object", "list"}, {"data", std::move(data)}, {"first_id", first}, {"last_id", last}, {"has_more", false}});
}

// Tells the conversation that it was taken out of.
answer delete_item(visit& v) {
    const stored* item = v.named();
    if (item == nullptr) return v.no_such();
    const json conversation = v.objects.find(item->parent, v.now)->object;
    v.objects.erase(item->key);
    return answer::of(200, conversation);
}

}  // namespace

void add_conversations(way_table& all) {
    all.push_back({"POST", "conversations", create_conversation, &conversation_kind});
    all.push_back({"GET", "conversations/{}", get_one, &conversation_kind});
    all.push_back({"POST", "conversations/{}", update_one, &conversation_kind});
    all.push_back({"DELETE", "conversations/{}", delete_one, &conversation_kind});
    all.push_back({"POST", "conversations/{}/items", create_items, &conversation_kind});
    all.push_back({"GET", "conversations/{}/items", list_all, &item_kind});
    all.push_back({"GET", "conversations/{}/items/{}", get_one, &item_kind});
    all.push_back({"DELETE", "conversations/{}/items/{}", delete_item, &item_kind});
}

}  // namespace spillway::sim
