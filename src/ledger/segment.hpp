#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <spillway/base/fault.hpp>

#include "map_guard.hpp"

namespace spillway::ledger {

inline constexpr std::string_view spool_fault = "usage_spool";

// One file of the spool, mapped into memory: a head of 64 bytes, then frames. One thread writes, one reads; they meet
// in `committed` and `next`.
class segment {
public:
    // A new one, its blocks reserved and its pages in memory, so that writing neither fails nor waits for the disk.
    static result<std::shared_ptr<segment>> create(int folder, const std::string& name, std::size_t bytes);
    // Its file has another name now. Of the thread that lets it go.
    void rename(std::string name) noexcept;
    // As good as new, after rename(). Of the thread that lays segments ready.
    void reuse() noexcept;
    // What an earlier process left, read-only.
    static result<std::shared_ptr<segment>> open(int folder, const std::string& name);
    ~segment();
    segment(const segment&) = delete;
    segment& operator=(const segment&) = delete;

    static constexpr std::uint32_t head_bytes = 64;

    const std::string& name() const noexcept { return name_; }
    std::uint32_t size() const noexcept { return size_; }
    // What its frames are checked with. It follows from the name, which never comes again.
    std::uint32_t number() const noexcept { return number_; }
    std::byte* at(std::uint32_t offset) noexcept { return memory_ + offset; }
    std::span<const std::byte> between(std::uint32_t from, std::uint32_t to) const noexcept {
        return {memory_ + from, to - from};
    }
    // What was written lies on the disk from here on.
    bool sync() const noexcept;
    // The file was cut short or its disk failed: what is written here lies in memory alone, until the store has it.
    bool broken() const noexcept { return broken_.load(std::memory_order_relaxed); }

    std::atomic<std::uint32_t> committed{head_bytes};  // end of the frames; by the writer
    std::uint32_t frames{0};                           // how many; by the writer, before it sets `next`
    std::atomic<segment*> next{nullptr};               // set by the writer after its last frame here
    std::atomic<std::uint32_t> carried{head_bytes};    // end of what the store has; by the reader
    std::uint32_t seen{head_bytes};                    // `committed` at the last look of the thread that syncs

private:
    segment(std::string name, int fd, std::byte* memory, std::uint32_t size, bool writable);

    std::string name_;
    int fd_;
    std::byte* memory_;
    std::uint32_t size_, number_;
    std::atomic<bool> broken_{false};
    std::optional<map_guard> guard_;
};

}  // namespace spillway::ledger
