#include "carrier.hpp"

#include <algorithm>
#include <utility>

#include "reject.hpp"

namespace spillway::ledger {
namespace {

// What all workers write in a few polls: a batch that leaves some behind is followed by one whose rows belong before
// its own, in the midst of full pages.
constexpr std::size_t batch_size = 8000;
// The spool is safe and roomy, so that a transaction may wait until it is worth while.
constexpr duration poll = milliseconds(100);
constexpr duration first_pause = milliseconds(500), longest_pause = seconds(10);
constexpr duration save_every = seconds(1), compact_every = hours(1), adopt_every = seconds(10),
                   tell_aside_every = minutes(1);

}  // namespace

carrier::carrier(spool& from, destination to, store_opener open, std::function<void(std::string)> alarm)
    : spool_(from), to_(std::move(to)), open_(std::move(open)), alarm_(std::move(alarm)), pause_(first_pause) {
    batch_.reserve(batch_size);
}

void carrier::failed(const fault& f, time_point now) {
    store_.reset();  // a connection that failed is not trusted again
    retry_at_ = now + pause_;
    pause_ = std::min(pause_ * 2, longest_pause);
    {
        const std::lock_guard lock(mutex_);
        state_.up = false;
        state_.last_error = f.message;
        ++state_.failures;
    }
    if (!std::exchange(outage_, true)) alarm_("the usage store is away; records wait in the spool: " + f.message);
}

bool carrier::have_store(time_point now) {
    if (store_) return true;
    if (now < retry_at_) return false;
    auto opened = open_(to_.url, to_.password);
    if (!opened) {
        failed(opened.error(), now);
        return false;
    }
    store_ = std::move(*opened);
    if (!outage_) came_back();
    return true;
}

// An outage ends when records went through, or when there are none and the store answers.
void carrier::came_back() {
    pause_ = first_pause;
    {
        const std::lock_guard lock(mutex_);
        state_.up = true;
        state_.last_error.clear();
    }
    if (std::exchange(outage_, false)) alarm_("the usage store is back");
}

// Refused records are set aside only when all others are in the store, so that a store that goes away meanwhile sees
// the whole batch again.
std::optional<fault> carrier::write_all() {
    if (auto f = offering_.write(*store_, batch_)) return f;
    return put_aside();
}

std::optional<fault> carrier::put_aside() {
    const auto& refused = offering_.refused();
    if (refused.empty()) return std::nullopt;
    std::vector<std::string> lines;
    lines.reserve(refused.size());
    for (const auto& r : refused) lines.push_back(rejected_line(*r.record, r.why));
    if (auto f = spool_.reject(lines)) {
        f->message = "refused records cannot be set aside: " + f->message;
        return f;
    }
    note_aside(refused.size(), refused.back().why);
    return std::nullopt;
}

void carrier::note_aside(std::size_t more, const std::string& why) {
    aside_untold_ += more;
    aside_reason_ = why;
    const std::lock_guard lock(mutex_);
    state_.refused += more;
}

// One line of the log for however many.
void carrier::tell_aside() {
    if (aside_untold_ == 0) return;
    alarm_("the usage store refuses " + std::to_string(std::exchange(aside_untold_, 0)) +
           " record(s), which are set aside in the spool until `spillway usage offer-again`; the last reason: " +
           aside_reason_);
    look_aside();
}

void carrier::look_aside() {
    auto found = spool_.aside();
    const std::lock_guard lock(mutex_);
    state_.aside = std::move(found);
}

bool carrier::carry(time_point now) {
    if (auto f = write_all()) {
        failed(*f, now);
        return false;
    }
    {
        const std::lock_guard lock(mutex_);
        state_.written += batch_.size() - offering_.refused().size();
    }
    advance();
    came_back();
    return true;
}

void carrier::advance() {
    if (const auto unreadable = spool_.advance(batch_); unreadable != 0)
        note_aside(unreadable, "written by a version that is not known");
}

duration carrier::step(time_point now, wall_time wall) {
    if (now >= adopt_at_) {
        spool_.adopt();
        look_aside();
        adopt_at_ = now + adopt_every;
    }
    const auto n = spool_.gather(batch_, batch_size);
    {
        const std::lock_guard lock(mutex_);
        state_.oldest_us = 0;
        for (const auto& r : batch_)
            if (state_.oldest_us == 0 || r.time_us < state_.oldest_us) state_.oldest_us = r.time_us;
    }
    const bool up = have_store(now);
    if (n == 0) {
        advance();  // frames that could not be read
        if (up && outage_) {
            if (auto f = store_->reach()) failed(*f, now);
            else came_back();
        }
    }
    const bool carried = n > 0 && up && carry(now);
    if (carried && n < batch_size) {
        const std::lock_guard lock(mutex_);
        state_.oldest_us = 0;
    }
    maintain(now, wall, n < batch_size);
    if (carried && n == batch_size) return duration::zero();
    if (store_ && compact_at_ <= now) return duration::zero();
    return poll;
}

void carrier::maintain(time_point now, wall_time wall, bool idle) {
    if (store_ && idle && now >= compact_at_) {
        const auto more = store_->compact(wall, to_.retention);
        if (!more) failed(more.error(), now);
        else if (!*more) compact_at_ = now + compact_every;
    }
    if (now >= save_at_ && spool_.unsaved()) save(now, wall);
    if (now >= tell_aside_at_ && aside_untold_ != 0) {
        tell_aside();
        tell_aside_at_ = now + tell_aside_every;
    }
}

// A checkpoint says that the store has records for good, so the store is settled before.
void carrier::save(time_point now, wall_time wall) {
    save_at_ = now + save_every;
    if (!store_) return;
    if (auto f = store_->settle()) return failed(*f, now);
    if (auto f = spool_.save(wall)) {
        if (!std::exchange(save_trouble_, true)) alarm_("the usage spool cannot be tidied up: " + f->message);
        return;
    }
    save_trouble_ = false;
}

void carrier::finish(wall_time wall) {
    if (spool_.unsaved()) save(time_point{}, wall);
    tell_aside();
    store_.reset();
}

void carrier::go_to(destination to) {
    if (to.url != to_.url || to.password != to_.password) {
        if (store_) store_->settle();
        store_.reset();
        hurry();
        pause_ = first_pause;
    }
    to_ = std::move(to);
    compact_at_ = {};
}

carrier::state carrier::now() const {
    const std::lock_guard lock(mutex_);
    return state_;
}

}  // namespace spillway::ledger
