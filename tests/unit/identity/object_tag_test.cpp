#include <gtest/gtest.h>

#include <ctime>
#include <iostream>
#include <thread>
#include <unordered_map>

#include <spillway/base/random.hpp>
#include <spillway/base/text.hpp>
#include <spillway/identity/object_tag.hpp>

namespace spillway::identity {
namespace object_tag_test {

const std::vector<std::string> instances = {"eastus-a", "eastus-b", "swedencentral"};
const std::string secret_a = "0123456789abcdef", secret_b = "another secret of this gateway";

using key_list = std::vector<std::pair<int, std::string>>;

result<tag_ring> try_ring(const key_list& keys, const std::vector<std::string>& of = instances) {
    std::vector<tag_key> list;
    for (const auto& [number, secret] : keys)
        list.push_back({static_cast<std::uint8_t>(number), secret_text(secret)});
    return tag_ring::make(list, of);
}
tag_ring ring(const key_list& keys = {{7, secret_a}}, const std::vector<std::string>& of = instances) {
    return try_ring(keys, of).value();
}
std::string tagged(const tag_ring& by, std::string id, std::size_t instance, std::string_view owner) {
    by.append(id, std::string(id), instance, owner);
    return id;
}
std::string marked(const tag_ring& by, const std::string& blob, std::size_t instance, std::string_view owner) {
    std::string out;
    by.append_mark(out, blob, instance, owner);
    return out + blob;
}
std::string random_text(random_source& random, std::size_t longest) {
    std::string out(1 + random.below(static_cast<std::uint32_t>(longest)), '\0');
    for (auto& c : out) c = static_cast<char>(random.below(256));
    return out;
}

TEST(object_tag, an_id_keeps_its_front_and_gets_sixteen_letters_and_digits) {
    const auto t = tagged(ring(), "resp_68abc", 1, "team-a");
    ASSERT_EQ(t.size(), 10 + tag_ring::tag_size);
    EXPECT_EQ(t.substr(0, 11), "resp_68abc7");
    EXPECT_EQ(t.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 10),
              std::string::npos);
    const auto back = ring().open(t, "team-a");
    ASSERT_TRUE(back);
    EXPECT_EQ(back->text, "resp_68abc");
    EXPECT_EQ(back->instance, 1U);
}

TEST(object_tag, tags_that_clients_hold_stay_good_in_later_releases) {
    EXPECT_EQ(tagged(ring(), "resp_68abc", 0, "team-a"), "resp_68abc7OSaNNNIi6qP4biW");
    EXPECT_EQ(marked(ring(), "gAAAA", 2, "team-a"), "sw1.7kYV6dVy5MqWbhzt.gAAAA");
}

TEST(object_tag, another_owner_gets_nothing) {
    const auto r = ring();
    const auto t = tagged(r, "file-1", 0, "team-a");
    for (const auto* owner : {"team-b", "", "team-", "team-a ", "Team-a", "team-aa"})
        EXPECT_FALSE(r.open(t, owner)) << owner;
    // The border between id and owner cannot be moved.
    const auto moved = tagged(r, "file-1x", 0, "y");
    EXPECT_FALSE(r.open("file-1" + moved.substr(7), "xy"));
}

TEST(object_tag, every_other_spelling_is_refused) {
    const auto r = ring({{7, secret_a}, {8, secret_a}});
    const std::string good = tagged(r, "vs_Abc", 2, "team-a");
    ASSERT_TRUE(r.open(good, "team-a"));
    for (std::size_t i = 0; i < good.size(); ++i)
        for (int c = 0; c < 256; ++c) {
            std::string bad = good;
            bad[i] = static_cast<char>(c);
            if (bad != good) {
                EXPECT_FALSE(r.open(bad, "team-a")) << i << ' ' << c;
            }
        }
    for (std::size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(r.open(good.substr(0, n), "team-a"));
    for (std::size_t n = 1; n < good.size(); ++n) EXPECT_FALSE(r.open(good.substr(n), "team-a"));
    EXPECT_FALSE(r.open(good + "0", "team-a"));
    EXPECT_FALSE(r.open(good.substr(6), "team-a")) << "a tag without an id";
}

TEST(object_tag, the_code_of_another_instance_does_not_fit) {
    const auto r = ring();
    const auto here = tagged(r, "file-1", 0, "a"), there = tagged(r, "file-1", 1, "a");
    EXPECT_FALSE(r.open(here.substr(0, 7) + there.substr(7, 5) + here.substr(12), "a"));
    EXPECT_FALSE(r.open(here.substr(0, 12) + there.substr(12), "a"));
}

TEST(object_tag, keys_rotate) {
    const auto before = ring({{1, secret_a}}), during = ring({{2, secret_b}, {1, secret_a}}),
               after = ring({{2, secret_b}});
    const auto old_tag = tagged(before, "file-1", 0, "a"), new_tag = tagged(during, "file-1", 0, "a");
    EXPECT_EQ(new_tag[6], '2');
    EXPECT_TRUE(during.open(old_tag, "a"));
    EXPECT_TRUE(during.open(new_tag, "a"));
    EXPECT_TRUE(after.open(new_tag, "a"));
    EXPECT_FALSE(after.open(old_tag, "a"));
    EXPECT_FALSE(after.looks_tagged(old_tag));
    EXPECT_FALSE(ring({{1, secret_b}}).open(old_tag, "a")) << "the same number with another secret";
    EXPECT_FALSE(ring({{1, secret_a + secret_a}}).open(old_tag, "a"));
}

TEST(object_tag, an_instance_may_move_and_leave) {
    const auto t = tagged(ring(), "file-1", 1, "a");
    EXPECT_EQ(ring({{7, secret_a}}, {"new", "swedencentral", "eastus-b"}).open(t, "a")->instance, 2U);
    const auto without = ring({{7, secret_a}}, {"eastus-a"});
    const auto back = without.open(t, "a");
    ASSERT_TRUE(back);
    EXPECT_EQ(back->text, "file-1");
    EXPECT_FALSE(back->instance);
    EXPECT_FALSE(without.looks_tagged(t));
    EXPECT_THROW(tagged(without, "file-1", 1, "a"), std::out_of_range);
}

TEST(object_tag, foreign_ids_seldom_look_tagged) {
    const auto r = ring();
    EXPECT_TRUE(r.looks_tagged(tagged(r, "x", 0, "a")));
    for (const auto* id : {"", "file-1", "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
                           "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "7OSaNNNIi6qP4biW"})
        EXPECT_FALSE(r.looks_tagged(id)) << id;
    auto dash = tagged(r, "x", 0, "a");
    dash.back() = '-';
    EXPECT_FALSE(r.looks_tagged(dash));
}

TEST(object_tag, random_ids_come_back_and_nobody_elses) {
    random_source random(1);
    const auto r = ring({{0, secret_a}, {61, secret_b}});
    for (int i = 0; i < 3000; ++i) {
        const auto id = random_text(random, 200), owner = random_text(random, 40), other = random_text(random, 40);
        const std::size_t instance = random.below(3);
        const auto t = tagged(r, id, instance, owner);
        const auto back = r.open(t, owner);
        ASSERT_TRUE(back);
        EXPECT_EQ(back->text, id);
        EXPECT_EQ(back->instance, instance);
        if (other != owner) {
            EXPECT_FALSE(r.open(t, other));
        }
        const auto twice = tagged(r, t, instance, owner);
        EXPECT_EQ(r.open(twice, owner)->text, t) << "a tag is taken off once";
        std::string bad = t;
        bad[random.below(static_cast<std::uint32_t>(bad.size()))] ^= static_cast<char>(1 << random.below(8));
        EXPECT_FALSE(r.open(bad, owner));
        EXPECT_FALSE(r.open(random_text(random, 300), owner));
    }
}

TEST(object_tag, reasoning_carries_its_mark_in_front) {
    const auto r = ring();
    const std::string blob = "gAAAAABo" + std::string(500, 'x');
    const auto m = marked(r, blob, 1, "a");
    EXPECT_TRUE(tag_ring::looks_marked(m));
    const auto back = r.open_mark(m, "a");
    ASSERT_TRUE(back);
    EXPECT_EQ(back->text, blob);
    EXPECT_EQ(back->instance, 1U);
    EXPECT_EQ(marked(r, blob.substr(0, tag_ring::mark_head), 1, "a"), m.substr(0, tag_ring::mark_size + 64));
    EXPECT_FALSE(r.open_mark(m, "b"));
    EXPECT_FALSE(r.open_mark(blob, "a"));
    EXPECT_FALSE(tag_ring::looks_marked(blob));
    for (std::size_t i = 0; i < tag_ring::mark_size + tag_ring::mark_head; ++i) {
        auto bad = m;
        bad[i] = bad[i] == 'q' ? 'r' : 'q';
        EXPECT_FALSE(r.open_mark(bad, "a")) << i;
        EXPECT_FALSE(r.open_mark(m.substr(0, i), "a")) << i;
    }
    EXPECT_EQ(r.open_mark(marked(r, "", 0, "a"), "a")->text, "");
}

TEST(object_tag, a_tag_is_no_mark) {
    const auto r = ring();
    const auto t = tagged(r, "blob", 0, "a");
    EXPECT_FALSE(r.open_mark("sw1." + t.substr(4) + ".blob", "a"));
    const auto m = marked(r, "blob", 0, "a");
    EXPECT_FALSE(r.open("blob" + m.substr(4, 16), "a"));
}

TEST(object_tag, keys_that_prove_nothing_are_refused) {
    for (const auto& keys : {key_list{}, key_list{{1, "fifteen bytes.."}}, key_list{{1, secret_a}, {1, secret_b}},
                             key_list{{62, secret_a}}, key_list{{1, secret_a}, {2, ""}}}) {
        const auto r = try_ring(keys);
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().code, "ObjectTags");
        EXPECT_EQ(r.error().message.find(secret_a), std::string::npos);
    }
}

TEST(object_tag, two_instances_with_one_code_are_named) {
    // Few bits of hash for so many names: two of them meet.
    std::unordered_map<std::string, std::string> seen;
    std::string a, b;
    for (int i = 0; a.empty(); ++i) {
        const std::string name = "i" + std::to_string(i);
        const auto code = code_of_instance(name);
        const auto [at, fresh] = seen.emplace(std::string(code.data(), code.size()), name);
        if (!fresh) a = at->second, b = name;
    }
    const auto r = try_ring({{1, secret_a}}, {"eastus", b, "westus", a});
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().message.find(a), std::string::npos);
    EXPECT_NE(r.error().message.find(b), std::string::npos);
    EXPECT_FALSE(try_ring({{1, secret_a}}, {"eastus", "eastus"}));
}

TEST(object_tag, many_threads_use_one_ring) {
    const auto r = ring();
    std::vector<std::thread> all;
    std::vector<int> good(4, 0);
    for (std::size_t n = 0; n < good.size(); ++n)
        all.emplace_back([&, n] {
            const std::string owner = "owner " + std::to_string(n);
            for (int i = 0; i < 500; ++i)
                good[n] += r.open(tagged(r, "id" + std::to_string(i), n % 3, owner), owner).has_value();
        });
    for (auto& t : all) t.join();
    EXPECT_EQ(good, std::vector<int>(4, 500));
}

TEST(object_tag, tells_what_it_costs) {
    const auto r = ring();
    const std::string id = "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b";
    std::string t;
    const auto per_call = [](auto&& what) {
        constexpr int calls = 20000;
        const std::clock_t from = std::clock();
        for (int i = 0; i < calls; ++i) what();
        return static_cast<double>(std::clock() - from) * 1e9 / CLOCKS_PER_SEC / calls;
    };
    const double append = per_call([&] {
        t = id;
        r.append(t, id, 1, "team-a");
    });
    std::size_t opened = 0;
    const double open = per_call([&] { opened += r.open(t, "team-a").has_value(); });
    EXPECT_EQ(opened, 20000U);
    std::cout << "append: " << append << " ns, open: " << open << " ns of CPU\n";
}

}  // namespace object_tag_test
}  // namespace spillway::identity
