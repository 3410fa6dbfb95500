#include <spillway/server/file_watch.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

using spillway::server::file_watch;
namespace fs = std::filesystem;

namespace {
struct directory {
    fs::path at;
    directory() {
        char name[] = "/tmp/spillway-watch-XXXXXX";
        at = ::mkdtemp(name);
    }
    ~directory() { fs::remove_all(at); }
    void write(const std::string& name, const std::string& text) const { std::ofstream(at / name) << text; }
};
}  // namespace

TEST(file_watch, an_edit_a_rename_and_a_removal_are_changes_and_rest_is_not) {
    const directory d;
    d.write("a", "1");
    file_watch w;
    const std::string path = d.at / "a";
    w.watch({path});
    EXPECT_TRUE(w.changed().empty());
    d.write("a", "22");
    EXPECT_EQ(w.changed(), std::vector<std::string>{path});
    EXPECT_TRUE(w.changed().empty());
    d.write("b", "22");
    fs::rename(d.at / "b", path);
    EXPECT_EQ(w.changed().size(), 1U) << "editors replace files";
    fs::remove(path);
    EXPECT_EQ(w.changed().size(), 1U);
    d.write("a", "3");
    EXPECT_EQ(w.changed().size(), 1U);
}

TEST(file_watch, the_same_size_and_the_same_time_hide_no_change) {
    const directory d;
    d.write("a", "1");
    file_watch w;
    const std::string path = d.at / "a";
    w.watch({path});
    const auto before = fs::last_write_time(path);
    d.write("a", "2");
    fs::last_write_time(path, before);  // as rsync and cp do that keep times
    EXPECT_EQ(w.changed().size(), 1U);
    EXPECT_TRUE(w.changed().empty());
}

TEST(file_watch, the_symlink_swap_of_a_config_map_is_a_change) {
    const directory d;
    fs::create_directory(d.at / "v1");
    fs::create_directory(d.at / "v2");
    d.write("v1/spillway.yaml", "one");
    d.write("v2/spillway.yaml", "two");
    fs::create_symlink("v1", d.at / "..data");
    fs::create_symlink("..data/spillway.yaml", d.at / "spillway.yaml");
    file_watch w;
    w.watch({(d.at / "spillway.yaml").string()});
    EXPECT_TRUE(w.changed().empty());
    fs::create_symlink("v2", d.at / "..data_tmp");
    fs::rename(d.at / "..data_tmp", d.at / "..data");
    EXPECT_EQ(w.changed().size(), 1U);
}
