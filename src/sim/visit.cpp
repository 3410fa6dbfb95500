#include "visit.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include <spillway/base/random.hpp>
#include <spillway/base/text.hpp>

namespace spillway::sim {
namespace {

std::vector<json> shown(const std::vector<stored*>& all) {
    std::vector<json> out;
    out.reserve(all.size());
    for (const stored* s : all) out.push_back(s->object);
    return out;
}

answer list_with(visit& v, paging usual) {
    if (!v.ids.empty() && v.named() == nullptr) return v.no_such();
    const std::string parent = v.ids.empty() ? "" : v.named()->key;
    return page_of(v, shown(v.objects.all(*v.of, parent, v.now)), usual);
}

}  // namespace

answer no_such(const kind& k, std::string_view id) {
    return error_answer(404, "not_found", "No " + std::string(k.object) + " found with id '" + std::string(id) + "'.",
                        "invalid_request_error");
}

answer invalid(std::string_view message, std::string_view param) {
    json body = error_body("invalid_value", message, "invalid_request_error");
    if (!param.empty()) body["error"]["param"] = param;
    return answer::of(400, body);
}

answer missing(std::string_view member) {
    json body = error_body("missing_required_parameter", "Missing required parameter: '" + std::string(member) + "'.",
                           "invalid_request_error");
    body["error"]["param"] = member;
    return answer::of(400, body);
}

std::string visit::parameter(std::string_view name) const {
    std::string_view found = x.asked.parameter(name);
    if (const auto open = name.find('['); found.empty() && open != std::string_view::npos) {
        std::string spelled(name.substr(0, open));
        spelled += "%5B" + std::string(name.substr(open + 1, name.size() - open - 2)) + "%5D";
        found = x.asked.parameter(spelled);
    }
    return percent_decoded(found);
}

std::string visit::new_id(std::string_view prefix) {
    std::uint64_t salt = text::hash(x.id + "/" + std::to_string(++ids_made) + "/" + at.options().name);
    char digits[40];
    random_source random(salt);
    std::snprintf(digits, sizeof digits, "%016llx%08x", static_cast<unsigned long long>(random.next()),
                  static_cast<unsigned>(random.next() >> 32));
    return std::string(prefix) + digits;
}

std::int64_t visit::wall(duration ahead) const noexcept {
    return x.wall_seconds + std::chrono::duration_cast<seconds>(ahead).count();
}

json visit::made(const kind& k) { return {{"id", new_id(k.prefix)}, {"object", k.object}, {"created_at", wall()}}; }

void visit::take(json& object, const json& otherwise) const {
    for (const auto& [name, value] : otherwise.items()) {
        const json* given = sim::find(body(), name.c_str());
        object[name] = given != nullptr ? *given : value;
    }
}

stored* visit::named() {
    stored* found = nullptr;
    std::string above;
    for (const auto& id : ids) {
        found = objects.find(above + "/" + id, now);
        if (found == nullptr) found = objects.find(id, now);
        if (found == nullptr || found->parent != above) return nullptr;
        above = found->key;
    }
    return found;
}

stored* visit::find(const kind& k, const std::string& id) {
    stored* found = objects.find(id, now);
    return found != nullptr && found->of == &k ? found : nullptr;
}

answer visit::no_such() const {
    static constexpr kind something{"object", ""};
    return sim::no_such(of != nullptr ? *of : something, ids.empty() ? "" : ids.back());
}

answer visit::keep(stored s) { return answer::of(200, objects.keep(std::move(s), now).object); }

void visit::replan(stored& s, std::vector<change> plan) const {
    for (auto& c : plan) c.after += now - s.made;
    s.plan = std::move(plan);
}

answer visit::ask(const deployment& d, operation op, const json& body) {
    call c;
    c.op = op;
    c.deployment = &d.options;
    c.body = &body;
    c.id = new_id("");
    c.created = wall();
    c.seal = at.options().seal();
    return answer_to(c);
}

answer page_of(const visit& v, std::vector<json> oldest_first, paging usual) {
    std::size_t limit = usual.limit;
    if (const std::string given = v.parameter("limit"); !given.empty()) {
        const auto n = text::parse_unsigned(given);
        if (!n || *n > 10000) return invalid("'limit' has to be a whole number.", "limit");
        limit = static_cast<std::size_t>(*n);
    }
    const std::string order = v.parameter("order"), after = v.parameter("after"), before = v.parameter("before");
    // Permissions of checkpoints spell it out.
    const bool ascending = order == "asc" || order == "ascending",
               descending = order == "desc" || order == "descending";
    if (!order.empty() && !ascending && !descending) return invalid("'order' is asc or desc.", "order");
    std::vector<json> all = std::move(oldest_first);
    if (order.empty() ? !usual.oldest_first : descending) std::reverse(all.begin(), all.end());
    const auto place = [&all](const std::string& id) {
        return std::find_if(all.begin(), all.end(), [&](const json& j) { return string_or(j, "id", "") == id; });
    };
    auto from = all.begin(), to = all.end();
    if (!after.empty()) {
        from = place(after);
        if (from == all.end()) return invalid("'after' names nothing in this list.", "after");
        ++from;
    }
    if (!before.empty()) {
        to = place(before);
        if (to == all.end()) return invalid("'before' names nothing in this list.", "before");
        if (static_cast<std::size_t>(to - from) > limit && after.empty())
            from = to - static_cast<std::ptrdiff_t>(limit);
    }
    json data = json::array();
    for (; from < to && data.size() < limit; ++from) data.push_back(*from);
    const json first = data.empty() ? json(nullptr) : data.front().value("id", json(nullptr));
    const json last = data.empty() ? json(nullptr) : data.back().value("id", json(nullptr));
    return answer::of(200, {{"object", "list"},
                            {"data", std::move(data)},
                            {"first_id", first},
                            {"last_id", last},
                            {"has_more", from < to}});
}

answer get_one(visit& v) {
    const stored* s = v.named();
    return s == nullptr ? v.no_such() : answer::of(200, s->object);
}

answer list_all(visit& v) { return list_with(v, {}); }
answer list_oldest_first(visit& v) { return list_with(v, {20, true}); }

answer update_one(visit& v) {
    constexpr std::array<std::string_view, 5> fixed{"id", "object", "created_at", "status", "usage"};
    stored* s = v.named();
    if (s == nullptr) return v.no_such();
    if (v.body().is_object())
        for (const auto& [name, value] : v.body().items())
            if (s->object.contains(name) && std::find(fixed.begin(), fixed.end(), name) == fixed.end())
                s->object[name] = value;
    return answer::of(200, s->object);
}

answer delete_one(visit& v) {
    const stored* s = v.named();
    if (s == nullptr) return v.no_such();
    json gone{{"id", v.ids.back()}, {"object", std::string(v.of->object) + ".deleted"}, {"deleted", true}};
    v.objects.erase(s->key);
    return answer::of(200, gone);
}

answer get_content(visit& v) {
    const stored* s = v.named();
    if (s == nullptr || !s->content) return v.no_such();
    answer out;
    out.content_type = "application/octet-stream";
    out.headers.emplace_back("x-sim-sha256", s->content->digest());
    out.content = s->content;
    return out;
}

}  // namespace spillway::sim
