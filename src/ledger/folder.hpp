#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>

namespace spillway::ledger {

// False: errno says why.
bool write_all(int fd, std::string_view bytes) noexcept;

inline constexpr std::string_view file_full = "usage_spool_file_full";

// The spool's folder, which several processes may share. Each file's name begins with its owner's name, and an owner
// is alive as long as it holds the lock on OWNER.lock: the kernel lets go of it however the process ends.
//   OWNER.lock, OWNER.sums (checkpoint), OWNER.WRITER-NUMBER.frames (segments), the same with .spare (files of
//   segments to come, with nothing of value), OWNER.tmp, rejected.OWNER.jsonl
class folder {
public:
    static result<std::unique_ptr<folder>> open(const std::string& path);
    ~folder();
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;

    int fd() const noexcept { return fd_; }
    const std::string& owner() const noexcept { return owner_; }
    std::vector<std::string> names() const;
    static std::string_view owner_of(std::string_view name) noexcept;  // empty: not a file of the spool

    // Owners that are gone become held by this process; those that are new to it are returned.
    std::vector<std::string> adopt();
    bool holds(std::string_view owner) const { return owner == owner_ || held_.find(owner) != held_.end(); }
    std::vector<std::string> held() const;
    // Nothing of this owner is left: its lock goes too.
    void release(const std::string& owner);

    // Replaces the file as a whole: after a crash or power loss it is the old one or the new one.
    std::optional<fault> save(const std::string& name, std::string_view bytes) const;
    std::optional<std::string> load(const std::string& name) const;
    // Adds at the end, under the file's lock (set_aside.hpp); file_full when it would have more than `limit` bytes.
    std::optional<fault> append(const std::string& name, std::string_view bytes, std::uint64_t limit) const;
    bool rename(const std::string& from, const std::string& to) const noexcept;
    void remove(const std::string& name) const noexcept;
    void sync() const noexcept;  // that files came and went

private:
    explicit folder(int fd) noexcept : fd_(fd) {}

    int fd_;
    std::string owner_;
    int lock_{-1};
    std::map<std::string, int, std::less<>> held_;
};

}  // namespace spillway::ledger
