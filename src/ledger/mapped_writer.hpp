#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include <spillway/ledger/ledger.hpp>

#include "codec.hpp"
#include "segment.hpp"

namespace spillway::ledger {

// A worker's end: copies into the current segment; when it is full, goes over to the spare one that the spool's own
// thread has laid ready. No system call, no lock, no memory of its own.
class alignas(64) mapped_writer final : public spool_writer {
public:
    bool append(const core::usage_record& r) noexcept override {
        const std::size_t size = frame_size(r);
        if (size > room_ && !turn_over(size)) {
            lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
            return false;
        }
        std::byte* const to = current_->at(offset_);
        if (room_ - size >= frame_head) end_frames(to + size);
        encode_frame(r, to, current_->number());
        fetch_early(to + size, std::min<std::size_t>(room_ - size, size));
        offset_ += static_cast<std::uint32_t>(size);
        room_ -= static_cast<std::uint32_t>(size);
        ++frames_;
        current_->committed.store(offset_, std::memory_order_release);
        appended_.store(appended_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return true;
    }

    // The spool's side. The spool owns the segments and keeps each until the writer has left it.
    bool wants_spare() const noexcept { return spare_.load(std::memory_order_acquire) == nullptr; }
    void give_spare(segment& s) noexcept { spare_.store(&s, std::memory_order_release); }
    segment* first() const noexcept { return first_.load(std::memory_order_acquire); }
    segment* spare() const noexcept { return spare_.load(std::memory_order_acquire); }
    std::uint64_t appended() const noexcept { return appended_.load(std::memory_order_relaxed); }
    std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }
    bool full() const noexcept { return full_.load(std::memory_order_relaxed); }

private:
    // Where the next record will lie is memory that the processor has not near: by then it has.
    static void fetch_early(const std::byte* at, std::size_t n) noexcept {
        for (std::size_t i = 0; i < n; i += 64) __builtin_prefetch(at + i, 1);
    }

    bool turn_over(std::size_t size) noexcept {
        segment* const next = spare_.load(std::memory_order_acquire);
        if (next == nullptr) {
            full_.store(true, std::memory_order_relaxed);
            return false;
        }
        if (size > next->size() - segment::head_bytes) return false;  // too large for any
        spare_.store(nullptr, std::memory_order_release);
        full_.store(false, std::memory_order_relaxed);
        segment* const before = std::exchange(current_, next);
        const auto frames = std::exchange(frames_, 0);
        offset_ = segment::head_bytes;
        room_ = next->size() - segment::head_bytes;
        // From here on the one before belongs to the reader, which may let it go.
        if (before != nullptr) {
            before->frames = frames;
            before->next.store(next, std::memory_order_release);
        } else first_.store(next, std::memory_order_release);
        return true;
    }

    // Of the writing thread.
    segment* current_{nullptr};
    std::uint32_t offset_{0}, room_{0}, frames_{0};
    // Shared; each but the spare is written by the writing thread alone.
    std::atomic<segment*> spare_{nullptr};
    std::atomic<segment*> first_{nullptr};
    std::atomic<std::uint64_t> appended_{0}, lost_{0};
    std::atomic<bool> full_{false};
};

}  // namespace spillway::ledger
