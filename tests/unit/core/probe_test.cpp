#include <gtest/gtest.h>

#include <vector>

#include <spillway/core/probe.hpp>

namespace spillway::core {
namespace probe_test {

constexpr time_point start = time_point(hours(1));
time_point at(duration d) { return start + d; }

constexpr auto healthy = breaker_mode::closed;
availability seen(breaker_mode m, time_point until = {}) {
    availability a;
    a.mode = m;
    a.usable = m == breaker_mode::closed || m == breaker_mode::half_open;
    a.trial = m == breaker_mode::half_open;
    a.until = until;
    return a;
}

outcome answer(int status) {
    outcome o;
    o.status = status;
    return o;
}
outcome missing() {
    auto o = answer(404);
    o.deployment_not_found = true;
    return o;
}
outcome front_end_error() {
    auto o = answer(400);
    o.fe_error = true;
    return o;
}
TEST(probe, asks_for_a_chat_where_azure_refuses_it_for_free) {
    using how = config::probe_how;
    struct row {
        how wanted;
        std::string_view host;
        probe_kind kind;
    };
    constexpr row rows[] = {
        {how::automatic, "contoso.openai.azure.com", probe_kind::chat},
        {how::automatic, "Contoso.OpenAI.Azure.Com", probe_kind::chat},
        {how::automatic, "contoso.openai.azure.us", probe_kind::chat},
        {how::automatic, "contoso.openai.azure.com.", probe_kind::chat},
        {how::automatic, "contoso.cognitiveservices.azure.com", probe_kind::chat},
        {how::automatic, "contoso.services.ai.azure.com", probe_kind::chat},
        {how::automatic, ".openai.azure.com", probe_kind::connection},
        {how::automatic, "contoso.openai.azure.com.example.org", probe_kind::connection},
        {how::automatic, "contoso-openai.azure.com", probe_kind::connection},
        {how::automatic, "api.openai.com", probe_kind::connection},
        {how::automatic, "127.0.0.1", probe_kind::connection},
        {how::automatic, "", probe_kind::connection},
        {how::chat, "api.openai.com", probe_kind::chat},
        {how::connection, "contoso.openai.azure.com", probe_kind::connection},
        {how::none, "contoso.openai.azure.com", probe_kind::none},
    };
    for (const auto& r : rows) EXPECT_EQ(kind_of(r.wanted, r.host), r.kind) << r.host;
}

TEST(probe, proves_what_its_answer_shows) {
    using bs = backend_signal;
    using is = instance_signal;
    using r = probe_result;
    constexpr auto chat = probe_kind::chat, link = probe_kind::connection;
    constexpr bool yes = true, no = false;
    struct row {
        const char* what;
        probe_kind asked;
        outcome o;
        bool own_credential;
        r result;
        bool backend_lives, instance_lives, credential;
        bs backend;
        is instance;
    };
    const auto cut = failed(outcome_kind::client_left);
    const row rows[] = {
        {"the usual refusal", chat, answer(400), yes, r::proven, yes, yes, yes, bs::none, is::none},
        {"the same from others", chat, answer(422), yes, r::proven, yes, yes, yes, bs::none, is::none},
        {"an answer to nothing", chat, answer(200), yes, r::proven, yes, yes, yes, bs::none, is::none},
        {"no such path", chat, answer(404), yes, r::proven, yes, yes, no, bs::none, is::none},
        {"no such deployment", chat, missing(), yes, r::missing, no, yes, yes, bs::missing, is::none},
        {"front end's words", chat, front_end_error(), yes, r::missing, no, yes, yes, bs::missing, is::none},
        {"throttled", chat, answer(429), yes, r::throttled, yes, yes, yes, bs::throttled, is::none},
        {"key refused", chat, answer(401), yes, r::refused, no, no, no, bs::none, is::misconfigured},
        {"right refused", chat, answer(403), yes, r::refused, no, no, no, bs::none, is::misconfigured},
        {"no key was given", chat, answer(401), no, r::proven, yes, yes, no, bs::none, is::none},
        {"failing", chat, answer(500), yes, r::failing, no, yes, no, bs::none, is::none},
        {"overloaded", chat, answer(529), yes, r::failing, no, yes, no, bs::none, is::none},
        {"elsewhere", chat, answer(302), yes, r::failing, no, yes, no, bs::none, is::none},
        {"connected", link, answer(0), yes, r::proven, yes, yes, no, bs::none, is::none},
        {"refused connection", link, failed(outcome_kind::connect_failed), yes, r::unreachable, no, no, no, bs::none,
         is::failure},
        {"no address", link, failed(outcome_kind::dns_failed), yes, r::unreachable, no, no, no, bs::none,
         is::failure},
        {"wrong name", link, failed(outcome_kind::tls_failed), yes, r::unreachable, no, no, no, bs::none,
         is::failure},
        {"broke off", chat, failed(outcome_kind::reset_before_head), yes, r::unreachable, no, no, no, bs::none,
         is::failure},
        {"silence", chat, failed(outcome_kind::first_byte_timeout), yes, r::silent, no, no, no, bs::none,
         is::failure},
        {"our own lack", chat, failed(outcome_kind::local_shortage), yes, r::none, no, no, no, bs::none, is::none},
        {"no token", chat, failed(outcome_kind::no_credential), yes, r::none, no, no, no, bs::none, is::none},
        {"the gateway ends", chat, cut, yes, r::none, no, no, no, bs::none, is::none},
    };
    for (const auto& w : rows) {
        const auto j = judge_probe(w.asked, w.o, w.own_credential);
        EXPECT_EQ(j.result, w.result) << w.what;
        EXPECT_EQ(j.backend_lives, w.backend_lives) << w.what;
        EXPECT_EQ(j.instance_lives, w.instance_lives) << w.what;
        EXPECT_EQ(j.credential, w.credential) << w.what;
        EXPECT_EQ(j.backend, w.backend) << w.what;
        EXPECT_EQ(j.instance, w.instance) << w.what;
        EXPECT_EQ(answers_well(j.result), j.backend_lives) << w.what;
    }
}

TEST(probe, one_at_a_time_and_one_in_the_interval) {
    const probe_policy p;
    probe_facts f;
    EXPECT_TRUE(may_ask(f, start, p));
    f.asked = start;
    f.running = true;
    EXPECT_FALSE(may_ask(f, at(p.timeout), p));
    EXPECT_TRUE(may_ask(f, at(p.timeout + seconds(2)), p)) << "its worker went away";
    f.running = false;
    f.ended = at(milliseconds(3));
    EXPECT_FALSE(may_ask(f, at(p.interval - milliseconds(1)), p));
    EXPECT_TRUE(may_ask(f, at(p.interval), p));
}

// Looks each 100 ms, as the breaker is at that time; when a probe is due it is asked at once, and the answer changes
// nothing. The times at which it was due, in tenths of a second.
template <class F>
std::vector<int> due_times(F&& breaker_at, int tenths) {
    probe_watch w;
    const probe_policy p;
    probe_facts f;
    std::vector<int> out;
    for (int t = 0; t < tenths; ++t) {
        const auto now = at(milliseconds(100) * t);
        if (!w.is_due(breaker_at(t), now, p) || !may_ask(f, now, p)) continue;
        f.asked = f.ended = now;
        out.push_back(t);
    }
    return out;
}

TEST(probe_watch, leaves_alone_what_works_or_only_pushes_back) {
    EXPECT_TRUE(due_times([](int) { return seen(healthy); }, 300).empty());
    EXPECT_TRUE(due_times([](int) { return seen(breaker_mode::throttled, at(hours(1))); }, 300).empty());
    EXPECT_TRUE(due_times([](int) { return seen(breaker_mode::busy, start); }, 300).empty());
}

TEST(probe_watch, asks_an_interval_after_the_last_news_and_then_once_in_each) {
    const auto open = [](int t) {
        return t < 10    ? seen(healthy)
               : t < 110 ? seen(breaker_mode::unhealthy, at(seconds(11)))
                         : seen(breaker_mode::half_open, at(milliseconds(100) * t));
    };
    EXPECT_EQ(due_times(open, 240), (std::vector{60, 110, 160, 210})) << "the clock's half-open is no news";
}

TEST(probe_watch, asks_nobody_whom_requests_try) {
    // A trial fails each three seconds: that tells as much as a probe would.
    const auto tried = [](int t) { return seen(breaker_mode::unhealthy, at(seconds(3) * (1 + t / 30))); };
    EXPECT_TRUE(due_times(tried, 300).empty());
    const auto trial_runs = [](int) {
        auto a = seen(breaker_mode::half_open);
        a.usable = false;
        return a;
    };
    EXPECT_TRUE(due_times(trial_runs, 300).empty());
}

TEST(probe_watch, begins_anew_after_it_was_healthy) {
    const auto twice = [](int t) {
        return t >= 40 && t < 60 ? seen(healthy) : seen(breaker_mode::misconfigured, at(hours(1)));
    };
    EXPECT_EQ(due_times(twice, 111), (std::vector{110}));
}

TEST(suspicion, one_probe_whoever_waits) {
    using step = suspicion::step;
    const probe_policy p;
    const auto after = p.suspect;
    probe_facts f;
    const auto now = at(after);
    auto s = suspect(f, start, now, after, p);
    EXPECT_EQ(s.what, step::ask);
    EXPECT_GT(s.look_again, now + p.timeout);
    f.asked = now;
    f.running = true;
    s = suspect(f, start, now + seconds(1), after, p);
    EXPECT_EQ(s.what, step::wait) << "another one waits for the same probe";
    EXPECT_GT(s.look_again, now + p.timeout);
}

TEST(suspicion, an_answer_clears_it_for_a_while) {
    using step = suspicion::step;
    const probe_policy p;
    probe_facts f;
    f.asked = at(seconds(10));
    f.ended = at(seconds(11));
    for (const auto r : {probe_result::proven, probe_result::failing, probe_result::throttled, probe_result::refused,
                         probe_result::missing, probe_result::none}) {
        f.last = r;
        const auto s = suspect(f, start, at(seconds(14)), p.suspect, p);
        EXPECT_EQ(s.what, step::wait) << to_string(r);
        EXPECT_EQ(s.look_again, at(seconds(20)));
    }
    EXPECT_EQ(suspect(f, start, at(seconds(20)), p.suspect, p).what, step::ask);
}

TEST(suspicion, silence_sends_away_who_has_waited_through_it_and_nobody_else) {
    using step = suspicion::step;
    const probe_policy p;
    probe_facts f;
    f.asked = at(seconds(10));
    f.ended = at(seconds(15));
    for (const auto r : {probe_result::silent, probe_result::unreachable}) {
        f.last = r;
        EXPECT_EQ(suspect(f, start, at(seconds(15)), p.suspect, p).what, step::leave);
        EXPECT_EQ(suspect(f, at(seconds(12)), at(seconds(22)), p.suspect, p).what, step::leave);
        EXPECT_EQ(suspect(f, at(seconds(16)), at(seconds(26)), p.suspect, p).what, step::ask)
            << "it was sent later, so the backend may have come back meanwhile";
    }
}

TEST(suspicion, waits_that_are_usual_in_the_pool_are_none) {
    probe_policy p;
    EXPECT_EQ(suspect_after(p, 0), p.suspect);
    EXPECT_EQ(suspect_after(p, 1), p.suspect);
    EXPECT_EQ(suspect_after(p, 60), minutes(3));
    EXPECT_EQ(suspect_after(p, 1e300), hours(24));
    p.suspect = milliseconds(200);
    EXPECT_EQ(suspect_after(p, 0.1), milliseconds(300));
}

}  // namespace probe_test
}  // namespace spillway::core
