#include <spillway/net/resolver.hpp>

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdlib>
#include <fstream>

#include "dns_server.hpp"

namespace spillway::net {
namespace {

using reply = dns_server::reply;

// What a resolver tells, to be waited for.
class told {
public:
    resolver::listener listener() {
        return [this](const std::string& host, const address_list& found) {
            const std::lock_guard lock(mutex_);
            std::vector<std::string> ips;
            for (const auto& a : found) ips.push_back(a.ip());
            std::sort(ips.begin(), ips.end());
            heard_[host].push_back(std::move(ips));
            changed_.notify_all();
        };
    }
    // The n-th report about a name.
    std::vector<std::string> wait(const std::string& host, std::size_t n = 1) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, seconds(20), [&] { return heard_[host].size() >= n; })) return {"never told"};
        return heard_[host][n - 1];
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, std::vector<std::vector<std::string>>> heard_;
};

using ips = std::vector<std::string>;

reply only_a(int type, std::vector<dns_server::record> records) {
    reply out;
    if (type == dns_server::a) out.records = std::move(records);
    return out;
}

// One name, one server.
struct seen {
    int asked{0}, over_tcp{0};
};
ips look_up(dns_server::answering how, const std::string& name = "host.test", seen* by_server = nullptr) {
    dns_server server(std::move(how));
    resolver::ask(server.settings());
    told t;
    ips out;
    {
        resolver r(t.listener());
        r.watch({{name, seconds(30)}});
        out = t.wait(name);
    }
    if (by_server != nullptr) *by_server = {server.asked(name), server.over_tcp()};
    return out;
}

reply silence() { return {.silent = true}; }

template <class Condition>
bool soon(Condition holds) {
    const auto until = clock::now() + seconds(20);
    while (!holds()) {
        if (clock::now() > until) return false;
        std::this_thread::sleep_for(milliseconds(5));
    }
    return true;
}

TEST(resolver, reads_addresses_of_name_servers) {
    const auto first = [](const std::string& s) {
        const auto r = read_dns({s});
        return r ? r->servers[0].to_string() : std::string("refused");
    };
    EXPECT_EQ(first("10.0.0.10"), "10.0.0.10:53");
    EXPECT_EQ(first("10.0.0.10:5353"), "10.0.0.10:5353");
    EXPECT_EQ(first("2001:db8::53"), "[2001:db8::53]:53");
    EXPECT_EQ(first("[2001:db8::53]"), "[2001:db8::53]:53");
    EXPECT_EQ(first("[2001:db8::53]:54"), "[2001:db8::53]:54");
    for (const auto* bad : {"", "*", ":53", "dns.test", "10.0.0.10:0", "10.0.0.10:99999", "10.0.0", "[::1]:", "::1]"})
        EXPECT_EQ(first(bad), "refused") << bad;
    EXPECT_FALSE(read_dns(ips(9, "10.0.0.1")));
}

TEST(resolver, finds_addresses_of_both_families) {
    EXPECT_EQ(look_up([](const auto&, int type) {
                  return only_a(type, {{.data = "192.0.2.1"}, {.data = "192.0.2.2"}});
              }),
              (ips{"192.0.2.1", "192.0.2.2"}));
    EXPECT_EQ(look_up([](const auto&, int type) {
                  return type == dns_server::aaaa ? reply{.records = {{type, 60, "2001:db8::1", ""}}} : reply{};
              }),
              ips{"2001:db8::1"});
}

TEST(resolver, numbers_are_no_names) {
    seen server;
    EXPECT_EQ(look_up([](const auto&, int) { return reply{}; }, "192.0.2.7", &server), ips{"192.0.2.7"});
    EXPECT_EQ(server.asked, 0);
}

TEST(resolver, localhost_and_the_hosts_file_need_no_server) {
    const auto found = look_up([](const auto&, int) { return silence(); }, "localhost");
    EXPECT_NE(std::find(found.begin(), found.end(), "127.0.0.1"), found.end());
    const auto file = ::testing::TempDir() + "spillway-hosts";
    std::ofstream(file) << "192.0.2.9 Named.example other.example # as people write it\n";
    ::setenv("CARES_HOSTS", file.c_str(), 1);
    EXPECT_EQ(look_up([](const auto&, int) { return silence(); }, "named.example"), ips{"192.0.2.9"});
    EXPECT_EQ(look_up([](const auto&, int) { return silence(); }, "other.example"), ips{"192.0.2.9"});
    seen server;
    const auto elsewhere = [](const auto&, int type) {
        return type == dns_server::aaaa ? reply{.records = {{type, 60, "2001:db8::1"}}} : reply{};
    };
    EXPECT_EQ(look_up(elsewhere, "named.example", &server), ips{"192.0.2.9"}) << "what stands there is all there is";
    EXPECT_EQ(server.asked, 0);
    ::unsetenv("CARES_HOSTS");
}

TEST(resolver, follows_aliases) {
    const auto how = [](const auto& name, int type) {
        reply out;
        const std::string first = "x.privatelink.test", last = "y.cloud.test";
        out.records = {{dns_server::cname, 60, first, name}, {dns_server::cname, 60, last, first}};
        if (type == dns_server::a) out.records.push_back({type, 60, "192.0.2.3", last});
        return out;
    };
    EXPECT_EQ(look_up(how), ips{"192.0.2.3"}) << "no IPv6 address at the end of the same aliases is no failure";
}

TEST(resolver, long_answers_come_over_tcp) {
    seen server;
    std::vector<dns_server::record> many;
    for (int i = 1; i <= 200; ++i) many.push_back({.data = "192.0.2." + std::to_string(i)});
    const auto found = look_up(
        [&](const auto&, int type) {
            auto out = only_a(type, many);
            out.truncated = type == dns_server::a;
            return out;
        },
        "many.test", &server);
    EXPECT_EQ(found.size(), 200U);
    EXPECT_EQ(server.over_tcp, 1);
}

TEST(resolver, is_not_taken_in_by_garbage) {
    const auto good = [](int type) { return only_a(type, {{.data = "192.0.2.4"}}); };
    int asked = 0;
    const auto spoilt_first = [&](auto spoil) {
        asked = 0;
        return look_up([&, spoil](const auto&, int type) {
            auto out = good(type);
            if (type == dns_server::a && ++asked == 1) spoil(out);
            return out;
        });
    };
    EXPECT_EQ(spoilt_first([](reply& r) { r.before = "no message of DNS at all"; }), ips{"192.0.2.4"});
    EXPECT_EQ(spoilt_first([](reply& r) { r.before = std::string(2000, '\xff'); }), ips{"192.0.2.4"});
    for (bool reply::*wrong : {&reply::wrong_id, &reply::wrong_question}) {
        EXPECT_EQ(spoilt_first([&](reply& r) {
                      r.*wrong = true;
                      r.records[0].data = "198.51.100.66";
                  }),
                  ips{"192.0.2.4"});
        EXPECT_GE(asked, 2) << "asked again, since nobody answered the question";
    }
}

TEST(resolver, a_lost_question_is_asked_again) {
    int asked = 0;
    EXPECT_EQ(look_up([&](const auto&, int type) {
                  auto out = only_a(type, {{.data = "192.0.2.5"}});
                  out.silent = type == dns_server::a && ++asked == 1;
                  return out;
              }),
              ips{"192.0.2.5"});
}

TEST(resolver, trouble_with_one_family_does_not_spoil_the_other) {
    for (const bool silent : {true, false})
        EXPECT_EQ(look_up([silent](const auto&, int type) {
                      auto out = only_a(type, {{.data = "192.0.2.6"}});
                      if (type == dns_server::aaaa) out = {.silent = silent, .code = 2};
                      return out;
                  }),
                  ips{"192.0.2.6"});
}

TEST(resolver, names_without_answer_cost_nobody_else) {
    for (const int dead : {4, 40, 150}) {
        dns_server server([](const auto& name, int type) {
            auto out = only_a(type, {{.data = "192.0.2.1"}});
            out.silent = name.starts_with("dead");
            return out;
        });
        told t;
        resolver::ask(server.settings());
        resolver r(t.listener());
        std::map<std::string, duration> all{{"good.test", seconds(1)}};
        for (int i = 0; i < dead; ++i) all["dead" + std::to_string(i) + ".test"] = seconds(1);
        const auto began = clock::now();
        r.watch(all);
        EXPECT_EQ(t.wait("good.test"), ips{"192.0.2.1"});
        EXPECT_LT(clock::now() - began, seconds(dead > 100 ? 5 : 1)) << dead;
        EXPECT_TRUE(soon([&] { return server.asked("good.test") >= 3; })) << "and again and again";
    }
}

TEST(resolver, says_why_and_goes_on_asking) {
    const auto before = resolver::ended();
    std::atomic<int> code{3};
    dns_server server([&](const auto&, int type) {
        auto out = only_a(type, {{.data = "192.0.2.1"}});
        if (code != 0) out = {.code = code};
        return out;
    });
    told t;
    resolver::ask(server.settings());
    resolver r(t.listener());
    r.watch({{"a.test", seconds(1)}});
    EXPECT_EQ(t.wait("a.test"), ips{});
    EXPECT_NE(r.report()[0].last_error.find("no such name"), std::string::npos) << r.report()[0].last_error;
    code = 2;
    EXPECT_TRUE(soon([&] { return r.report()[0].last_error.find("no such name") == std::string::npos; }));
    code = 0;
    EXPECT_EQ(t.wait("a.test", 2), ips{"192.0.2.1"});
    EXPECT_EQ(r.report()[0].failures_in_a_row, 0U);
    EXPECT_GT(resolver::ended().none, before.none);
    EXPECT_GT(resolver::ended().failed, before.failed);
    EXPECT_GT(resolver::ended().found, before.found);
    code = 2;
    const int asked = server.asked("a.test");
    EXPECT_TRUE(soon([&] { return server.asked("a.test") > asked + 1 && r.report()[0].failures_in_a_row > 0; }));
    EXPECT_EQ(r.report()[0].addresses, ips{"192.0.2.1"}) << "old addresses stay, and it is looked up all the same";
}

TEST(resolver, follows_answers_that_change) {
    std::atomic<int> last{1};
    dns_server server(
        [&](const auto&, int type) { return only_a(type, {{.ttl = 0, .data = "192.0.2." + std::to_string(last)}}); });
    told t;
    resolver::ask(server.settings());
    resolver r(t.listener());
    r.watch({{"a.test", seconds(1)}});
    EXPECT_EQ(t.wait("a.test"), ips{"192.0.2.1"});
    last = 2;
    EXPECT_EQ(t.wait("a.test", 2), ips{"192.0.2.2"});
}

TEST(resolver, other_servers_are_asked_at_once) {
    dns_server dead([](const auto&, int) { return silence(); });
    dns_server good([](const auto&, int type) { return only_a(type, {{.data = "192.0.2.1"}}); });
    told t;
    resolver::ask(dead.settings());
    resolver r(t.listener());
    r.watch({{"a.test", hours(1)}});
    EXPECT_TRUE(soon([&] { return dead.asked("a.test") > 0; }));
    const auto began = clock::now();
    resolver::ask(good.settings());
    EXPECT_EQ(t.wait("a.test"), ips{"192.0.2.1"});
    EXPECT_LT(clock::now() - began, seconds(5));
}

TEST(resolver, ends_at_once_amid_look_ups_without_answer) {
    dns_server dead([](const auto&, int) { return silence(); });
    told t;
    resolver::ask(dead.settings());
    auto r = std::make_unique<resolver>(t.listener());
    std::map<std::string, duration> all;
    for (int i = 0; i < 100; ++i) all["dead" + std::to_string(i) + ".test"] = seconds(30);
    r->watch(all);
    EXPECT_TRUE(soon([&] { return dead.asked("dead0.test") > 0; }));
    const auto began = clock::now();
    r.reset();
    EXPECT_LT(clock::now() - began, seconds(1));
}

}  // namespace
}  // namespace spillway::net
