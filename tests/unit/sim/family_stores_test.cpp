#include "instance_fixture.hpp"

namespace spillway::sim::family_stores_test {

// Vector stores and containers: both hold files.
class family_stores : public instance_test::living_instance {};

TEST_F(family_stores, a_store_counts_its_files) {
    const std::string one = file("assistants", "the sea and the hill"), two = file("assistants", "rain");
    const auto made = post("vector_stores", {{"name", "s"}, {"file_ids", {one}}});
    EXPECT_EQ(made.body["status"], "in_progress");
    const std::string path = "vector_stores/" + made.id();
    EXPECT_EQ(post(path + "/files", {{"file_id", two}, {"attributes", {{"a", 1}}}}).body["status"], "in_progress");
    EXPECT_EQ(post(path + "/files", {{"file_id", "file-x"}}).status, 404);
    later();
    const json counts = get(path).body["file_counts"];
    EXPECT_EQ(counts["completed"], 2);
    EXPECT_EQ(get(path).body["usage_bytes"], 24);
    EXPECT_EQ(get(path + "/files/" + two).body["attributes"]["a"], 1);
    EXPECT_EQ(post(path + "/files/" + two, {{"attributes", {{"a", 2}}}}).body["attributes"]["a"], 2);
    EXPECT_EQ(ids(get(path + "/files?filter=completed&order=asc")), (std::vector{one, two}));
    EXPECT_EQ(get(path + "/files/" + one + "/content").body["data"][0]["text"], "the sea and the hill");
    const auto found = post(path + "/search", {{"query", "rain today"}});
    EXPECT_EQ(found.body["data"][0]["file_id"], two);
    EXPECT_EQ(found.body["search_query"][0], "rain today");
    EXPECT_EQ(remove(path + "/files/" + one).body["object"], "vector_store.file.deleted");
    EXPECT_EQ(get("files/" + one).status, 200);
    EXPECT_EQ(post(path, {{"name", "t"}}).body["name"], "t");
    EXPECT_EQ(remove(path).body["deleted"], true);
    EXPECT_EQ(get(path + "/files").status, 404);
}

TEST_F(family_stores, files_come_in_batches) {
    const std::string one = file("assistants", "1"), two = file("assistants", "2");
    const std::string path = "vector_stores/" + post("vector_stores").id();
    const auto made = post(path + "/file_batches", {{"file_ids", {one, two}}});
    EXPECT_EQ(made.body["file_counts"]["in_progress"], 2);
    EXPECT_EQ(ids(get(path + "/file_batches/" + made.id() + "/files")).size(), 2U);
    later();
    EXPECT_EQ(get(path + "/file_batches/" + made.id()).body["status"], "completed");
    const auto more = post(path + "/file_batches", {{"files", json::array({{{"file_id", one}}})}});
    EXPECT_EQ(post(path + "/file_batches/" + more.id() + "/cancel").body["status"], "cancelled");
    later();
    EXPECT_EQ(get(path + "/files/" + one).body["status"], "cancelled");
    EXPECT_EQ(post(path + "/file_batches", {{"file_ids", {"file-x"}}}).status, 404);
}

TEST_F(family_stores, a_container_holds_files_until_it_expires) {
    const auto made = post("containers", {{"name", "c"}, {"file_ids", {file("assistants", "1")}}});
    const std::string path = "containers/" + made.id();
    const auto added = form(path + "/files", {{"file", "@abc"}});
    EXPECT_EQ(added.body["path"], "/mnt/data/f.bin");
    EXPECT_EQ(get(path + "/files").body["data"].size(), 2U);
    EXPECT_EQ(get(path + "/files/" + added.id() + "/content").text, "abc");
    EXPECT_EQ(post(path + "/files", {{"file_id", file("assistants", "12")}}).body["bytes"], 2);
    EXPECT_EQ(remove(path + "/files/" + added.id()).body["object"], "container.file.deleted");
    now += minutes(21);
    EXPECT_EQ(get(path).body["status"], "expired");
    EXPECT_EQ(form(path + "/files", {{"file", "@abc"}}).status, 400);
    EXPECT_EQ(remove(path).body["object"], "container.deleted");
}

}  // namespace spillway::sim::family_stores_test
