#include <gtest/gtest.h>

#include <spillway/core/outcome.hpp>

// The table of decisions, row by row.
namespace spillway::core {
namespace outcome_test {

outcome response(int status) {
    outcome o;
    o.status = status;
    return o;
}
outcome with_wait(int status) {
    auto o = response(status);
    o.has_retry_after = true;
    o.told = seconds(1);
    return o;
}
outcome missing() {
    auto o = response(404);
    o.deployment_not_found = true;
    return o;
}
outcome fe_error() {
    auto o = response(400);
    o.fe_error = true;
    return o;
}

outcome event(int stands_for) {
    auto o = failed(outcome_kind::stream_began_with_error);
    o.status = 200;
    o.stands_for = stands_for;
    return o;
}
outcome about_credential() {
    auto o = response(403);
    o.about_credential = true;
    return o;
}

using v = verdict;
using bs = backend_signal;
using is = instance_signal;

// What it costs: nothing, one of retry.attempts, or one from the budget as well. And when it counts: at once, or when
// another backend has served the request.
enum class cost { free, attempt, budget };
constexpr bool at_once = false, later = true;

struct row {
    std::string name;
    outcome what;
    judge_facts facts;
    v verdict;
    bs backend;
    is instance;
    cost costs;
    bool settled_later;
};
class table : public ::testing::TestWithParam<row> {};

TEST_P(table, row) {
    const auto& r = GetParam();
    const auto j = judge(r.what, r.facts, {});
    EXPECT_EQ(j.verdict, r.verdict);
    EXPECT_EQ(j.backend, r.backend);
    EXPECT_EQ(j.instance, r.instance);
    EXPECT_EQ(j.free, r.costs == cost::free);
    EXPECT_EQ(j.spends_budget, r.costs == cost::budget);
    EXPECT_EQ(j.settled_later, r.settled_later);
}

const judge_facts usual, stream{.streams = true}, once{.repeatable = false},
    stream_once{.repeatable = false, .streams = true}, after_fresh{.repeated_fresh = true},
    renewable{.can_renew = true}, renewed{.can_renew = true, .renewed = true}, theirs{.own_credential = false};

std::vector<row> rows() {
    using k = outcome_kind;
    std::vector<row> out{
        {"ok", response(200), usual, v::commit, bs::served, is::reachable, cost::attempt, at_once},
        {"throttled", response(429), usual, v::elsewhere, bs::throttled, is::reachable, cost::free, at_once},
        {"throttled_once", response(429), once, v::elsewhere, bs::throttled, is::reachable, cost::free, at_once},
        {"connect", failed(k::connect_failed), usual, v::elsewhere, bs::none, is::failure, cost::free, at_once},
        {"dns", failed(k::dns_failed), usual, v::elsewhere, bs::none, is::failure, cost::free, at_once},
        {"tls", failed(k::tls_failed), usual, v::elsewhere, bs::none, is::failure, cost::free, at_once},
        {"suspected", failed(k::suspected), usual, v::elsewhere, bs::none, is::failure, cost::free, at_once},
        {"reset", failed(k::reset_before_head), usual, v::elsewhere, bs::none, is::failure, cost::free, at_once},
        {"stale", failed(k::stale_connection), usual, v::repeat_fresh, bs::none, is::none, cost::attempt, at_once},
        {"stale_again", failed(k::stale_connection), after_fresh, v::elsewhere, bs::none, is::failure, cost::free,
         at_once},
        {"first_byte_of_stream", failed(k::first_byte_timeout), stream, v::elsewhere, bs::failure, is::none,
         cost::budget, later},
        {"first_byte_of_plain", failed(k::first_byte_timeout), usual, v::refuse, bs::failure, is::none, cost::budget,
         later},
        {"first_byte_once", failed(k::first_byte_timeout), stream_once, v::refuse, bs::failure, is::none,
         cost::budget, later},
        {"no_http", failed(k::bad_response), usual, v::elsewhere, bs::failure, is::reachable, cost::budget, later},
        {"no_http_once", failed(k::bad_response), once, v::refuse, bs::failure, is::reachable, cost::budget, later},
        {"empty", failed(k::empty_answer), usual, v::elsewhere, bs::failure, is::reachable, cost::budget, later},
        {"empty_once", failed(k::empty_answer), once, v::refuse, bs::failure, is::reachable, cost::budget, later},
        {"connect_once", failed(k::connect_failed), once, v::elsewhere, bs::none, is::failure, cost::free, at_once},
        {"shortage", failed(k::local_shortage), usual, v::refuse, bs::none, is::none, cost::attempt, at_once},
        {"not_composed", failed(k::not_composed), usual, v::elsewhere, bs::none, is::none, cost::free, at_once},
        {"no_token", failed(k::no_credential), usual, v::elsewhere, bs::none, is::none, cost::free, at_once},
        {"left", failed(k::client_left), usual, v::give_up, bs::none, is::none, cost::attempt, at_once},
        {"refused_credential", response(401), usual, v::elsewhere, bs::none, is::misconfigured, cost::attempt, later},
        {"forbidden", response(403), usual, v::elsewhere, bs::none, is::misconfigured, cost::attempt, later},
        {"renew", response(401), renewable, v::repeat_renewed, bs::none, is::none, cost::attempt, at_once},
        {"renewed_already", response(401), renewed, v::elsewhere, bs::none, is::misconfigured, cost::attempt, later},
        {"renew_403", about_credential(), renewable, v::repeat_renewed, bs::none, is::none, cost::attempt, at_once},
        {"no_renewal_helps", response(403), renewable, v::elsewhere, bs::none, is::misconfigured, cost::attempt,
         later},
        {"clients_own_token", response(403), theirs, v::commit, bs::answered, is::reachable, cost::attempt, at_once},
        {"conflict", response(409), usual, v::commit, bs::answered, is::reachable, cost::attempt, at_once},
        {"conflict_with_wait", with_wait(409), usual, v::elsewhere, bs::answered, is::reachable, cost::attempt,
         at_once},
        {"conflict_with_wait_once", with_wait(409), once, v::commit, bs::answered, is::reachable, cost::attempt,
         at_once},
        {"missing", missing(), usual, v::elsewhere, bs::missing, is::reachable, cost::attempt, later},
        {"fe_error", fe_error(), usual, v::elsewhere, bs::missing, is::reachable, cost::attempt, later},
        {"other_404", response(404), usual, v::commit, bs::answered, is::reachable, cost::attempt, at_once},
        {"odd_5xx", response(501), usual, v::commit, bs::failure, is::reachable, cost::budget, later},
        {"told_503", with_wait(503), usual, v::elsewhere, bs::failure, is::reachable, cost::budget, at_once},
    };
    for (const int status : {408, 499, 500, 502, 503, 504, 520, 522, 524, 529, 530}) {
        const auto name = std::to_string(status);
        out.push_back({"status_" + name, response(status), usual, v::elsewhere, bs::failure, is::reachable,
                       cost::budget, later});
        out.push_back(
            {"once_" + name, response(status), once, v::commit, bs::failure, is::reachable, cost::budget, later});
    }
    for (const int status : {400, 404, 413, 415, 422, 424, 431, 498})
        out.push_back({"client_" + std::to_string(status), response(status), usual, v::commit, bs::answered,
                       is::reachable, cost::attempt, at_once});
    for (const int status : {300, 301, 302, 303, 307, 308})
        out.push_back({"redirect_" + std::to_string(status), response(status), once, v::elsewhere, bs::failure,
                       is::reachable, cost::attempt, later});
    for (const int status : {400, 401, 404})
        out.push_back({"event_" + std::to_string(status), event(status), usual, v::commit, bs::answered,
                       is::reachable, cost::attempt, at_once});
    for (const int status : {0, 408, 500, 503, 529}) {
        const auto name = std::to_string(status);
        out.push_back(
            {"event_" + name, event(status), usual, v::elsewhere, bs::failure, is::reachable, cost::budget, later});
        out.push_back(
            {"event_once_" + name, event(status), once, v::commit, bs::failure, is::reachable, cost::budget, later});
    }
    out.push_back({"event_429", event(429), once, v::elsewhere, bs::throttled, is::reachable, cost::free, at_once});
    return out;
}

INSTANTIATE_TEST_SUITE_P(judge, table, ::testing::ValuesIn(rows()), [](const auto& one) { return one.param.name; });

TEST(judge, a_missing_deployment_is_the_clients_when_the_policy_says_so) {
    retry_policy p;
    p.on_deployment_not_found = false;
    EXPECT_EQ(judge(missing(), {}, p).verdict, v::commit);
    // It leaves no mark then.
    EXPECT_EQ(judge(missing(), {}, p).backend, bs::answered);
    EXPECT_EQ(judge(fe_error(), {}, p).verdict, v::commit);
}

}  // namespace outcome_test
}  // namespace spillway::core
