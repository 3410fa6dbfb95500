#include <spillway/ledger/offer_again.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <unordered_set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <spillway/base/descriptor.hpp>
#include <spillway/ledger/usage_report.hpp>

#include "folder.hpp"
#include "offering.hpp"
#include "reject.hpp"
#include "set_aside.hpp"
#include "store.hpp"

namespace spillway::ledger {
namespace {

constexpr std::size_t offered_at_once = 2000;

fault set_aside_failed(const std::string& what, const std::string& path, int error) {
    return {"usage_set_aside", origin::gateway, 500, what + " " + path + ": " + std::strerror(error)};
}

std::string all_of(int fd) {
    std::string out;
    char part[65536];
    for (off_t at = 0;;) {
        const auto n = ::pread(fd, part, sizeof part, at);
        if (n <= 0) return out;
        out.append(part, static_cast<std::size_t>(n));
        at += n;
    }
}

template <class F>
void each_line(std::string_view text, F f) {
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        if (end != 0) f(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

bool save(int fd, std::string_view bytes, const struct stat& like) {
    // A gateway that runs as another user has to be able to add lines to it.
    if (::fchown(fd, like.st_uid, like.st_gid) != 0 && ::geteuid() == 0) return false;
    if (::fchmod(fd, like.st_mode & 0777) != 0) return false;
    return write_all(fd, bytes) && ::fdatasync(fd) == 0;
}

using lines = std::unordered_set<std::string>;

// Under the lock, since a gateway may have added some meanwhile. A file with nothing left goes.
std::optional<fault> take_out(const std::string& path, const lines& taken) {
    if (taken.empty()) return std::nullopt;
    const descriptor old(open_locked(AT_FDCWD, path, O_RDWR));
    if (old.get() < 0) return set_aside_failed("cannot change", path, errno);
    struct stat about {};
    std::string kept;
    each_line(all_of(old.get()), [&](std::string_view line) {
        if (taken.find(std::string(line)) == taken.end()) (kept += line) += '\n';
    });
    if (kept.empty()) {
        if (::unlink(path.c_str()) != 0) return set_aside_failed("cannot remove", path, errno);
        return std::nullopt;
    }
    const auto fresh = path + ".tmp";
    const descriptor next(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (next.get() < 0 || ::fstat(old.get(), &about) != 0 || !save(next.get(), kept, about) ||
        ::rename(fresh.c_str(), path.c_str()) != 0) {
        const auto f = set_aside_failed("cannot change", path, errno);
        if (next.get() >= 0) ::unlink(fresh.c_str());
        return f;
    }
    return std::nullopt;
}

class again {
public:
    again(usage_store& to, offered_again& so_far) : store_(to), so_far_(so_far) {}

    std::optional<fault> file(const std::string& path) {
        const descriptor from(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        struct stat about {};
        if (from.get() < 0 || ::fstat(from.get(), &about) != 0) return set_aside_failed("cannot read", path, errno);
        if (!S_ISREG(about.st_mode)) return set_aside_failed("cannot read", path, EINVAL);
        const auto text = all_of(from.get());
        taken_.clear();
        std::optional<fault> f;
        each_line(text, [&](std::string_view line) {
            if (f) return;
            auto r = rejected_record::read(line);
            if (!r) {
                ++so_far_.unreadable;
                return;
            }
            records_.push_back(r->record());
            read_.push_back({std::move(*r), line});
            if (records_.size() == offered_at_once) f = batch();
        });
        if (!f) f = batch();
        records_.clear();
        read_.clear();
        // What was taken before the store went away need not be offered again.
        if (auto unsettled = store_.settle()) return f ? f : unsettled;
        if (auto kept = take_out(path, taken_)) return kept;
        return f;
    }

private:
    std::optional<fault> batch() {
        if (auto f = offering_.write(store_, records_)) return f;
        std::unordered_set<const core::usage_record*> refused;
        for (const auto& r : offering_.refused()) {
            refused.insert(r.record);
            so_far_.reason = r.why;
        }
        for (std::size_t i = 0; i < records_.size(); ++i)
            if (refused.find(&records_[i]) == refused.end()) taken_.emplace(read_[i].line);
        so_far_.taken += records_.size() - refused.size();
        so_far_.refused += refused.size();
        records_.clear();
        read_.clear();
        return std::nullopt;
    }

    struct source {
        rejected_record record;
        std::string_view line;
    };
    usage_store& store_;
    offered_again& so_far_;
    offering offering_;
    std::vector<core::usage_record> records_;
    std::vector<source> read_;
    lines taken_;
};

}  // namespace

std::vector<std::string> set_aside_in(const std::string& spool) {
    std::vector<std::string> out;
    std::error_code ec;
    for (const auto& e : std::filesystem::directory_iterator(spool, ec))
        if (holds_set_aside(e.path().filename().string())) out.push_back(e.path().string());
    std::sort(out.begin(), out.end());
    return out;
}

std::optional<fault> offer_again(const std::vector<std::string>& files, const std::string& url,
                                 const std::string& password, offered_again& so_far) {
    // Also says what is no store, and what is none of this program's; opening one to write would make it.
    if (const auto readable = open_usage_reader(url, password); !readable) return readable.error();
    auto store = open_store(url, password);
    if (!store) return store.error();
    again offers(**store, so_far);
    for (const auto& path : files)
        if (auto f = offers.file(path)) return f;
    return std::nullopt;
}

}  // namespace spillway::ledger
