#include "usage_summing.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "usage_report.hpp"

namespace spillway::ledger {
namespace {

std::string kind_key(const kind_row& k, const grouping& g) {
    if (g.by != dimension::label) return k.texts[static_cast<std::size_t>(g.by)];
    const auto labels = nlohmann::json::parse(k.texts[labels_text], nullptr, false);
    if (!labels.is_object()) return {};
    const auto at = labels.find(g.label);
    return at != labels.end() && at->is_string() ? at->get<std::string>() : std::string();
}

bool is_of_kind(const grouping& g) noexcept { return g.by <= dimension::label; }

}  // namespace

bool wanted(const kind_row& k, const std::vector<usage_filter>& filters) {
    return std::all_of(filters.begin(), filters.end(), [&](const usage_filter& f) {
        const auto have = kind_key(k, f.of);
        return std::any_of(filters.begin(), filters.end(), [&](const usage_filter& other) {
            return other.of.by == f.of.by && other.of.label == f.of.label && other.value == have;
        });
    });
}

std::size_t summing::cell_hash::operator()(const cell_key& k) const noexcept {
    std::uint64_t h = (std::uint64_t{k.group} << 32 | k.facts) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 29;
    h += std::uint64_t{k.user} << 32 | static_cast<std::uint32_t>(k.time);
    h = (h + (k.whole_day ? 1 : 0)) * 0xbf58476d1ce4e5b9ULL;
    return h ^ h >> 31;
}

summing::summing(const usage_query& q, std::vector<kind_row>& kinds) : query_(q), kinds_(kinds) {
    for (const auto& g : q.by) {
        if (g.by == dimension::status) facts_ |= status_bits;
        if (g.by == dimension::outcome) facts_ |= outcome_bits;
        if (g.by == dimension::end_user) users_wanted_ = true;
        if (g.by == dimension::hour) unit_ = 3'600'000'000;
        if (g.by >= dimension::day && unit_ == 0) unit_ = day_us;
    }
    std::map<std::vector<std::string>, std::uint32_t> groups;
    for (auto& k : kinds_) {
        if (!k.known) continue;
        k.wanted = wanted(k, q.filters);
        std::vector<std::string> keys;
        for (const auto& g : q.by)
            if (is_of_kind(g)) keys.push_back(kind_key(k, g));
        const auto [at, fresh] = groups.try_emplace(std::move(keys), static_cast<std::uint32_t>(groups_.size()));
        if (fresh) groups_.push_back(at->first);
        k.group = at->second;
    }
}

usage_sums& summing::cell(const kind_row& k, std::int64_t facts, std::int64_t time_us, std::string_view user) {
    cell_key key{k.group, static_cast<std::uint32_t>(facts) & facts_, 0, bucket(time_us), false};
    if (users_wanted_) key.user = user_number(user);
    return at(key);
}

usage_sums& summing::day_cell(const kind_row& k, std::uint32_t outcome, std::int64_t day) {
    cell_key key{k.group, (outcome << 16) & facts_, 0, bucket(day * day_us), unit_ != 0 && unit_ != day_us};
    if (users_wanted_) key.user = user_number({});
    return at(key);
}

usage_report summing::take() && {
    row_table rows;
    for (const auto& [key, sums] : cells_) rows.add(keys_of(key), sums);
    return std::move(rows).take();
}

std::uint32_t summing::user_number(std::string_view user) {
    const auto known = users_.find(user);
    if (known != users_.end()) return known->second;
    const auto n = static_cast<std::uint32_t>(user_names_.size());
    users_.emplace(std::string(user), n);
    user_names_.emplace_back(user);
    return n;
}

usage_sums& summing::at(const cell_key& key) {
    if (last_ == nullptr || !(key == last_key_)) {
        last_ = &cells_[key];
        last_key_ = key;
    }
    return *last_;
}

std::vector<std::string> summing::keys_of(const cell_key& c) const {
    std::vector<std::string> out;
    auto kind_key_at = groups_[c.group].begin();
    const auto outcome = static_cast<core::usage_outcome>(outcome_of(c.facts));
    for (const auto& g : query_.by) {
        if (is_of_kind(g)) out.push_back(*kind_key_at++);
        else if (g.by == dimension::outcome) out.emplace_back(core::to_string(outcome));
        else if (g.by == dimension::status)
            out.push_back((c.facts & status_bits) == 0 ? "" : std::to_string(c.facts & status_bits));
        else if (g.by == dimension::end_user) out.push_back(user_names_[c.user]);
        else out.push_back(time_key(c.time * unit_, c.whole_day && g.by == dimension::hour ? dimension::day : g.by));
    }
    return out;
}

}  // namespace spillway::ledger
