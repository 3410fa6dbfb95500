#include <algorithm>
#include <array>

#include <spillway/base/text.hpp>

#include "families.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

constexpr kind store_file_kind{"vector_store.file", ""}, file_batch_kind{"vector_store.files_batch", "vsfb_"};

// How many of these files are in which state.
json counts_of(const std::vector<stored*>& files) {
    json out{{"in_progress", 0}, {"completed", 0}, {"failed", 0}, {"cancelled", 0}, {"total", files.size()}};
    for (const stored* f : files)
        out[string_or(f->object, "status", "failed")] = out.value(string_or(f->object, "status", "failed"), 0) + 1;
    return out;
}

std::vector<stored*> files_of_batch(visit& v, const stored& batch) {
    std::vector<stored*> out = v.objects.all(store_file_kind, batch.parent, v.now);
    std::erase_if(out, [&](const stored* f) { return f->inside["batch"] != json(batch.key); });
    return out;
}

// Counts follow from the files that lie below.
void refresh_store(visit& v, stored& s) {
    const auto files = v.objects.all(store_file_kind, s.key, v.now);
    std::uint64_t bytes = 0;
    for (const stored* f : files) bytes += number_or(f->object, "usage_bytes", 0);
    s.object["file_counts"] = counts_of(files);
    s.object["usage_bytes"] = bytes;
    s.object["status"] = s.object["file_counts"]["in_progress"] == 0 ? "completed" : "in_progress";
}

void refresh_batch(visit& v, stored& s) {
    s.object["file_counts"] = counts_of(files_of_batch(v, s));
    if (s.object["status"] == "in_progress" && s.object["file_counts"]["in_progress"] == 0)
        s.object["status"] = "completed";
}

json chunking_in(const json& wanted) {
    const json usual{{"type", "static"}, {"static", {{"max_chunk_size_tokens", 800}, {"chunk_overlap_tokens", 400}}}};
    const json* given = find(wanted, "chunking_strategy");
    return given == nullptr || string_or(*given, "type", "auto") == "auto" ? usual : *given;
}

// Keeps a file below the store; null: there is no such file.
const stored* add_store_file(visit& v, const std::string& store, const json& wanted, const std::string& batch) {
    const std::string id = string_or(wanted, "file_id", "");
    const stored* file = v.find(file_kind, id);
    if (file == nullptr) return nullptr;
    const std::uint64_t bytes = file->content->size();
    stored s;
    s.of = &store_file_kind;
    s.key = store + "/" + id;
    s.parent = store;
    s.inside = {{"batch", batch}};
    s.object = {{"id", id},
                {"object", "vector_store.file"},
                {"created_at", v.wall()},
                {"vector_store_id", store},
                {"status", "in_progress"},
                {"last_error", nullptr},
                {"usage_bytes", 0}};
    s.object["attributes"] = wanted.value("attributes", json::object());
    s.object["chunking_strategy"] = chunking_in(wanted);
    s.plan = {{v.job(), {{"status", "completed"}, {"usage_bytes", bytes}}}};
    return &v.objects.keep(std::move(s), v.now);
}

answer create_store(visit& v) {
    const json* files = find(v.body(), "file_ids");
    if (files != nullptr)
        for (const auto& id : *files)
            if (v.find(file_kind, id.get<std::string>()) == nullptr) return no_such(file_kind, id.get<std::string>());
    stored s;
    s.of = &vector_store_kind;
    s.object = v.made(vector_store_kind);
    v.take(s.object, {{"name", ""}, {"description", ""}, {"metadata", json::object()}, {"expires_after", nullptr}});
    if (s.object["name"].is_null()) s.object["name"] = "";
    s.object["last_active_at"] = v.wall();
    s.object["expires_at"] = nullptr;
    if (const json& after = s.object["expires_after"]; after.is_object())
        s.object["expires_at"] = v.wall(hours(24) * static_cast<std::int64_t>(number_or(after, "days", 1)));
    const std::string id = s.id();
    v.objects.keep(std::move(s), v.now);
    if (files != nullptr)
        for (const auto& file : *files)
            add_store_file(v, id, {{"file_id", file}, {"chunking_strategy", chunking_in(v.body())}}, "");
    v.ids = {id};
    stored* kept = v.named();
    refresh_store(v, *kept);
    return answer::of(200, kept->object);
}

answer get_store(visit& v) {
    if (stored* s = v.named(); s != nullptr) refresh_store(v, *s);
    return get_one(v);
}

answer update_store(visit& v) {
    const answer out = update_one(v);
    return out.status == 200 ? get_store(v) : out;
}

answer list_stores(visit& v) {
    for (stored* s : v.objects.all(vector_store_kind, "", v.now)) refresh_store(v, *s);
    return list_all(v);
}

answer create_store_file(visit& v) {
    const stored* store = v.named();
    if (store == nullptr) return no_such(vector_store_kind, v.ids[0]);
    const stored* made = add_store_file(v, store->key, v.body(), "");
    return made != nullptr ? answer::of(200, made->object) : no_such(file_kind, string_or(v.body(), "file_id", ""));
}

answer page_of_files(visit& v, std::vector<stored*> files) {
    const std::string filter = v.parameter("filter");
    std::vector<json> out;
    for (const stored* f : files)
        if (filter.empty() || f->object["status"] == filter) out.push_back(f->object);
    return page_of(v, std::move(out));
}

answer list_store_files(visit& v) {
    const stored* store = v.named();
    if (store == nullptr) return no_such(vector_store_kind, v.ids[0]);
    return page_of_files(v, v.objects.all(store_file_kind, store->key, v.now));
}

std::string text_of_file(visit& v, const std::string& id) {
    const stored* file = v.find(file_kind, id);
    constexpr std::size_t most = 4096;
    return file != nullptr ? file->content->part(0, most) : std::string();
}

answer store_file_content(visit& v) {
    if (v.named() == nullptr) return v.no_such();
    return answer::of(200, {{"object", "vector_store.file_content.page"},
                            {"data", json::array({{{"type", "text"}, {"text", text_of_file(v, v.ids[1])}}})},
                            {"has_more", false},
                            {"next_page", nullptr}});
}

answer create_file_batch(visit& v) {
    const stored* store = v.named();
    if (store == nullptr) return no_such(vector_store_kind, v.ids[0]);
    const std::string key = store->key;
    json wanted = v.body().value("files", json::array());
    const json ids = v.body().value("file_ids", json::array());
    for (const auto& id : ids)
        wanted.push_back({{"file_id", id},
                          {"attributes", v.body().value("attributes", json::object())},
                          {"chunking_strategy", chunking_in(v.body())}});
    if (wanted.empty()) return missing("file_ids");
    for (const auto& one : wanted)
        if (const std::string id = string_or(one, "file_id", ""); v.find(file_kind, id) == nullptr)
            return no_such(file_kind, id);
    stored s;
    s.of = &file_batch_kind;
    s.parent = key;
    s.object = v.made(file_batch_kind);
    s.object.update({{"vector_store_id", key}, {"status", "in_progress"}});
    const std::string id = s.id();
    v.objects.keep(std::move(s), v.now);
    for (const auto& one : wanted) add_store_file(v, key, one, id);
    stored* kept = v.objects.find(id, v.now);
    refresh_batch(v, *kept);
    return answer::of(200, kept->object);
}

answer get_file_batch(visit& v) {
    stored* s = v.named();
    if (s == nullptr) return v.no_such();
    refresh_batch(v, *s);
    return answer::of(200, s->object);
}

answer cancel_file_batch(visit& v) {
    stored* s = v.named();
    if (s == nullptr) return v.no_such();
    refresh_batch(v, *s);
    if (s->object["status"] == "in_progress") s->object["status"] = "cancelled";
    for (stored* f : files_of_batch(v, *s))
        if (!f->plan.empty()) {
            f->plan.clear();
            f->object["status"] = "cancelled";
        }
    return get_file_batch(v);
}

answer list_batch_files(visit& v) {
    const stored* s = v.named();
    return s == nullptr ? v.no_such() : page_of_files(v, files_of_batch(v, *s));
}

// The more words of the query a file has, the higher it stands.
double score_of(const json& queries, const std::string& text) {
    std::size_t words = 0, found = 0;
    for (const auto& q : queries) {
        std::string_view rest = q.get_ref<const std::string&>();
        while (!rest.empty()) {
            const std::string_view word = rest.substr(0, rest.find(' '));
            rest.remove_prefix(std::min(rest.size(), word.size() + 1));
            if (word.empty()) continue;
            ++words;
            if (text::icontains(text, word)) ++found;
        }
    }
    return static_cast<double>(found + 1) / static_cast<double>(words + 1);
}

answer search_store(visit& v) {
    const stored* store = v.named();
    if (store == nullptr) return no_such(vector_store_kind, v.ids[0]);
    const json* query = find(v.body(), "query");
    if (query == nullptr) return missing("query");
    const json queries = query->is_array() ? *query : json::array({*query});
    std::vector<json> found;
    for (const stored* f : v.objects.all(store_file_kind, store->key, v.now)) {
        if (f->object["status"] != "completed") continue;
        const std::string id = f->id(), text = text_of_file(v, id);
        const stored* file = v.find(file_kind, id);
        found.push_back({{"file_id", id},
                         {"filename", file != nullptr ? string_or(file->object, "filename", "") : ""},
                         {"score", score_of(queries, text)},
                         {"attributes", f->object["attributes"]},
                         {"content", json::array({{{"type", "text"}, {"text", text}}})}});
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const json& a, const json& b) { return a["score"] > b["score"]; });
    const std::size_t most = std::clamp<std::size_t>(number_or(v.body(), "max_num_results", 10), 1, 50);
    const bool more = found.size() > most;
    if (more) found.resize(most);
    return answer::of(200, {{"object", "vector_store.search_results.page"},
                            {"search_query", queries},
                            {"data", found},
                            {"has_more", more},
                            {"next_page", nullptr}});
}

}  // namespace

void add_vector_stores(way_table& all) {
    all.push_back({"POST", "vector_stores", create_store, &vector_store_kind});
    all.push_back({"GET", "vector_stores", list_stores, &vector_store_kind});
    all.push_back({"GET", "vector_stores/{}", get_store, &vector_store_kind});
    all.push_back({"POST", "vector_stores/{}", update_store, &vector_store_kind});
    all.push_back({"DELETE", "vector_stores/{}", delete_one, &vector_store_kind});
    all.push_back({"POST", "vector_stores/{}/search", search_store, &vector_store_kind});
    all.push_back({"POST", "vector_stores/{}/files", create_store_file, &store_file_kind});
    all.push_back({"GET", "vector_stores/{}/files", list_store_files, &store_file_kind});
    all.push_back({"GET", "vector_stores/{}/files/{}", get_one, &store_file_kind});
    all.push_back({"POST", "vector_stores/{}/files/{}", update_one, &store_file_kind});
    all.push_back({"DELETE", "vector_stores/{}/files/{}", delete_one, &store_file_kind});
    all.push_back({"GET", "vector_stores/{}/files/{}/content", store_file_content, &store_file_kind});
    all.push_back({"POST", "vector_stores/{}/file_batches", create_file_batch, &file_batch_kind});
    all.push_back({"GET", "vector_stores/{}/file_batches/{}", get_file_batch, &file_batch_kind});
    all.push_back({"POST", "vector_stores/{}/file_batches/{}/cancel", cancel_file_batch, &file_batch_kind});
    all.push_back({"GET", "vector_stores/{}/file_batches/{}/files", list_batch_files, &file_batch_kind});
}

}  // namespace spillway::sim
