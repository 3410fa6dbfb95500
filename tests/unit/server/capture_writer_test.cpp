#include <spillway/server/capture_writer.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>

namespace spillway::server {
namespace {

class capturing : public ::testing::Test {
protected:
    capturing() {
        char name[] = "/tmp/spillway-test-XXXXXX";
        dir = ::mkdtemp(name);
    }
    ~capturing() override { std::filesystem::remove_all(dir); }

    std::vector<nlohmann::json> lines(const std::string& file) const {
        std::ifstream in(dir + file);
        std::vector<nlohmann::json> out;
        for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
        return out;
    }
    static captured one(const std::string& prompt, const std::string& answer = {}) {
        return {.at = wall_time(milliseconds(1'764'175'577'007)),
                .request_id = "r\"1",
                .client = "team-a",
                .route = "default",
                .prompt = prompt,
                .answer = answer};
    }
    std::string dir;
};

TEST_F(capturing, writes_one_line_each_redacted_and_for_nobody_else) {
    config::capture from;
    from.redact = {"secret"};
    {
        capture_writer w([](const std::string& s) { ADD_FAILURE() << s; });
        EXPECT_FALSE(w.on());
        EXPECT_FALSE(w.take(one("before"))) << "nothing is captured yet";
        EXPECT_EQ(w.dropped(), 0U);
        w.direct_to(*capture_writer::open(dir + "/c", *redactor::make(from)));
        EXPECT_TRUE(w.on());
        auto c = one("a secret\n", "my secret \xFF");
        c.answer_cut = true;
        EXPECT_TRUE(w.take(std::move(c)));
        EXPECT_TRUE(w.take(one("p")));
    }
    struct stat st {};
    ASSERT_EQ(::stat((dir + "/c").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600U);
    const auto l = lines("/c");
    ASSERT_EQ(l.size(), 2U);
    const auto wanted = nlohmann::json::parse(
        R"({"time":"2025-11-26T16:46:17.007Z","request_id":"r\"1","client":"team-a","route":"default",)"
        R"("prompt":"a [redacted]\n","answer":"my [redacted] \ufffd","answer_cut":true})");
    EXPECT_EQ(l[0], wanted);
    EXPECT_FALSE(l[1].contains("answer"));
}

TEST_F(capturing, goes_to_another_file_after_a_reload_and_to_a_new_one_after_a_rotation) {
    capture_writer w({});
    const auto settle = [&](std::uint64_t n) {
        while (w.written() + w.dropped() < n) std::this_thread::yield();
    };
    w.direct_to(*capture_writer::open(dir + "/a", {}));
    w.take(one("1"));
    settle(1);
    std::filesystem::rename(dir + "/a", dir + "/a.1");
    ASSERT_FALSE(w.reopen());
    w.take(one("2"));
    settle(2);
    w.direct_to(*capture_writer::open(dir + "/b", {}));
    w.take(one("3"));
    settle(3);
    const auto wrong = capture_writer::open(dir + "/none/x", {});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, "capture_file");
    w.take(one("4"));
    settle(4);
    w.direct_to(nullptr);
    EXPECT_FALSE(w.on());
    EXPECT_FALSE(w.take(one("5")));
    EXPECT_EQ(lines("/a.1").size(), 1U);
    EXPECT_EQ(lines("/a").size(), 1U);
    EXPECT_EQ(lines("/b").size(), 2U) << "a file that cannot be opened leaves the old one in use";
}

TEST_F(capturing, drops_and_counts_what_finds_no_room) {
    capture_writer w({}, 10'000);
    w.direct_to(*capture_writer::open(dir + "/c", {}));
    EXPECT_FALSE(w.take(one(std::string(10'000, 'x'))));
    EXPECT_EQ(w.dropped(), 1U);
    EXPECT_TRUE(w.take(one("small")));
}

TEST_F(capturing, a_full_disk_is_told_once_and_loses_the_text_only) {
    std::atomic<int> told{0};
    {
        capture_writer w([&](const std::string& s) {
            ++told;
            EXPECT_NE(s.find("/dev/full"), std::string::npos);
            EXPECT_EQ(s.find("private"), std::string::npos);
        });
        w.direct_to(*capture_writer::open("/dev/full", {}));
        w.take(one("private"));
        w.take(one("private"));
        while (w.dropped() < 2) std::this_thread::yield();
        EXPECT_EQ(w.written(), 0U);
    }
    EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace spillway::server
