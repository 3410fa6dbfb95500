#include "spool.hpp"

#include <algorithm>

#include "codec.hpp"
#include "reject.hpp"
#include "survey.hpp"

namespace spillway::ledger {
namespace {

constexpr std::uint64_t largest_segment = 4 << 20, smallest_segment = 64 << 10, page = 4096;
constexpr auto reserve_pause = seconds(1);
constexpr std::uint64_t rejected_limit = 64 << 20;
constexpr std::uint32_t frame_alignment = 8;  // codec.hpp pads frames to it

// Each writer has one segment in use and a spare; a small limit still leaves some for the backlog.
std::uint32_t segment_size(std::uint64_t limit, std::size_t writers) {
    const auto share = limit / (std::max<std::size_t>(writers, 1) * 4);
    return static_cast<std::uint32_t>(std::clamp(share / page * page, smallest_segment, largest_segment));
}

// Prefetches what the sums read: the store's batch has evicted it from the cache.
void fetch_early(const std::vector<core::usage_record>& records, std::size_t at) noexcept {
    if (at >= records.size()) return;
    const auto& r = records[at];
    __builtin_prefetch(&r.time_us);
    __builtin_prefetch(&r.pool);
    __builtin_prefetch(&r.tokens);
    __builtin_prefetch(&r.price_nanos);
    __builtin_prefetch(records[at - 2].client.data());
    __builtin_prefetch(records[at - 2].pool.data());
}

}  // namespace

spool::spool(spool_settings with, std::unique_ptr<folder> where)
    : settings_(std::move(with)),
      folder_(std::move(where)),
      segment_bytes_(segment_size(settings_.limit, settings_.writers)),
      limit_(settings_.limit),
      cursors_(settings_.writers) {
    for (std::size_t i = 0; i < settings_.writers; ++i) writers_.push_back(std::make_unique<mapped_writer>());
}

result<std::unique_ptr<spool>> spool::open(spool_settings with) {
    auto where = folder::open(with.path);
    if (!where) return where.error();
    std::unique_ptr<spool> made(new spool(std::move(with), std::move(*where)));
    made->spent_in_folder_ = spent_in(*made->folder_);
    made->adopt();
    made->tend(time_point{}, false);
    return made;
}

spool::~spool() {
    for (const auto& s : live_) {
        const auto carried = s->carried.load(std::memory_order_relaxed);
        const bool needed = unsaved_ || carried < s->committed.load(std::memory_order_relaxed);
        if (!needed || s->committed.load(std::memory_order_relaxed) == segment::head_bytes)
            folder_->remove(s->name());
    }
    for (const auto& s : spares_) folder_->remove(s->name());
    folder_->release(folder_->owner());
}

// A segment that was let go, under a new name; none when there is none.
std::shared_ptr<segment> spool::used_before(const std::string& name) {
    std::shared_ptr<segment> s;
    {
        const std::lock_guard lock(live_mutex_);
        if (spares_.empty()) return nullptr;
        s = std::move(spares_.back());
        spares_.pop_back();
    }
    if (!folder_->rename(s->name(), name)) {
        folder_->remove(s->name());
        bytes_.fetch_sub(s->size(), std::memory_order_relaxed);
        return nullptr;
    }
    s->rename(name);
    s->reuse();
    return s;
}

bool spool::make_spare(mapped_writer& w) {
    const auto writer = std::find_if(writers_.begin(), writers_.end(), [&](const auto& x) { return x.get() == &w; });
    const auto name = folder_->owner() + '.' + std::to_string(writer - writers_.begin()) + '-' +
                      std::to_string(next_number_++) + std::string(frames_suffix);
    auto ready = used_before(name);
    if (!ready) {
        if (bytes() + segment_bytes_ > limit()) return true;  // full, which is no trouble of the disk
        auto made = segment::create(folder_->fd(), name, segment_bytes_);
        if (!made) {
            if (!reserve_trouble_) settings_.alarm("usage records will be lost: " + made.error().message);
            reserve_trouble_ = true;
            return false;
        }
        ready = std::move(*made);
        bytes_.fetch_add(segment_bytes_, std::memory_order_relaxed);
    }
    reserve_trouble_ = false;
    named_ = true;
    segment& s = *ready;
    {
        const std::lock_guard lock(live_mutex_);
        live_.push_back(std::move(ready));
    }
    w.give_spare(s);
    return true;
}

void spool::tend(time_point now, bool sync) {
    if (!reserve_trouble_ || now >= reserve_again_) {
        for (const auto& w : writers_) {
            if (!w->wants_spare() || make_spare(*w)) continue;
            reserve_again_ = now + reserve_pause;
            break;
        }
    }
    if (sync) sync_waiting();
}

// Segments whose records the store took in time are never synced: the store's own disk is enough.
void spool::sync_waiting() {
    std::vector<std::shared_ptr<segment>> segments;
    {
        const std::lock_guard lock(live_mutex_);
        segments = live_;
    }
    bool any_broken = false;
    for (const auto& s : segments) {
        any_broken = any_broken || s->broken();
        const auto seen = std::exchange(s->seen, s->committed.load(std::memory_order_acquire));
        if (s->carried.load(std::memory_order_relaxed) >= seen) continue;
        if (std::exchange(named_, false)) folder_->sync();  // records under a name that is lost are lost too
        s->sync();
    }
    if (any_broken && !broken_told_)
        settings_.alarm(
            "a file of the usage spool was cut short or its disk fails: records that the store does not "
            "have yet lie in memory alone, and some may be lost");
    broken_told_ = any_broken;
}

std::uint32_t spool::take_frames(segment& s, std::uint32_t from, std::uint32_t to, bool trusted, std::size_t room,
                                 std::vector<core::usage_record>& out, std::uint64_t& frames) {
    while (from < to && frames < room) {
        const auto found = next_frame(s.between(from, to), trusted && !s.broken(), s.number());
        if (!found && !s.broken()) return to;
        if (!found) {
            // Behind a page that was lost other frames may be whole.
            from += frame_alignment;
            continue;
        }
        ++frames;
        core::usage_record& r = out.emplace_back();
        if (!decode(found->payload, r)) {
            out.pop_back();
            broken_frames_.push_back(unreadable_line(found->payload));
        }
        from += static_cast<std::uint32_t>(found->size);
    }
    return std::min(from, to);
}

void spool::gather_leftover(std::vector<core::usage_record>& out, std::size_t most) {
    while (!leftovers_.empty() && leftovers_.front().begin >= leftovers_.front().end) {
        count_damaged(leftovers_.front().records, leftovers_.front().taken);
        finished(std::move(leftovers_.front().name), leftovers_.front().size);
        leftovers_.pop_front();
        open_leftover_.reset();
    }
    if (leftovers_.empty()) return;
    auto& front = leftovers_.front();
    if (!open_leftover_) {
        auto opened = segment::open(folder_->fd(), front.name);
        if (!opened) return;  // as when out of file descriptors: next time
        open_leftover_ = std::move(*opened);
    }
    mark m{of_leftover, 0, 0};
    m.to = take_frames(*open_leftover_, front.begin, front.end, true, most, out, m.frames);
    if (m.frames != 0) marks_.push_back(m);
    else front.begin = m.to;  // nothing of it can be read any more
}

void spool::gather_writer(std::size_t index, std::vector<core::usage_record>& out, std::size_t most) {
    auto& c = cursors_[index];
    if (c.at == nullptr) c.at = writers_[index]->first();
    while (c.at != nullptr) {
        // In this order: once `next` is set, `committed` does not change any more.
        segment* const next = c.at->next.load(std::memory_order_acquire);
        const auto end = c.at->committed.load(std::memory_order_acquire);
        if (c.offset < end) {
            mark m{index, 0, 0};
            m.to = take_frames(*c.at, c.offset, end, true, most, out, m.frames);
            if (m.frames != 0) {
                marks_.push_back(m);
                return;
            }
            c.offset = m.to;  // nothing of it can be read any more
            continue;
        }
        if (next == nullptr) return;
        count_damaged(c.at->frames, c.frames);
        finished(c.at->name(), c.at->size());
        c = {next, segment::head_bytes, 0};
    }
}

// What was appended and could not be read back waits no longer.
void spool::count_damaged(std::uint64_t appended, std::uint64_t taken) noexcept {
    if (appended <= taken) return;
    unreadable_.fetch_add(appended - taken, std::memory_order_relaxed);
    carried_.fetch_add(appended - taken, std::memory_order_relaxed);
}

std::size_t spool::gather(std::vector<core::usage_record>& out, std::size_t most) {
    marks_.clear();
    broken_frames_.clear();
    out.clear();
    gather_leftover(out, most);
    for (std::size_t i = 0; i < writers_.size() && out.size() < most; ++i)
        gather_writer((turn_ + i) % writers_.size(), out, most - out.size());
    turn_ = writers_.empty() ? 0 : (turn_ + 1) % writers_.size();
    return out.size();
}

std::size_t spool::advance(const std::vector<core::usage_record>& gathered) {
    for (std::size_t i = 0; i < gathered.size(); ++i) {
        fetch_early(gathered, i + 4);
        book_.sums.add(gathered[i]);
    }
    for (const auto& m : marks_) {
        carried_.fetch_add(m.frames, std::memory_order_relaxed);
        unsaved_ = true;
        if (m.source == of_leftover) {
            auto& front = leftovers_.front();
            front.begin = m.to;
            front.taken += m.frames;
            book_.positions[front.name] = m.to;
            continue;
        }
        auto& c = cursors_[m.source];
        c.offset = m.to;
        c.frames += m.frames;
        c.at->carried.store(m.to, std::memory_order_relaxed);
        book_.positions[c.at->name()] = m.to;
    }
    marks_.clear();
    const auto unreadable = broken_frames_.size();
    if (unreadable != 0)
        if (const auto f = reject(broken_frames_)) {
            unreadable_.fetch_add(unreadable, std::memory_order_relaxed);
            settings_.alarm("usage records that this version cannot read are lost: " + f->message);
        }
    broken_frames_.clear();
    return unreadable;
}

std::optional<fault> spool::reject(const std::vector<std::string>& lines) {
    const auto name = "rejected." + folder_->owner() + ".jsonl";
    std::string all;
    for (const auto& line : lines) all += line;
    auto f = folder_->append(name, all, rejected_limit);
    if (!f || f->code != file_full) return f;
    std::size_t without_room = 0;
    for (const auto& line : lines) {
        f = folder_->append(name, line, rejected_limit);
        if (f && f->code != file_full) return f;
        without_room += f ? 1 : 0;
    }
    unreadable_.fetch_add(without_room, std::memory_order_relaxed);
    settings_.alarm(std::to_string(without_room) + " refused usage records are lost: " + name +
                    " is full; see `spillway usage offer-again`");
    return std::nullopt;
}

void spool::finished(std::string name, std::uint32_t size) {
    done_.push_back({std::move(name), size});
    unsaved_ = true;
}

std::uint64_t spool::waiting() const noexcept {
    const auto carried = carried_.load(std::memory_order_relaxed);
    std::uint64_t all = left_behind_.load(std::memory_order_relaxed);
    for (const auto& w : writers_) all += w->appended();
    return all > carried ? all - carried : 0;
}

std::uint64_t spool::lost() const noexcept {
    std::uint64_t n = unreadable_.load(std::memory_order_relaxed);
    for (const auto& w : writers_) n += w->lost();
    return n;
}

bool spool::full() const noexcept {
    return std::any_of(writers_.begin(), writers_.end(), [](const auto& w) { return w->full() && w->wants_spare(); });
}

spending spool::spent_now() const { return spent_in(*folder_); }

}  // namespace spillway::ledger
