#include <algorithm>

#include "spool.hpp"
#include "survey.hpp"

// The spool over the ends of processes: taking over, and what may be removed when (see checkpoint.hpp).
namespace spillway::ledger {
namespace {

constexpr std::size_t spares_each = 2;  // for a writer: about what a busy one fills between two checkpoints

}  // namespace

void spool::take_over(const std::string& name, std::uint32_t carried) {
    const auto opened = segment::open(folder_->fd(), name);
    if (!opened) {
        finished(name, 0);  // its owner ended while it made the file
        return;
    }
    const auto found = scan(**opened, carried, {});
    bytes_.fetch_add((*opened)->size(), std::memory_order_relaxed);
    left_behind_.fetch_add(found.records, std::memory_order_relaxed);
    leftovers_.push_back({name, carried, found.end, (*opened)->size(), found.records});
}

void spool::adopt() {
    const auto gone = folder_->adopt();
    if (gone.empty()) return;
    const auto is_gone = [&](std::string_view owner) {
        return std::find(gone.begin(), gone.end(), owner) != gone.end();
    };
    const auto damaged = [&](const std::string& name) {
        if (!is_gone(folder::owner_of(name))) return;
        settings_.alarm("what clients spent until now is lost in part: the spool's " + name + " is damaged");
        if (const auto bytes = folder_->load(name)) folder_->append("rejected." + name, *bytes, ~std::uint64_t{0});
    };
    positions_by_segment known;
    for (auto& [owner, c] : load_checkpoints(*folder_, damaged)) {
        join(known, c.positions);
        if (!is_gone(owner)) continue;
        book_.sums.add(c.sums);
        join(book_.positions, c.positions);
        book_.merged.insert(c.merged.begin(), c.merged.end());
    }
    book_.merged.insert(gone.begin(), gone.end());
    unsaved_ = true;
    auto names = folder_->names();
    std::sort(names.begin(), names.end());  // owners' names begin with their time
    std::erase_if(book_.positions,
                  [&](const auto& p) { return !std::binary_search(names.begin(), names.end(), p.first); });
    for (const auto& name : names) {
        if (!is_gone(folder::owner_of(name))) continue;
        if (name.ends_with(".tmp") || name.ends_with(spare_suffix)) folder_->remove(name);
        if (!name.ends_with(frames_suffix)) continue;
        const auto it = known.find(name);
        take_over(name, it == known.end() ? segment::head_bytes : it->second);
    }
}

std::optional<fault> spool::save(wall_time now) {
    book_.sums.forget_before(now);
    if (auto failed = folder_->save(folder_->owner() + std::string(sums_suffix), to_bytes(book_))) return failed;
    unsaved_ = false;
    for (const auto& owner : book_.merged) folder_->remove(owner + std::string(sums_suffix));
    if (!book_.merged.empty()) folder_->sync();  // a sums file that came back must find itself named
    book_.merged.clear();
    for (const auto& d : done_) {
        let_go(d.name, d.size);
        book_.positions.erase(d.name);
    }
    done_.clear();
    release_owners();
    return std::nullopt;
}

// The file gets another name, or goes, before the next checkpoint: that one does not know the segment any more.
void spool::let_go(const std::string& name, std::uint32_t size) {
    const std::lock_guard lock(live_mutex_);
    const auto it = std::find_if(live_.begin(), live_.end(), [&](const auto& s) { return s->name() == name; });
    if (it != live_.end()) {
        auto s = std::move(*it);
        live_.erase(it);
        const auto spare = name.substr(0, name.size() - frames_suffix.size()) + std::string(spare_suffix);
        if (!s->broken() && spares_.size() < spares_each * writers_.size() && bytes() <= limit() &&
            folder_->rename(name, spare)) {
            s->rename(spare);
            spares_.push_back(std::move(s));
            return;
        }
    }
    folder_->remove(name);
    bytes_.fetch_sub(size, std::memory_order_relaxed);
}

void spool::release_owners() {
    for (const auto& owner : folder_->held()) {
        const bool needed = std::any_of(leftovers_.begin(), leftovers_.end(),
                                        [&](const leftover& l) { return folder::owner_of(l.name) == owner; });
        if (!needed) folder_->release(owner);
    }
}

}  // namespace spillway::ledger
