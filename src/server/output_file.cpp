#include <spillway/server/output_file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace spillway::server {
namespace {

fault cannot_open(const std::string& path, int error) {
    return {.code = "output_file",
            .message = "the file " + path +
                       " cannot be written: " + std::error_code(error, std::generic_category()).message()};
}

// The nearest folder above `path` that exists.
std::filesystem::path folder_above(const std::filesystem::path& path, bool nearest) {
    auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    std::error_code ec;
    while (nearest && !std::filesystem::exists(folder, ec) && folder.has_parent_path() &&
           folder != folder.parent_path())
        folder = folder.parent_path();
    return folder.empty() ? std::filesystem::path(".") : folder;
}

}  // namespace

result<std::shared_ptr<output_file>> output_file::open(const std::string& path, how with) {
    constexpr int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    if (with.make_folders) {
        std::error_code ignored;  // open() says what is wrong
        const auto folder = std::filesystem::path(path).parent_path();
        if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
    }
    bool made = false;
    int fd = ::open(path.c_str(), flags);
    if (fd < 0 && errno == ENOENT) {
        fd = ::open(path.c_str(), flags | O_CREAT | O_EXCL, with.mode);
        made = fd >= 0;
        if (fd < 0 && errno == EEXIST) fd = ::open(path.c_str(), flags);
    }
    if (fd < 0) return cannot_open(path, errno);
    // Only the opening must not wait: the writer has its own thread.
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return std::shared_ptr<output_file>(new output_file(fd, path, made));
}

std::shared_ptr<output_file> output_file::standard(int fd) {
    return std::shared_ptr<output_file>(new output_file(fd, {}, false));
}

std::optional<fault> output_file::trouble_with(const std::string& path, how with) {
    struct stat about {};
    if (::stat(path.c_str(), &about) == 0) {
        if (S_ISDIR(about.st_mode)) return cannot_open(path, EISDIR);
        return ::access(path.c_str(), W_OK) == 0 ? std::nullopt : std::optional(cannot_open(path, errno));
    }
    const auto folder = folder_above(path, with.make_folders);
    if (::stat(folder.c_str(), &about) != 0) return cannot_open(path, errno);
    if (!S_ISDIR(about.st_mode)) return cannot_open(path, ENOTDIR);
    return ::access(folder.c_str(), W_OK) == 0 ? std::nullopt : std::optional(cannot_open(path, errno));
}

output_file::~output_file() {
    if (path_.empty()) return;
    if (made_) ::unlink(path_.c_str());
    ::close(fd_);
}

}  // namespace spillway::server
