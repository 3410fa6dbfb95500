#include "../../../src/sim/blob.hpp"

#include <gtest/gtest.h>

#include "../../../src/sim/form_data.hpp"
#include "../../../src/sim/object_store.hpp"

namespace spillway::sim::blob_test {

TEST(blob, a_long_one_keeps_its_beginning_length_and_digest) {
    std::string block;
    for (int i = 0; i < 4096; ++i) block += static_cast<char>(i * 7 + i / 256);
    blob b;
    while (b.size() < 3 * blob::whole_limit) b.add(block);
    EXPECT_FALSE(b.whole());
    EXPECT_EQ(b.kept().size(), blob::period);
    EXPECT_EQ(b.part(b.size() - 4096, 9999), block);
    blob again;
    again.add(b);
    EXPECT_EQ(again.size(), b.size());
    EXPECT_EQ(again.digest(), b.digest());
    EXPECT_EQ(blob("abc").digest(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(blob().part(0, 10), "");
}

TEST(form_data, is_read_in_pieces_of_any_size) {
    const std::string text =
        "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;b\"\r\nContent-Type: x/y\r\n"
        "\r\none\r\n--\r\ntwo\r\n--b\r\nContent-Disposition: form-data; name=n\r\n\r\n2\r\n--b\r\n"
        "Content-Disposition: form-data; name=\"image[]\"\r\n\r\n\r\n--b--\r\n";
    for (std::size_t step = 1; step < 60; ++step) {
        form_data form("b");
        for (std::size_t i = 0; i < text.size(); i += step) form.feed(std::string_view(text).substr(i, step));
        ASSERT_TRUE(form.complete());
        ASSERT_EQ(form.parts().size(), 3U);
        const form_part* file = form.find("file");
        EXPECT_EQ(file->content.kept(), "one\r\n--\r\ntwo");
        EXPECT_EQ(file->filename, "a;b");
        EXPECT_EQ(file->content_type, "x/y");
        EXPECT_EQ(form.as_json()["n"], 2);
        EXPECT_EQ(form.as_json()["image"], json::array({""}));
    }
    EXPECT_EQ(form_data::boundary_in("multipart/form-data; boundary=\"x y\"; a=b"), "x y");
    EXPECT_EQ(form_data::boundary_in("application/json; boundary=x"), std::nullopt);
}

constexpr kind thing_kind{"thing", "thing_"};

stored thing(const std::string& id, const std::string& parent = "") {
    stored s;
    s.of = &thing_kind;
    s.object = {{"id", id}, {"status", "new"}};
    s.parent = parent;
    return s;
}

TEST(object_store, forgets_the_oldest_by_number_bytes_and_age) {
    time_point now{hours(1)};
    object_store few({2, 1 << 20, hours(1)});
    for (const char* id : {"a", "b", "c"}) few.keep(thing(id), now);
    EXPECT_FALSE(few.has("a", now));
    EXPECT_TRUE(few.has("c", now));
    EXPECT_FALSE(few.has("c", now + hours(2)));
    object_store small({100, 4000, hours(1)});
    for (const char* id : {"a", "b", "c"}) {
        stored s = thing(id);
        s.content = std::make_shared<const blob>(std::string(2000, 'x'));
        small.keep(std::move(s), now);
    }
    EXPECT_EQ(small.size(), 1U);
    EXPECT_TRUE(small.has("c", now));
}

TEST(object_store, things_appear_change_and_go_with_what_they_lie_below) {
    time_point now{hours(1)};
    object_store all;
    all.keep(thing("a"), now);
    stored s = thing("b", "a");
    s.appears = seconds(1);
    s.plan = {{seconds(2), {{"status", "old"}}}};
    all.keep(std::move(s), now);
    EXPECT_FALSE(all.has("b", now));
    EXPECT_TRUE(all.all(thing_kind, "a", now).empty());
    EXPECT_EQ(all.find("b", now + seconds(1))->object["status"], "new");
    EXPECT_EQ(all.find("b", now + seconds(2))->object["status"], "old");
    all.erase("a");
    EXPECT_EQ(all.size(), 0U);
}

}  // namespace spillway::sim::blob_test
