#include <gtest/gtest.h>

#include <spillway/server/compile.hpp>
#include <spillway/server/health.hpp>
#include <spillway/server/known_names.hpp>
#include <spillway/server/probe_schedule.hpp>

// Readiness by proof, and who is asked for it, on the states that all workers share.
namespace spillway::server {
namespace probe_schedule_test {

constexpr const char* text = R"(version: 1
listeners: { public: { address: "127.0.0.1:0" } }
instances:
  a: { endpoint: "http://a.openai.azure.com", insecure: true }
  b: { endpoint: "http://127.0.0.1:2", insecure: true }
pools:
  p:
    model: m
    version: "1"
    backends: [ { instance: a, deployment: d1 }, { instance: a, deployment: d2 }, { instance: b, deployment: d3 } ]
  q: { model: m, version: "1", probe: { how: none }, backends: [ { instance: b, deployment: e } ] }
clients: { c: { keys: ["sha256:0000000000000000000000000000000000000000000000000000000000000001"] } }
routes:
  - { name: r, clients: [c], deployment: "m", pool: p }
  - { clients: [c], deployment: "n", pool: q }
health: { require: REQUIRED }
)";

class probing : public ::testing::Test {
protected:
    std::shared_ptr<proxy::snapshot> made(const std::string& required = "any") {
        std::string of = text;
        of.replace(of.find("REQUIRED"), 8, required);
        const auto nothing = [](std::string_view) -> std::optional<std::string> { return std::nullopt; };
        const auto r = config::check_text(of, "f.yaml", known_names(), nothing);
        if (!r) throw std::runtime_error(config::format(r.error().front()));
        return make.compile(*r, nullptr).snapshot;
    }
    static void break_instance(proxy::snapshot& s, std::size_t i, time_point now) {
        core::failure f;
        f.proven = true;
        s.instances[i].state->failed(now, f);
    }
    static proxy::breaker_state& breaker(proxy::snapshot& s, std::size_t backend, std::size_t pool = 0) {
        return s.pools[pool].backends[backend].state->breaker;
    }
    static void break_backend(proxy::snapshot& s, std::size_t backend, time_point now, std::size_t pool = 0) {
        core::failure f;
        f.proven = true;
        breaker(s, backend, pool).failed(now, f);
    }

    stats::label_table labels;
    identity_service nobody{[](const std::string&) {}, {}, true};
    compiler make{labels, nobody};
    const time_point now = clock::now();
};

TEST_F(probing, is_by_chat_for_azure_and_by_connection_for_others) {
    const auto s = made();
    EXPECT_EQ(s->pools[0].backends[0].probe, core::probe_kind::chat);
    EXPECT_EQ(s->pools[0].backends[2].probe, core::probe_kind::connection);
    EXPECT_EQ(s->pools[1].backends[0].probe, core::probe_kind::none);
}

TEST_F(probing, readiness_goes_by_proof_and_not_by_the_clock) {
    const auto s = made("r");
    EXPECT_TRUE(is_ready(*s, now));
    for (std::size_t i = 0; i < 3; ++i) break_backend(*s, i, now);
    EXPECT_FALSE(is_ready(*s, now));
    const auto later = now + minutes(30);
    ASSERT_TRUE(breaker(*s, 1).view(later).usable) << "requests may try it";
    EXPECT_FALSE(is_ready(*s, later));
    // It answers, as it may have done all the time: ready, and requests go there as trials.
    breaker(*s, 1).proved(true, false);
    EXPECT_TRUE(is_ready(*s, later));
    EXPECT_TRUE(breaker(*s, 1).view(later).trial);
    core::failure f;
    f.trial = true;
    ASSERT_TRUE(breaker(*s, 1).claim_trial(later, false));
    EXPECT_TRUE(is_ready(*s, later)) << "the trial of a proved one runs";
    breaker(*s, 1).failed(later, f);
    EXPECT_FALSE(is_ready(*s, later)) << "a request knows better";
    breaker(*s, 1).proved(true, true);
    EXPECT_TRUE(is_ready(*s, later));
    EXPECT_TRUE(breaker(*s, 1).closed());
}

TEST_F(probing, a_probe_that_fails_takes_its_proof_back) {
    const auto s = made("r");
    for (std::size_t i = 0; i < 3; ++i) break_backend(*s, i, now);
    breaker(*s, 0).proved(true, false);
    EXPECT_TRUE(is_ready(*s, now));
    breaker(*s, 0).disproved(now, 0.5);
    EXPECT_FALSE(is_ready(*s, now));
}

TEST_F(probing, ends_what_was_misconfigured_if_it_proves_the_credential) {
    const auto s = made();
    core::failure f;
    f.proven = true;
    f.why = core::breaker_mode::misconfigured;
    breaker(*s, 0).failed(now, f);
    breaker(*s, 0).proved(false, true);
    EXPECT_FALSE(breaker(*s, 0).closed());
    breaker(*s, 0).proved(true, false);
    EXPECT_TRUE(breaker(*s, 0).closed());
}

TEST_F(probing, which_routes_count_is_configured) {
    for (const auto& [required, good] : {std::pair{"any", true},
                                         {"all", false},
                                         {"r", false},
                                         {"\"routes[1]\"", true},
                                         {"[r, \"routes[1]\"]", false}}) {
        const auto s = made(required);
        EXPECT_TRUE(publish_health(*s, now)) << required;
        break_instance(*s, 0, now);
        EXPECT_TRUE(publish_health(*s, now)) << required << ": b serves both";
        for (std::size_t i = 0; i < 3; ++i) break_backend(*s, i, now);
        EXPECT_EQ(publish_health(*s, now), good) << required;
        EXPECT_FALSE(s->route_ready[0]);
        EXPECT_TRUE(s->route_ready[1]);
    }
}

TEST_F(probing, a_dead_instance_has_no_capacity) {
    const auto s = made();
    const auto& p = s->pools[0];
    EXPECT_DOUBLE_EQ(proxy::capacity_of(*s, p, now, true), 1);
    break_instance(*s, 1, now);
    EXPECT_NEAR(proxy::capacity_of(*s, p, now, true), 2.0 / 3, 1e-9);
    EXPECT_NEAR(proxy::capacity_of(*s, p, now + minutes(30), true), 2.0 / 3, 1e-9) << "a trial is no capacity";
    break_backend(*s, 0, now);
    EXPECT_NEAR(proxy::capacity_of(*s, p, now, true), 1.0 / 3, 1e-9);
}

TEST_F(probing, asks_one_backend_of_an_instance_that_is_down_and_each_that_is_sick_itself) {
    const auto s = made();
    probe_schedule schedule;
    const auto asked = [&](time_point at) {
        std::vector<std::size_t> out;
        for (const auto& d : schedule.look(*s, at)) {
            EXPECT_EQ(d.pool, 0U) << "q is not to be probed";
            s->pools[d.pool].backends[d.backend].state->probe.end(core::probe_result::failing, at);
            out.push_back(d.backend);
        }
        return out;
    };
    using list = std::vector<std::size_t>;
    EXPECT_EQ(asked(now), list{});
    break_instance(*s, 0, now);
    break_instance(*s, 1, now);
    EXPECT_EQ(asked(now), list{}) << "requests may prove them";
    EXPECT_EQ(asked(now + seconds(5)), (list{0, 2}));
    EXPECT_EQ(asked(now + seconds(6)), list{});
    s->instances[0].state->proved(true, true);
    s->instances[1].state->proved(true, true);
    break_backend(*s, 0, now + seconds(7));
    break_backend(*s, 1, now + seconds(7));
    EXPECT_EQ(asked(now + seconds(7)), list{});
    EXPECT_EQ(asked(now + seconds(12)), (list{0, 1}));
}

TEST_F(probing, what_is_usual_in_a_pool_is_no_reason_to_suspect) {
    const auto s = made();
    probe_schedule schedule;
    stats::worker_stats one, other;
    const std::array<const stats::worker_stats*, 2> all{&one, &other};
    const auto after = [&] { return duration(s->pools[0].state->suspect_after.load()); };
    schedule.measure(*s, all, now);
    EXPECT_EQ(after(), seconds(10));
    for (int i = 0; i < 100; ++i) one.first_byte_seconds.at({s->pools[0].label, labels.intern("x")}).observe(25);
    for (int i = 0; i < 100; ++i) other.first_byte_seconds.at({s->pools[0].label, labels.intern("y")}).observe(1);
    schedule.measure(*s, all, now + seconds(1));
    EXPECT_EQ(after(), seconds(10)) << "not read that often";
    schedule.measure(*s, all, now + seconds(10));
    EXPECT_GT(after(), seconds(60));
    EXPECT_LE(after(), seconds(90));
    EXPECT_EQ(duration(s->pools[1].state->suspect_after.load()), seconds(10));
    schedule.measure(*s, all, now + minutes(6));
    schedule.measure(*s, all, now + minutes(12));
    schedule.measure(*s, all, now + minutes(13));
    EXPECT_EQ(after(), seconds(10)) << "that was long ago";
}

}  // namespace probe_schedule_test
}  // namespace spillway::server
