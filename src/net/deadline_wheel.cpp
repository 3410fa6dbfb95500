#include <spillway/net/deadline_wheel.hpp>

#include <bit>

namespace spillway::net {

void timer::unlink() noexcept {
    if (wheel_ == nullptr) return;
    const std::size_t slot = slot_tick_ % deadline_wheel::slots;
    if (previous_ != nullptr) previous_->next_ = next_;
    else wheel_->heads_[slot] = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
    if (wheel_->heads_[slot] == nullptr) wheel_->occupied_[slot / 64] &= ~(1ULL << (slot % 64));
    next_ = previous_ = nullptr;
    wheel_ = nullptr;
}

deadline_wheel::~deadline_wheel() {
    for (auto*& head : heads_)
        while (head != nullptr) head->unlink();
}

std::uint64_t deadline_wheel::tick_of(time_point t) const noexcept {
    if (t <= start_) return 0;
    // Rounded up, so that nothing fires early.
    return static_cast<std::uint64_t>((t - start_ + tick - nanoseconds(1)) / tick);
}

void deadline_wheel::link(timer& t) noexcept {
    const std::uint64_t wanted = tick_of(t.due_);
    const std::uint64_t first = current_ + 1, last = current_ + slots - 1;
    // What lies beyond the horizon waits in the farthest slot and is put forward from there.
    t.slot_tick_ = wanted < first ? first : wanted > last ? last : wanted;
    const std::size_t slot = t.slot_tick_ % slots;
    t.previous_ = nullptr;
    t.next_ = heads_[slot];
    if (t.next_ != nullptr) t.next_->previous_ = &t;
    heads_[slot] = &t;
    occupied_[slot / 64] |= 1ULL << (slot % 64);
    t.wheel_ = this;
}

void deadline_wheel::schedule(timer& t, time_point due) noexcept {
    t.due_ = due;
    if (due == time_point::max()) return;
    if (t.wheel_ != nullptr) {
        if (tick_of(due) >= t.slot_tick_) return;
        t.unlink();
    }
    link(t);
}

void deadline_wheel::advance(time_point now) noexcept {
    if (now < start_) return;
    const auto target = static_cast<std::uint64_t>((now - start_) / tick);
    while (current_ < target) {
        // Whole stretches without a timer are skipped, a suspended machine included.
        const duration gap = until_next(start_ + current_ * tick);
        if (gap == duration::max()) {
            current_ = target;
            return;
        }
        const auto next = current_ + static_cast<std::uint64_t>(gap / tick);
        if (next > target) {
            current_ = target;
            return;
        }
        current_ = next;
        const std::size_t slot = current_ % slots;
        while (timer* t = heads_[slot]) {
            t->unlink();
            if (t->due_ == time_point::max()) continue;
            if (tick_of(t->due_) > current_) {
                link(*t);
                continue;
            }
            t->due_ = time_point::max();
            t->on_due_(t->context_);
        }
    }
}

duration deadline_wheel::until_next(time_point now) const noexcept {
    for (std::size_t ahead = 1; ahead < slots;) {
        const std::size_t slot = (current_ + ahead) % slots;
        const std::uint64_t word = occupied_[slot / 64] >> (slot % 64);
        if (word == 0) {
            ahead += 64 - slot % 64;
            continue;
        }
        ahead += static_cast<std::size_t>(std::countr_zero(word));
        if (ahead >= slots) break;
        const time_point at = start_ + (current_ + ahead) * tick;
        return at > now ? at - now : duration::zero();
    }
    return duration::max();
}

}  // namespace spillway::net
