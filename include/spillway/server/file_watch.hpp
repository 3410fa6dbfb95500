#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace spillway::server {

// Notices that files changed by looking at them: inode, size and times of what the path leads to. Looking works where
// notification does not (network shares, a ConfigMap's symlink swap, bind mounts) and costs a stat a second.
class file_watch {
public:
    // Replaces the set of watched paths. Paths that stay keep what was seen of them, so that a change which happened
    // meanwhile is not lost.
    void watch(const std::set<std::string>& paths);

    // The paths that changed since the last call, appearing and vanishing included.
    std::vector<std::string> changed();

private:
    struct mark {
        std::uint64_t device{0}, inode{0}, size{0};
        std::int64_t seconds{0}, nanoseconds{0};
        // The ctime. Tools that copy a file's times set the mtime above; no system call sets the ctime.
        std::int64_t changed_seconds{0}, changed_nanoseconds{0};
        friend bool operator==(const mark&, const mark&) = default;
    };
    static mark look(const std::string& path);
    std::map<std::string, mark> seen_;
};

}  // namespace spillway::server
