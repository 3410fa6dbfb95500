#include <spillway/base/plain_file.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace spillway {
namespace {

namespace fs = std::filesystem;

struct folder {
    fs::path at;
    folder() {
        char name[] = "/tmp/spillway-files-XXXXXX";
        at = ::mkdtemp(name);
    }
    ~folder() { fs::remove_all(at); }
    std::string path(const char* name) const { return at / name; }
};

std::string told(const std::string& path) {
    const auto r = read_plain_file(path, 100);
    return r ? "text:" + *r : r.error().what;
}

TEST(plain_file, is_read_up_to_the_bound) {
    const folder d;
    std::ofstream(d.path("a")) << std::string(90'000, 'x');
    EXPECT_EQ(read_plain_file(d.path("a"), 70'000)->size(), 70'000U);
    EXPECT_EQ(*read_plain_file(d.path("a"), 1'000'000), std::string(90'000, 'x'));
    std::ofstream(d.path("empty")).close();
    EXPECT_EQ(told(d.path("empty")), "text:");
    fs::create_symlink("a", d.path("link"));
    EXPECT_EQ(*read_plain_file(d.path("link"), 3), "xxx");
    // Its size is told as 0.
    EXPECT_GT(read_plain_file("/proc/self/status", 200'000)->size(), 100U);
}

TEST(plain_file, whatever_else_stands_there_is_refused_at_once) {
    const folder d;
    ASSERT_EQ(::mkfifo(d.path("pipe").c_str(), 0600), 0);
    fs::create_symlink("pipe", d.path("link"));
    fs::create_symlink("itself", d.path("itself"));
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{AF_UNIX, {}};
    d.path("socket").copy(name.sun_path, sizeof name.sun_path - 1);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    EXPECT_EQ(told(d.path("pipe")), "is a named pipe");
    EXPECT_EQ(told(d.path("link")), "is a named pipe");
    EXPECT_EQ(told(d.path("socket")), "is a socket");
    EXPECT_EQ(told(d.at), "is a folder");
    EXPECT_EQ(told("/dev/zero"), "is a device");
    EXPECT_EQ(told("/dev/null"), "is a device");
    EXPECT_EQ(told(d.path("none")), "cannot be opened");
    EXPECT_EQ(told(d.path("itself")), "cannot be opened");
    EXPECT_EQ(trouble_with_file(d.path("pipe"), 9).about("/p"), "the file /p is a named pipe; give a regular file");
    EXPECT_EQ(trouble_with_file("/dev/zero", 9).what, "is a device");
    EXPECT_EQ(trouble_with_file(d.path("none"), 9).what, "") << "the library tells that";
    std::ofstream(d.path("sparse")).close();
    fs::resize_file(d.path("sparse"), std::uintmax_t{8} << 30);
    EXPECT_EQ(trouble_with_file(d.path("sparse"), most_pem_bytes).what, "is larger than 4 MiB");
    EXPECT_EQ(read_plain_file(d.path("sparse"), 1000)->size(), 1000U);
    ::close(fd);
}

TEST(plain_file, a_pipe_that_the_process_was_given_is_read_to_its_end) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    ASSERT_EQ(::write(ends[1], "from the shell", 14), 14);
    ::close(ends[1]);
    EXPECT_EQ(told("/dev/fd/" + std::to_string(ends[0])), "text:from the shell");
    EXPECT_EQ(told("/proc/self/fd/" + std::to_string(ends[0])), "text:");
    ::close(ends[0]);
}

}  // namespace
}  // namespace spillway
