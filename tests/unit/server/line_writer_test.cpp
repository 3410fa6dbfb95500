#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/formatter.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <spillway/server/line_writer.hpp>
#include <spillway/server/log_writer.hpp>

namespace spillway::server {
namespace {

struct line_writing : ::testing::Test {
    line_writing() {
        char name[] = "/tmp/spillway-lines-XXXXXX";
        dir = ::mkdtemp(name);
    }
    ~line_writing() override { std::filesystem::remove_all(dir); }
    std::string text(const std::string& name) const {
        std::ifstream in(dir + name);
        std::ostringstream out;
        out << in.rdbuf();
        return out.str();
    }
    std::string dir;
};

TEST_F(line_writing, a_file_that_nobody_kept_is_taken_away_again) {
    line_writer(1 << 20, *output_file::open(dir + "/a", {})).take("one\n");
    EXPECT_FALSE(std::filesystem::exists(dir + "/a"));
    std::ofstream(dir + "/b") << "old\n";
    line_writer(1 << 20, *output_file::open(dir + "/b", {})).take("one\n");
    EXPECT_EQ(text("/b"), "old\none\n") << "one that was there stays";
}

TEST_F(line_writing, keeps_what_is_kept) {
    auto file = *output_file::open(dir + "/x/y/a", {.mode = 0600, .make_folders = true});
    file->keep();
    {
        line_writer w(1 << 20, file);
        for (int i = 0; i < 3; ++i) w.take(std::to_string(i) + "\n");
    }
    file.reset();
    EXPECT_EQ(text("/x/y/a"), "0\n1\n2\n");
}

TEST_F(line_writing, a_reader_that_stops_holds_up_nobody_and_its_lines_are_counted) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ASSERT_GE(::fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
    const std::string line = std::string(999, 'x') + "\n";
    auto w = std::make_unique<line_writer>(16'000, output_file::standard(ends[1]));
    while (w->take(std::string(line))) std::this_thread::yield();
    EXPECT_EQ(w->trouble(), ENOBUFS);
    const auto lost = w->lost();
    EXPECT_GT(lost, 0U);
    // The reader is back. It finds nothing when the writer has written all and has not said so yet; and when a line
    // found no room meanwhile, the trouble is over with the next one that is written.
    ASSERT_EQ(::fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    std::string got(64'000, '\0');
    while (!w->take("last\n") || w->trouble() != 0)
        if (::read(ends[0], got.data(), got.size()) < 0) std::this_thread::yield();
    EXPECT_GE(w->lost(), lost);
    // And gone again, for good: the end of the writer waits no longer than it is told to.
    while (w->take(std::string(line))) std::this_thread::yield();
    const auto begin = clock::now();
    w->finish(milliseconds(50));
    EXPECT_LT(clock::now() - begin, seconds(5));
    // The pipe stays open: the thread that was not waited for may still write.
}

TEST_F(line_writing, a_full_disk_is_told_and_its_lines_are_counted) {
    line_writer w(1 << 20, *output_file::open("/dev/full", {}));
    w.take("one\ntwo\n");
    while (w.lost() < 2) std::this_thread::yield();
    EXPECT_EQ(w.trouble(), ENOSPC);
    auto good = *output_file::open(dir + "/good", {});
    good->keep();
    w.direct_to(good);
    w.take("three\n");
    while (w.trouble() != 0) std::this_thread::yield();
    w.finish();
    EXPECT_EQ(text("/good"), "three\n");
    EXPECT_EQ(w.lost(), 2U);
}

TEST_F(line_writing, what_cannot_be_a_file_is_told_before_anything_is_made) {
    EXPECT_FALSE(output_file::open(dir, {}));
    EXPECT_TRUE(output_file::trouble_with(dir, {}));
    EXPECT_TRUE(output_file::trouble_with(dir + "/none/a", {}));
    EXPECT_FALSE(output_file::trouble_with(dir + "/none/a", {.mode = 0600, .make_folders = true}));
    EXPECT_FALSE(output_file::trouble_with(dir + "/a", {}));
    EXPECT_FALSE(std::filesystem::exists(dir + "/a"));
    EXPECT_FALSE(std::filesystem::exists(dir + "/none"));
}

std::string formatted(config::log_format how, std::string_view message) {
    spdlog::details::log_msg m("spillway", spdlog::level::warn, {message.data(), message.size()});
    spdlog::memory_buf_t out;
    log_formatter(how)->format(m, out);
    return {out.data(), out.size()};
}

TEST(log_lines, of_json_are_one_object_whatever_the_message_holds) {
    const auto line = formatted(config::log_format::json, "a \"b\" \\ \n c\",\"level\":\"critical \xFF\xC3\x28");
    EXPECT_NE(line.find(R"("level":"warning")"), std::string::npos) << line;
    EXPECT_NE(
        line.find(
            "\"message\":\"a \\\"b\\\" \\\\ \\u000a c\\\",\\\"level\\\":\\\"critical \xEF\xBF\xBD\xEF\xBF\xBD(\"}\n"),
        std::string::npos)
        << line;
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST(log_lines, of_text_are_one_line) {
    const auto line = formatted(config::log_format::text, "first\n2026-01-01 00:00:00.000 info forged\x1B[0m");
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_EQ(line.find('\x1B'), std::string::npos);
}

}  // namespace
}  // namespace spillway::server
