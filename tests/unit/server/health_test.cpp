#include <gtest/gtest.h>

#include <spillway/server/compile.hpp>
#include <spillway/server/cores.hpp>
#include <spillway/server/health.hpp>
#include <spillway/server/known_names.hpp>

namespace spillway::server {
namespace {

constexpr const char* text = R"(version: 1
listeners: { public: { address: "127.0.0.1:0" } }
credentials: { k: { api_key: "${KEY}" } }
instances:
  a: { endpoint: "http://127.0.0.1:1", insecure: true, credential: k, region: westeurope }
  b: { endpoint: "http://127.0.0.1:2/prefix", insecure: true, credential: k, address: "127.0.0.1:3", tls_name: x }
pools:
  p:
    model: m
    version: "1"
    backends: [ { instance: a, deployment: d }, { instance: b, deployment: "d/2", weight: 0 }, { instance: b, deployment: d3 } ]
clients: { c: { keys: ["sha256:0000000000000000000000000000000000000000000000000000000000000001"] } }
routes: [ { name: r, clients: [c], deployment: "m*", pool: p } ]
)";

config::checked checked(std::string of = text) {
    const auto env = [](std::string_view name) -> std::optional<std::string> {
        if (name == "KEY") return "secret";
        return std::nullopt;
    };
    auto r = config::check_text(of, "f.yaml", known_names(), env);
    if (!r) throw std::runtime_error(config::format(r.error().front()));
    return *r;
}

std::string with(std::string of, const std::string& from, const std::string& to) {
    return of.replace(of.find(from), from.size(), to);
}

class compiled_snapshot : public ::testing::Test {
protected:
    void SetUp() override { ::setenv("KEY", "secret", 1); }
    void TearDown() override { ::unsetenv("KEY"); }

    stats::label_table labels;
    identity_service nobody{[](const std::string&) {}, {}, true};
    compiler make{labels, nobody};
    const time_point now = clock::now();
};

TEST_F(compiled_snapshot, has_everything_by_index) {
    const auto c = make.compile(checked(), nullptr);
    ASSERT_TRUE(c.snapshot);
    const auto& s = *c.snapshot;
    EXPECT_EQ(s.instances[0].auth_value.view(), "secret");
    EXPECT_EQ(s.instances[1].path_prefix, "/prefix");
    EXPECT_EQ(s.instances[1].to.port, 3);
    EXPECT_EQ(s.instances[1].host_field, "127.0.0.1:2");
    EXPECT_EQ(s.pools[0].backends[1].model_json, "\"d/2\"");
    EXPECT_EQ(s.clients[0].models, (std::vector<std::string>{"m"}));
    EXPECT_EQ(s.route_names[0], "r");
}

TEST_F(compiled_snapshot, a_reload_finds_the_state_of_what_is_unchanged) {
    const auto first = make.compile(checked(), nullptr);
    const auto& before = *first.snapshot;
    before.pools[0].backends[0].state->breaker.throttled(now, minutes(1), false);
    const auto second =
        make.compile(checked(with(text, "model: m", "model: m\n    breaker: { failures: 9 }")), &before);
    ASSERT_TRUE(second.snapshot);
    const auto& after = *second.snapshot;
    EXPECT_EQ(after.pools[0].backends[0].state, before.pools[0].backends[0].state);
    EXPECT_EQ(after.instances[0].state, before.instances[0].state);
    EXPECT_FALSE(proxy::availability_of(after, after.pools[0].backends[0], now, true).usable);
    const auto third = make.compile(checked(with(text, "deployment: d }", "deployment: other }")), &after);
    EXPECT_NE(third.snapshot->pools[0].backends[0].state, after.pools[0].backends[0].state);
}

core::failure refused() {
    core::failure f;
    f.why = core::breaker_mode::misconfigured;
    f.proven = true;
    return f;
}

TEST_F(compiled_snapshot, another_key_is_another_chance_for_a_refused_instance) {
    const auto first = make.compile(checked(), nullptr);
    const auto& before = *first.snapshot;
    before.instances[0].state->failed(now, refused());
    EXPECT_EQ(make.compile(checked(), &before).snapshot->instances[0].state, before.instances[0].state);
    ::setenv("KEY", "another", 1);
    const auto second = make.compile(checked(), &before);
    EXPECT_NE(second.snapshot->instances[0].state, before.instances[0].state);
    EXPECT_EQ(second.snapshot->instances[1].state, before.instances[1].state);
}

TEST_F(compiled_snapshot, a_secret_that_is_missing_is_an_issue_with_its_place) {
    const auto good = checked(with(text, "\"${KEY}\"", "file:/nowhere/key"));
    const auto c = make.compile(good, nullptr);
    EXPECT_FALSE(c.snapshot);
    ASSERT_EQ(c.issues.size(), 1U);
    EXPECT_EQ(c.issues[0].key_path, "credentials.k.api_key");
    EXPECT_GT(c.issues[0].line, 0);
    ASSERT_FALSE(c.files.empty());
    EXPECT_EQ(c.files.front(), "/nowhere/key");
}

TEST_F(compiled_snapshot, readiness_tells_throttled_from_dead) {
    auto c = make.compile(checked(), nullptr);
    auto s = *c.snapshot;
    auto& backends = s.pools[0].backends;
    EXPECT_TRUE(is_ready(s, now));
    EXPECT_EQ(health_of(s, s.pools[0], now), pool_health::usable);
    for (auto& b : backends) b.state->breaker.throttled(now, minutes(1), false);
    EXPECT_EQ(health_of(s, s.pools[0], now), pool_health::throttled);
    EXPECT_TRUE(is_ready(s, now));
    auto other = std::make_shared<config::tree>(*s.tree);
    other->health.throttled_is_ready = false;
    const auto usual = std::exchange(s.tree, other);
    EXPECT_FALSE(is_ready(s, now));
    EXPECT_TRUE(is_ready(s, now + minutes(2)));
    s.tree = usual;
    for (auto& i : s.instances) i.state->failed(now, refused());
    EXPECT_EQ(health_of(s, s.pools[0], now), pool_health::dead);
    EXPECT_FALSE(is_ready(s, now));
    // The clock proves nothing; what a probe proves is ready, and a backend without weight is none.
    EXPECT_FALSE(is_ready(s, now + minutes(2)));
    s.instances[0].state->proved(true, true);
    EXPECT_TRUE(is_ready(s, now + minutes(2)));
}

TEST_F(compiled_snapshot, a_backend_at_its_cap_is_busy_not_dead) {
    const auto c = make.compile(
        checked(with(text, "deployment: d }", "deployment: d, limits: { max_outstanding: 2 } }")), nullptr);
    const auto& s = *c.snapshot;
    auto& b = s.pools[0].backends[0];
    b.state->outstanding = 2;
    EXPECT_EQ(proxy::availability_of(s, b, now, true).mode, core::breaker_mode::busy);
    EXPECT_EQ(health_of(s, s.pools[0], now), pool_health::usable);
}

TEST(cores, follow_the_quota_rounded_up) {
    EXPECT_EQ(cores_of_quota("max 100000", 8), 8U);
    EXPECT_EQ(cores_of_quota("150000 100000", 8), 2U);
    EXPECT_EQ(cores_of_quota("50000 100000", 8), 1U);
    EXPECT_EQ(cores_of_quota("1600000 100000", 8), 8U);
    EXPECT_EQ(cores_of_quota("-1 100000", 8), 8U);
    EXPECT_EQ(cores_of_quota("", 8), 8U);
    EXPECT_EQ(cores_of_quota("1 0", 8), 8U);
    EXPECT_GE(granted_cores(), 1U);
}

}  // namespace
}  // namespace spillway::server
