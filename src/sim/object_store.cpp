#include "object_store.hpp"

#include <utility>

namespace spillway::sim {
namespace {

// About what it takes in memory.
std::uint64_t weight(const json& j) {
    constexpr std::uint64_t node = 32;
    if (j.is_string()) return node + j.get_ref<const std::string&>().size();
    std::uint64_t n = node;
    if (j.is_object())
        for (const auto& [name, below] : j.items()) n += node + name.size() + weight(below);
    else if (j.is_array())
        for (const auto& below : j) n += weight(below);
    return n;
}

std::uint64_t weight(const stored& s) {
    std::uint64_t n = sizeof(stored) + weight(s.object) + weight(s.inside);
    for (const auto& e : s.events) n += e.bytes.size() + sizeof(piece);
    for (const auto& c : s.plan) n += weight(c.members);
    return s.content ? n + s.content->kept().size() : n;
}

}  // namespace

stored& object_store::keep(stored s, time_point now) {
    s.made = now;
    if (s.key.empty()) s.key = s.id();
    if (const auto before = keys_.find(s.key); before != keys_.end()) drop(entries_.find(before->second));
    const std::uint64_t number = ++last_, bytes = weight(s);
    keys_.emplace(s.key, number);
    bytes_ += bytes;
    entries_.emplace(number, entry{std::move(s), bytes});
    trim(now);
    return entries_.at(number).what;
}

void object_store::drop(entries::iterator at) {
    bytes_ -= at->second.bytes;
    keys_.erase(at->second.what.key);
    entries_.erase(at);
}

// What was made last stays in any case.
void object_store::trim(time_point now) {
    while (entries_.size() > 1 && (entries_.size() > bounds_.objects || bytes_ > bounds_.bytes ||
                                   entries_.begin()->second.what.made + bounds_.life < now))
        drop(entries_.begin());
}

bool object_store::visible(const stored& s, time_point now) const noexcept {
    return s.made + s.appears <= now && now <= s.made + bounds_.life;
}

void object_store::advance(stored& s, time_point now) {
    std::size_t done = 0;
    for (; done < s.plan.size() && s.made + s.plan[done].after <= now; ++done)
        for (const auto& [name, value] : s.plan[done].members.items()) s.object[name] = value;
    s.plan.erase(s.plan.begin(), s.plan.begin() + static_cast<std::ptrdiff_t>(done));
}

stored* object_store::find(const std::string& key, time_point now) {
    const auto at = keys_.find(key);
    if (at == keys_.end()) return nullptr;
    stored& s = entries_.at(at->second).what;
    if (!visible(s, now)) return nullptr;
    advance(s, now);
    return &s;
}

void object_store::erase(const std::string& key) {
    const auto at = keys_.find(key);
    if (at == keys_.end()) return;
    std::vector<std::string> below;
    for (auto e = entries_.upper_bound(at->second); e != entries_.end(); ++e)
        if (e->second.what.parent == key) below.push_back(e->second.what.key);
    drop(entries_.find(at->second));
    for (const auto& one : below) erase(one);
}

std::vector<stored*> object_store::all(const kind& k, const std::string& parent, time_point now) {
    std::vector<stored*> out;
    for (auto& [number, e] : entries_) {
        if (e.what.of != &k || e.what.parent != parent || !visible(e.what, now)) continue;
        advance(e.what, now);
        out.push_back(&e.what);
    }
    return out;
}

}  // namespace spillway::sim
