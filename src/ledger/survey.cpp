#include "survey.hpp"

#include <algorithm>

#include "codec.hpp"

namespace spillway::ledger {
namespace {

// How often the folder is read again because another process changed it meanwhile. One saves once a second.
constexpr int looks = 5;

std::map<std::string, std::string, std::less<>> all_sums(const folder& f) {
    std::map<std::string, std::string, std::less<>> out;
    for (const auto& name : f.names())
        if (name.ends_with(sums_suffix) && !folder::owner_of(name).empty())
            if (auto bytes = f.load(name)) out.emplace(folder::owner_of(name), std::move(*bytes));
    return out;
}

checkpoints parse(const std::map<std::string, std::string, std::less<>>& files,
                  const std::function<void(const std::string&)>& damaged) {
    checkpoints out;
    std::set<std::string, std::less<>> merged;
    for (const auto& [owner, bytes] : files) {
        auto c = from_bytes(bytes);
        if (!c) {
            damaged(owner + std::string(sums_suffix));
            continue;
        }
        merged.insert(c->merged.begin(), c->merged.end());
        out.emplace(owner, std::move(*c));
    }
    for (const auto& owner : merged) out.erase(owner);
    return out;
}

}  // namespace

void join(positions_by_segment& into, const positions_by_segment& more) {
    for (const auto& [segment, position] : more) {
        auto& have = into[segment];
        have = std::max(have, position);
    }
}

scanned scan(const segment& s, std::uint32_t begin, const std::function<void(std::span<const std::byte>)>& each) {
    scanned out;
    out.end = std::max(begin, segment::head_bytes);
    while (out.end < s.size()) {
        const auto found = next_frame(s.between(out.end, s.size()), false, s.number());
        if (!found) break;
        if (each) each(found->payload);
        out.end += static_cast<std::uint32_t>(found->size);
        ++out.records;
    }
    return out;
}

checkpoints load_checkpoints(const folder& f, const std::function<void(const std::string&)>& damaged) {
    auto files = all_sums(f);
    for (int look = 0; look < looks; ++look) {
        auto again = all_sums(f);
        if (again == files) break;
        files = std::move(again);
    }
    return parse(files, damaged);
}

spending spent_in(const folder& f) {
    spending total;
    for (int look = 0; look < looks; ++look) {
        const auto files = all_sums(f);
        total = {};
        positions_by_segment positions;
        for (const auto& [owner, c] : parse(files, [](const std::string&) {})) {
            total.add(c.sums);
            join(positions, c.positions);
        }
        for (const auto& name : f.names()) {
            if (!name.ends_with(frames_suffix) || folder::owner_of(name).empty()) continue;
            const auto opened = segment::open(f.fd(), name);
            if (!opened) continue;
            const auto it = positions.find(name);
            scan(**opened, it == positions.end() ? segment::head_bytes : it->second, [&](auto payload) {
                core::usage_record r;
                if (decode(payload, r)) total.add(r);
            });
        }
        if (all_sums(f) == files) break;
    }
    return total;
}

}  // namespace spillway::ledger
