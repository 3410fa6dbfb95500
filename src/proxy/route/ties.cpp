#include "ties.hpp"

#include <algorithm>
#include <array>

#include <spillway/base/percent.hpp>
#include <spillway/http/target.hpp>

namespace spillway::proxy {

maybe_fault ties::find(const request& asked, std::string_view owner, core::classified& what) {
    if (!at_.config().tags) return std::nullopt;
    if (auto f = in_path(asked, owner, what)) return f;
    const auto& op = *what.op;
    if (op.role != core::object_role::none)
        if (auto f = in_query(asked, owner)) return f;
    if (!asked.body.exists()) return std::nullopt;
    if (asked.body.is_form()) return in_form(asked, owner);
    const bool may_refer =
        op.role != core::object_role::none || op.family == core::family::responses || op.family == core::family::chat;
    return may_refer ? in_body(asked, owner) : std::nullopt;
}

// The tag of one id. `kept`: the bytes of the id itself.
maybe_fault ties::take(std::string_view value, std::string_view owner, std::string_view where, std::size_t& kept) {
    const auto opened = at_.config().tags->open(value, owner);
    if (!opened) return core::object_not_found(where);
    kept = opened->text.size();
    return tie_to(opened->instance);
}

maybe_fault ties::tie_to(std::optional<std::size_t> to) {
    if (!to) return core::object_gone();
    if (instance && *instance != *to) return core::objects_apart();
    instance = to;
    return std::nullopt;
}

maybe_fault ties::in_path(const request& asked, std::string_view owner, core::classified& what) {
    if (what.id_count == 0) return std::nullopt;
    auto& s = asked.memory();
    std::array<std::size_t, core::classified::most_ids> sizes{};
    for (std::size_t i = 0; i < what.id_count; ++i)
        if (auto f = take(what.ids[i], owner, "the id in the path", sizes[i])) return f;
    for (std::size_t i = 0; i < what.id_count; ++i) s.ids.append(what.ids[i].substr(0, sizes[i]));
    std::string_view all = s.ids;
    for (std::size_t i = 0; i < what.id_count; ++i) {
        what.ids[i] = all.substr(0, sizes[i]);
        all.remove_prefix(sizes[i]);
    }
    return std::nullopt;
}

maybe_fault ties::in_query(const request& asked, std::string_view owner) {
    if (asked.query.empty()) return std::nullopt;
    std::string rest;
    http::query_param p;
    for (http::query_cursor c(asked.query); c.next(p);) {
        rest.append(rest.empty() ? "" : "&");
        const bool escapes = p.value.find('%') != std::string_view::npos;
        const bool holds = core::param_holds_id(p.name);
        const auto where = [&p] { return "the query parameter \"" + std::string(p.name) + "\""; };
        // The instance would read an id in it, which no tag of ours could prove.
        if (holds && escapes && core::is_object_id(percent::decoded_leniently(p.value)))
            return core::object_not_found(where());
        if (!holds || escapes || !core::is_object_id(p.value)) {
            rest.append(p.whole);
            continue;
        }
        std::size_t kept = 0;
        if (auto f = take(p.value, owner, where(), kept)) return f;
        rest.append(p.name).append("=").append(p.value.substr(0, kept));
        changes_query = true;
    }
    if (changes_query) asked.memory().upstream_query = std::move(rest);
    return std::nullopt;
}

maybe_fault ties::in_body(const request& asked, std::string_view owner) {
    maybe_fault f;
    const auto see = [&](int member, int parent, unsigned, std::string_view value, bool escaped) {
        if (!f) f = in_body_string(asked, owner, member, parent, value, escaped);
    };
    const bool whole = http::for_each_id(asked.body.view(), core::object_members, see);
    if (f) return f;
    if (!whole && !asked.body.empty()) return bad_request("The request body is nested too deeply, or is no JSON.");
    for (const auto& r : asked.marks().needs.references)
        if (!was_opened(asked, r.raw)) return core::object_not_found(r.member);
    return std::nullopt;
}

maybe_fault ties::in_form(const request& asked, std::string_view owner) {
    for (const auto& [member, value] : asked.marks().form_ids)
        if (auto f = in_body_string(asked, owner, member, -1, value, false)) return f;
    return std::nullopt;
}

maybe_fault ties::in_body_string(const request& asked, std::string_view owner, int member, int parent,
                                 std::string_view value, bool escaped) {
    const auto kind = core::kind_of_member(member, parent);
    const auto& ring = *at_.config().tags;
    if (kind == core::id_kind::text) return std::nullopt;
    auto& cuts = asked.memory().id_edits;
    const auto offset = static_cast<std::size_t>(value.data() - asked.body.view().data());
    if (kind == core::id_kind::reasoning) {
        // A client may have escaped what needs no escape, so the mark is sought in what the string says; it is made
        // of characters that no client escapes.
        const bool marked = identity::tag_ring::looks_marked(value);
        const auto opened = marked ? ring.open_mark(value, owner) : std::nullopt;
        if (marked && !opened) return core::reasoning_not_verified();
        if (!opened) {
            unmarked_reasoning = true;
            return std::nullopt;
        }
        cuts.push_back({offset, identity::tag_ring::mark_size});
        return tie_to(opened->instance);
    }
    const auto opened = escaped ? std::nullopt : ring.open(value, owner);
    if (opened) {
        cuts.push_back({offset + opened->text.size(), identity::tag_ring::tag_size});
        return tie_to(opened->instance);
    }
    if (kind == core::id_kind::own_id) return std::nullopt;
    if (!escaped && !core::is_object_id(value)) return std::nullopt;
    if (core::names_previous_response(member)) return core::previous_response_not_found(escaped ? "" : value);
    return core::object_not_found("the member \"" + std::string(core::object_members[member].name) + "\"");
}

// `raw` as spelled, quotes included.
bool ties::was_opened(const request& asked, std::string_view raw) const noexcept {
    const auto from = static_cast<std::size_t>(raw.data() - asked.body.view().data());
    const auto& cuts = asked.memory().id_edits;
    return std::any_of(cuts.begin(), cuts.end(),
                       [&](const body_cut& c) { return c.at >= from && c.at + c.removed < from + raw.size(); });
}

}  // namespace spillway::proxy
