#include <spillway/server/file_watch.hpp>

#include <sys/stat.h>

namespace spillway::server {

file_watch::mark file_watch::look(const std::string& path) {
    struct stat s {};
    if (::stat(path.c_str(), &s) != 0) return {};
    return {s.st_dev,         s.st_ino,          static_cast<std::uint64_t>(s.st_size),
            s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec,
            s.st_ctim.tv_nsec};
}

void file_watch::watch(const std::set<std::string>& paths) {
    std::erase_if(seen_, [&](const auto& e) { return !paths.contains(e.first); });
    for (const auto& p : paths)
        if (!seen_.contains(p)) seen_.emplace(p, look(p));
}

std::vector<std::string> file_watch::changed() {
    std::vector<std::string> out;
    for (auto& [path, before] : seen_) {
        const mark now = look(path);
        if (now == before) continue;
        before = now;
        out.push_back(path);
    }
    return out;
}

}  // namespace spillway::server
