#include <spillway/core/router.hpp>

#include <algorithm>
#include <functional>

#include <spillway/base/text.hpp>

namespace spillway::core {
namespace {

bool is_glob(std::string_view s) noexcept { return s.find('*') != std::string_view::npos; }

}  // namespace

router::router(std::vector<route_rule> rules, std::size_t clients) : rules_(std::move(rules)), clients_(clients) {
    const auto add = [&](client_index& c, std::uint32_t route) {
        const auto& d = rules_[route].deployment;
        if (is_glob(d)) c.globs.push_back(route);
        else c.exact[d].push_back(route);
    };
    for (std::uint32_t i = 0; i < rules_.size(); ++i) {
        if (rules_[i].all_clients)
            for (auto& c : clients_) add(c, i);
        else
            for (const auto k : rules_[i].clients) add(clients_[k], i);
    }
}

namespace {

// Once the client and the deployment fit.
route_miss further_mismatch(const route_rule& r, const route_query& q, const http::field_table& headers) noexcept {
    if (r.operations != 0 && (r.operations >> q.operation & 1) == 0) return {mismatch::operation, 0};
    for (std::size_t i = 0; i < r.headers.size(); ++i) {
        const auto* f = headers.find(std::string_view(r.headers[i].first));
        if (f == nullptr || !text::glob_match(r.headers[i].second, f->value)) return {mismatch::header, i};
    }
    return {};
}

bool names(const route_rule& r, std::size_t client) noexcept {
    return r.all_clients || std::find(r.clients.begin(), r.clients.end(), client) != r.clients.end();
}

}  // namespace

route_miss router::misses(std::size_t route, const route_query& q, const http::field_table& headers) const noexcept {
    const auto& r = rules_[route];
    if (!names(r, q.client)) return {mismatch::client, 0};
    if (!text::glob_match(r.deployment, q.deployment)) return {mismatch::deployment, 0};
    return further_mismatch(r, q, headers);
}

std::size_t router::share_of(const route_rule& r, const route_query& q, random_source& random) noexcept {
    if (r.pools.size() == 1) return r.pools.front().pool;
    std::uint32_t sum = 0;
    for (const auto& s : r.pools) sum += s.weight;
    if (sum == 0) return r.pools.front().pool;
    std::uint32_t at;
    if (r.sticky == config::stickiness::none) {
        at = random.below(sum);
    } else {
        const bool by_user = r.sticky == config::stickiness::user && !q.user.empty();
        std::uint64_t h = text::hash(r.name) * 31 + text::hash(q.client_name);
        if (by_user) h = h * 31 + text::hash(q.user);
        at = static_cast<std::uint32_t>((text::mix(h) >> 32) * sum >> 32);
    }
    for (const auto& s : r.pools) {
        if (at < s.weight) return s.pool;
        at -= s.weight;
    }
    return r.pools.back().pool;
}

std::optional<route_match> router::find(const route_query& q, const http::field_table& headers,
                                        random_source& random) const {
    if (q.client >= clients_.size()) return std::nullopt;
    const auto& mine = clients_[q.client];
    static const std::vector<std::uint32_t> none;
    const auto named = mine.exact.find(q.deployment);
    const auto& exact = named != mine.exact.end() ? named->second : none;
    // Both lists are in the order of the file; the first match of the two together wins.
    auto e = exact.begin();
    auto g = mine.globs.begin();
    while (e != exact.end() || g != mine.globs.end()) {
        const bool from_exact = g == mine.globs.end() || (e != exact.end() && *e < *g);
        const std::uint32_t i = from_exact ? *e++ : *g++;
        const auto& r = rules_[i];
        if (!from_exact && !text::glob_match(r.deployment, q.deployment)) continue;
        if (further_mismatch(r, q, headers).what == mismatch::none) return route_match{i, share_of(r, q, random)};
    }
    return std::nullopt;
}

std::optional<route_match> router::find_unnamed(const route_query& q, const http::field_table& headers,
                                                const std::function<bool(std::size_t)>& fits) const {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        const auto& r = rules_[i];
        if (!names(r, q.client) || further_mismatch(r, q, headers).what != mismatch::none) continue;
        for (const auto& s : r.pools)
            if (fits(s.pool)) return route_match{i, s.pool};
    }
    return std::nullopt;
}

bool router::reaches(std::size_t client, std::string_view deployment) const noexcept {
    if (client >= clients_.size()) return false;
    const auto& mine = clients_[client];
    return mine.exact.find(deployment) != mine.exact.end() ||
           std::any_of(mine.globs.begin(), mine.globs.end(),
                       [&](std::uint32_t route) { return text::glob_match(rules_[route].deployment, deployment); });
}

bool router::knows(std::string_view deployment) const noexcept {
    return std::any_of(rules_.begin(), rules_.end(),
                       [&](const route_rule& r) { return text::glob_match(r.deployment, deployment); });
}

std::vector<std::size_t> router::routes_of(std::size_t client) const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < rules_.size(); ++i)
        if (names(rules_[i], client)) out.push_back(i);
    return out;
}

}  // namespace spillway::core
