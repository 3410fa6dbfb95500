#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exchange.hpp"
#include "object_store.hpp"
#include "resource.hpp"

namespace spillway::sim {

// One request for what lives on an instance, with what its handler needs.
struct visit {
    const resource& at;
    object_store& objects;
    exchange& x;
    std::vector<std::string> ids;  // what stands for {} in the route's pattern
    const kind* of{nullptr};       // of the last id, or of what is listed
    time_point now;

    const json& body() const noexcept { return x.body; }
    // Of the query; its name may come in brackets, `metadata[team]`, spelled as they are or by their numbers.
    std::string parameter(std::string_view name) const;
    // Without any hint of the instance.
    std::string new_id(std::string_view prefix);
    // In seconds since 1970, by the clock that answers go by.
    std::int64_t wall(duration ahead = {}) const noexcept;
    // How long things take here.
    duration job() const noexcept { return at.options().job_time; }

    // A new object of that kind: id, `object` and `created_at`.
    json made(const kind& k);
    // These members, as the request has them, else as they are here.
    void take(json& object, const json& otherwise) const;

    // What the ids name, each below the one before. Null: it is not here.
    stored* named();
    stored* find(const kind& k, const std::string& id);
    answer no_such() const;

    answer keep(stored s);
    // What becomes of it from now on, instead of what was planned.
    void replan(stored& s, std::vector<change> plan) const;

    // What the deployment answers, without a quota. The body has to outlive the answer's making.
    answer ask(const deployment& d, operation op, const json& body);

    unsigned ids_made{0};
};

answer no_such(const kind& k, std::string_view id);
answer missing(std::string_view member);
answer invalid(std::string_view message, std::string_view param = {});

// Part of a list, as `limit`, `order`, `after` and `before` of the request want it.
struct paging {
    std::size_t limit{20};
    bool oldest_first{false};
};
answer page_of(const visit& v, std::vector<json> oldest_first, paging usual = {});

// Handlers that many kinds share.
answer get_one(visit& v);
answer list_all(visit& v);
answer list_oldest_first(visit& v);
answer update_one(visit& v);
answer delete_one(visit& v);
answer get_content(visit& v);

}  // namespace spillway::sim
