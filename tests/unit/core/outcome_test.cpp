#include <gtest/gtest.h>

#include <spillway/core/outcome.hpp>

// The table of decisions, row by row.
namespace spillway::core {
namespace {

outcome response(int status) {
    outcome o;
    o.status = status;
    return o;
}
outcome failed(outcome_kind kind) {
    outcome o;
    o.kind = kind;
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

using v = verdict;
using bs = backend_signal;
using is = instance_signal;

struct row {
    std::string name;
    outcome what;
    judge_facts facts;
    v verdict;
    bs backend;
    is instance;
    bool spends_budget;
};
class table : public ::testing::TestWithParam<row> {};

TEST_P(table, row) {
    const auto& r = GetParam();
    const auto j = judge(r.what, r.facts, {});
    EXPECT_EQ(j.verdict, r.verdict);
    EXPECT_EQ(j.backend, r.backend);
    EXPECT_EQ(j.instance, r.instance);
    EXPECT_EQ(j.spends_budget, r.spends_budget);
}

const judge_facts usual, once{.repeatable = false}, after_fresh{.repeated_fresh = true}, renewable{.can_renew = true},
    renewed{.can_renew = true, .renewed = true};

std::vector<row> rows() {
    std::vector<row> out{
        {"ok", response(200), usual, v::commit, bs::success, is::reachable, false},
        {"throttled", response(429), usual, v::elsewhere, bs::throttled, is::reachable, false},
        {"throttled_even_when_not_repeatable", response(429), once, v::elsewhere, bs::throttled, is::reachable,
         false},
        {"connect", failed(outcome_kind::connect_failed), usual, v::elsewhere, bs::none, is::failure, false},
        {"dns", failed(outcome_kind::dns_failed), usual, v::elsewhere, bs::none, is::failure, false},
        {"tls", failed(outcome_kind::tls_failed), usual, v::elsewhere, bs::none, is::failure, false},
        {"reset", failed(outcome_kind::reset_before_head), usual, v::elsewhere, bs::none, is::failure, true},
        {"stale", failed(outcome_kind::stale_connection), usual, v::repeat_fresh, bs::none, is::none, false},
        {"stale_again", failed(outcome_kind::stale_connection), after_fresh, v::elsewhere, bs::none, is::failure,
         true},
        {"first_byte", failed(outcome_kind::first_byte_timeout), usual, v::elsewhere, bs::failure, is::none, true},
        {"no_http", failed(outcome_kind::bad_response), usual, v::elsewhere, bs::failure, is::reachable, true},
        {"first_byte_once", failed(outcome_kind::first_byte_timeout), once, v::refuse, bs::failure, is::none, true},
        {"no_http_once", failed(outcome_kind::bad_response), once, v::refuse, bs::failure, is::reachable, true},
        {"connect_once", failed(outcome_kind::connect_failed), once, v::elsewhere, bs::none, is::failure, false},
        {"reset_once", failed(outcome_kind::reset_before_head), once, v::elsewhere, bs::none, is::failure, true},
        {"conflict_with_wait_once", with_wait(409), once, v::commit, bs::success, is::reachable, false},
        {"stream_error", failed(outcome_kind::stream_began_with_error), usual, v::elsewhere, bs::failure,
         is::reachable, true},
        {"stream_error_once", failed(outcome_kind::stream_began_with_error), once, v::commit, bs::failure,
         is::reachable, true},
        {"left", failed(outcome_kind::client_left), usual, v::give_up, bs::none, is::none, false},
        {"refused_credential", response(401), usual, v::elsewhere, bs::none, is::misconfigured, false},
        {"forbidden", response(403), usual, v::elsewhere, bs::none, is::misconfigured, false},
        {"renew", response(401), renewable, v::repeat_renewed, bs::none, is::none, false},
        {"renewed_already", response(401), renewed, v::elsewhere, bs::none, is::misconfigured, false},
        {"conflict", response(409), usual, v::commit, bs::success, is::reachable, false},
        {"conflict_with_wait", with_wait(409), usual, v::elsewhere, bs::success, is::reachable, false},
        {"missing", missing(), usual, v::elsewhere, bs::missing, is::reachable, false},
        {"fe_error", fe_error(), usual, v::elsewhere, bs::missing, is::reachable, false},
        {"other_404", response(404), usual, v::commit, bs::success, is::reachable, false},
        {"odd_5xx", response(501), usual, v::commit, bs::failure, is::reachable, false},
    };
    for (const int status : {408, 499, 500, 502, 503, 504}) {
        out.push_back({"status_" + std::to_string(status), response(status), usual, v::elsewhere, bs::failure,
                       is::reachable, true});
        out.push_back(
            {"once_" + std::to_string(status), response(status), once, v::commit, bs::failure, is::reachable, true});
    }
    for (const int status : {400, 413, 415, 422, 431})
        out.push_back({"client_" + std::to_string(status), response(status), usual, v::commit, bs::success,
                       is::reachable, false});
    return out;
}

INSTANTIATE_TEST_SUITE_P(judge, table, ::testing::ValuesIn(rows()), [](const auto& one) { return one.param.name; });

TEST(judge, a_missing_deployment_is_the_clients_when_the_policy_says_so) {
    retry_policy p;
    p.on_deployment_not_found = false;
    EXPECT_EQ(judge(missing(), {}, p).verdict, v::commit);
    EXPECT_EQ(judge(missing(), {}, p).backend, bs::missing);
    EXPECT_EQ(judge(fe_error(), {}, p).verdict, v::commit);
}

}  // namespace
}  // namespace spillway::core
