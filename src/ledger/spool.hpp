#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/time.hpp>
#include <spillway/core/usage_record.hpp>

#include "checkpoint.hpp"
#include "folder.hpp"
#include "mapped_writer.hpp"
#include "segment.hpp"
#include "set_aside.hpp"

namespace spillway::ledger {

struct spool_settings {
    std::string path;
    std::uint64_t limit{0};  // bytes of all segments
    std::size_t writers{1};
    std::function<void(std::string)> alarm;
};

// The files between the workers and the store, and the sums of what was carried. Three threads know it: each worker
// its writer, the keeper tend(), the carrier the rest.
//
// A record is safe from `kill -9` when append() returns, and from a power loss about two seconds later: by then the
// store has it and was settled, or its segment was synced.
class spool {
public:
    static result<std::unique_ptr<spool>> open(spool_settings with);
    // Removes what holds nothing that is still needed. No other thread may know the spool any more.
    ~spool();
    spool(const spool&) = delete;
    spool& operator=(const spool&) = delete;

    mapped_writer& writer(std::size_t index) noexcept { return *writers_[index]; }
    void limit(std::uint64_t bytes) noexcept { limit_.store(bytes, std::memory_order_relaxed); }

    // Keeper: lays spare segments ready; `sync`: writes to the disk what waits longer than since the last such call.
    void tend(time_point now, bool sync);

    // Carrier. Adds at most `most` records that wait, oldest files first; the views live until the next save().
    std::size_t gather(std::vector<core::usage_record>& out, std::size_t most);
    // What the last gather() gave is in the store (or set aside): the next one goes on behind it.
    // Answers how many frames this version could not read, which were set aside.
    std::size_t advance(const std::vector<core::usage_record>& gathered);
    // Sets records aside that the store refuses: their lines, from reject.hpp. Those for which the file has no room
    // are lost, and counted.
    std::optional<fault> reject(const std::vector<std::string>& lines);
    // What lies aside in the folder.
    set_aside aside() { return aside_.look(folder_->fd(), folder_->names()); }
    bool unsaved() const noexcept { return unsaved_; }
    // Saves the checkpoint, then removes the segments that it makes superfluous.
    std::optional<fault> save(wall_time now);
    // Takes over the files of processes that are gone.
    void adopt();
    spending spent() const { return spent_in_folder_; }
    // The same at this moment; reads the files.
    spending spent_now() const;

    // Any thread.
    std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
    std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
    std::uint64_t waiting() const noexcept;
    std::uint64_t lost() const noexcept;
    bool full() const noexcept;

private:
    struct leftover {
        std::string name;
        std::uint32_t begin, end, size;
        std::uint64_t records, taken{0};
    };
    struct cursor {
        segment* at{nullptr};
        std::uint32_t offset{segment::head_bytes};
        std::uint64_t frames{0};  // taken from it
    };
    struct mark {
        std::size_t source;  // a writer's index, or `of_leftover`
        std::uint32_t to;
        std::uint64_t frames;
    };
    static constexpr std::size_t of_leftover = ~std::size_t{0};

    explicit spool(spool_settings with, std::unique_ptr<folder> where);
    bool make_spare(mapped_writer& w);
    std::shared_ptr<segment> used_before(const std::string& name);
    void sync_waiting();
    void take_over(const std::string& name, std::uint32_t carried);
    void gather_leftover(std::vector<core::usage_record>& out, std::size_t most);
    void gather_writer(std::size_t index, std::vector<core::usage_record>& out, std::size_t most);
    std::uint32_t take_frames(segment& s, std::uint32_t from, std::uint32_t to, bool trusted, std::size_t room,
                              std::vector<core::usage_record>& out, std::uint64_t& frames);
    void count_damaged(std::uint64_t appended, std::uint64_t taken) noexcept;
    void finished(std::string name, std::uint32_t size);
    void let_go(const std::string& name, std::uint32_t size);
    void release_owners();

    spool_settings settings_;
    std::unique_ptr<folder> folder_;
    std::uint32_t segment_bytes_;
    spending spent_in_folder_;
    std::vector<std::unique_ptr<mapped_writer>> writers_;
    std::atomic<std::uint64_t> limit_, bytes_{0}, left_behind_{0}, carried_{0}, unreadable_{0};

    // Of the keeper.
    std::uint64_t next_number_{0};
    time_point reserve_again_{};
    bool reserve_trouble_{false}, named_{false}, broken_told_{false};

    std::mutex live_mutex_;  // the keeper adds and syncs, the carrier removes
    std::vector<std::shared_ptr<segment>> live_;
    // Segments whose records are in the store for good, to be used again: making a file and its memory costs far
    // more.
    std::vector<std::shared_ptr<segment>> spares_;

    // Of the carrier.
    std::vector<cursor> cursors_;
    std::deque<leftover> leftovers_;
    std::shared_ptr<segment> open_leftover_;
    std::vector<mark> marks_;
    std::vector<std::string> broken_frames_;
    std::size_t turn_{0};
    set_aside_files aside_;
    struct done {
        std::string name;
        std::uint32_t size;
    };
    std::vector<done> done_;
    checkpoint book_;
    bool unsaved_{false};
};

}  // namespace spillway::ledger
