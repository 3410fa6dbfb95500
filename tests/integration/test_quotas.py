"""Limits of clients: rates, tokens, concurrency, budgets, and who gives way first."""

import threading
import time

import pytest
from support.config import KEY, key_hash
from support.gateway import QUESTION, STREAM
from support.upstream import chat_completion
from support.usage import ledger_config, wait_for_records

OTHER = "key-of-another-client"


def limited(quota, **client):
    return {"clients": {"app": {"quota": quota, **client}}}


def usage(prompt, completion):
    def script(c, r):
        c.answer(200, {**chat_completion(), "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})

    return script


def assert_refused(answer, status, code):
    assert answer.status == status, answer.body
    error = answer.json()["error"]
    assert error["code"] == code and error["message"]
    return error


def test_requests_per_minute_are_refused_with_the_exact_wait(gateway, a):
    # One a second, three at once.
    g = gateway([a], {**limited({"requests_per_minute": 60}), "quotas": {"burst": "3s"}})
    answers = [g.chat() for _ in range(4)]
    assert [x.status for x in answers[:3]] == [200] * 3
    assert_refused(answers[3], 429, "RateLimitExceeded")
    wait = int(answers[3].header("retry-after-ms"))
    assert 0 < wait <= 1000 and answers[3].header("retry-after") == "1"
    assert len(a.requests) == 3
    time.sleep(wait / 1000)
    assert g.chat().status == 200


def test_what_is_left_is_told_in_the_fields_that_sdks_know(gateway, a):
    g = gateway([a], {**limited({"requests_per_minute": 600, "tokens_per_minute": 6000}), "quotas": {"burst": "60s"}})
    a.default = lambda c, r: c.answer(200, chat_completion(), [("x-ratelimit-remaining-requests", "999999"),
                                                              ("x-ratelimit-remaining-tokens", "999999")])
    answer = g.chat()
    assert answer.headers("x-ratelimit-remaining-requests") == ["599"]
    assert answer.header("x-ratelimit-limit-requests") == "600"
    assert answer.header("x-ratelimit-limit-tokens") == "6000"
    assert 5000 < int(answer.header("x-ratelimit-remaining-tokens")) < 6000


def test_clients_without_a_quota_see_what_azure_says(gateway, a):
    g = gateway([a])
    a.default = lambda c, r: c.answer(200, chat_completion(), [("x-ratelimit-remaining-tokens", "1234")])
    assert g.chat().headers("x-ratelimit-remaining-tokens") == ["1234"]


def test_tokens_per_minute_are_charged_by_estimate_and_settled_by_what_was_used(gateway, a):
    g = gateway([a], {**limited({"tokens_per_minute": 1000}), "quotas": {"burst": "60s"}})
    a.default = usage(10, 10)
    # Each asks for up to 400, uses 20, and the rest comes back.
    for _ in range(10):
        assert g.chat({**QUESTION, "max_tokens": 400}).status == 200
    a.default = usage(500, 5000)
    assert g.chat({**QUESTION, "max_tokens": 100}).status == 200
    # Now it is more than four minutes ahead.
    refused = g.chat({**QUESTION, "max_tokens": 100})
    assert_refused(refused, 429, "RateLimitExceeded")
    assert 200 < int(refused.header("retry-after")) < 400


def test_other_clients_are_not_touched(gateway, a):
    g = gateway([a], {"clients": {"app": {"quota": {"requests_per_minute": 1}}, "other": {"keys": [key_hash(OTHER)]}},
                      "quotas": {"burst": "60s"}, "routes": [{"clients": ["*"], "deployment": "gpt-4o", "pool": "main"}]})
    assert g.chat().status == 200
    assert g.chat().status == 429
    for _ in range(3):
        assert g.chat(key=OTHER).status == 200


def test_a_group_shares_one_quota(gateway, a):
    g = gateway([a], {"clients": {"app": {"groups": ["g"]}, "other": {"keys": [key_hash(OTHER)], "groups": ["g"]}},
                      "groups": {"g": {"quota": {"requests_per_minute": 2}}}, "quotas": {"burst": "60s"},
                      "routes": [{"clients": ["group:g"], "deployment": "gpt-4o", "pool": "main"}]})
    assert [g.chat().status, g.chat(key=OTHER).status, g.chat().status, g.chat(key=OTHER).status] == [200, 200, 429, 429]


def test_a_quota_on_a_pool_leaves_the_others_alone(gateway, a):
    g = gateway([a], {**limited({}, pool_quotas={"main": {"requests_per_minute": 1}}), "quotas": {"burst": "60s"}})
    assert g.chat().status == 200
    assert g.chat().status == 429


def test_concurrent_requests_count_until_their_last_byte(gateway, a):
    g = gateway([a], limited({"concurrent": 1}))
    go_on = threading.Event()

    def slow(c, r):
        c.stream_head()
        c.event({"choices": [{"delta": {"content": "x"}}]})
        go_on.wait(10)
        c.event("[DONE]")
        c.last_chunk()

    a.then(slow)
    with g.connect() as wire:
        wire.request("POST", "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
                     [("api-key", KEY)], STREAM)
        a.wait_for_requests(1)
        refused = g.chat()
        assert_refused(refused, 429, "TooManyConcurrentRequests")
        assert refused.header("retry-after")
        go_on.set()
        wire.read_answer()
    assert a.wait_for(lambda: g.chat().status == 200)


def test_a_client_that_leaves_gives_its_place_back(gateway, a):
    g = gateway([a], limited({"concurrent": 1}))
    a.then(lambda c, r: c.wait_until_peer_leaves())
    with g.connect() as wire:
        wire.request("POST", "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
                     [("api-key", KEY)], QUESTION)
        a.wait_for_requests(1)
        assert g.chat().status == 429
    assert a.wait_for(lambda: g.chat().status == 200)


def test_a_budget_ends_with_403_and_survives_restarts(gateway, a, tmp_path):
    over = {**limited({"budget": {"tokens": 1000, "per": "month"}}), **ledger_config(tmp_path)}
    g = gateway([a], over)
    a.default = usage(400, 200)
    assert g.chat({**QUESTION, "max_tokens": 10}).status == 200
    assert g.chat({**QUESTION, "max_tokens": 10}).status == 200
    refused = g.chat({**QUESTION, "max_tokens": 10})
    error = assert_refused(refused, 403, "BudgetExhausted")
    assert "budget" in error["message"] and refused.header("x-should-retry") == "false"
    g.stop()
    g.start()
    assert_refused(g.chat({**QUESTION, "max_tokens": 10}), 403, "BudgetExhausted")
    g.process.kill()
    g.process.wait()
    g.start()
    assert_refused(g.chat({**QUESTION, "max_tokens": 10}), 403, "BudgetExhausted")
    assert g.reload(limited({"budget": {"tokens": 5000}})).status == 200
    assert g.chat({**QUESTION, "max_tokens": 10}).status == 200


def test_a_budget_of_money_follows_the_price_list(gateway, a, tmp_path):
    g = gateway([a], {**limited({"budget": {"money": 0.01, "per": "day"}}), **ledger_config(tmp_path),
                      "prices": {"models": {"gpt-4o": {"input": 10, "output": 10}}}})
    a.default = usage(500, 400)
    assert g.chat({**QUESTION, "max_tokens": 10}).status == 200  # 0.009
    assert_refused(g.chat({**QUESTION, "max_tokens": 200}), 403, "BudgetExhausted")
    assert g.chat({**QUESTION, "max_tokens": 10}).status == 200
    assert_refused(g.chat({**QUESTION, "max_tokens": 10}), 403, "BudgetExhausted")


def test_refused_requests_consume_nothing(gateway, a):
    g = gateway([a], {**limited({"requests_per_minute": 60, "concurrent": 1}), "quotas": {"burst": "2s"}})
    hold = threading.Event()
    a.then(lambda c, r: (hold.wait(10), c.answer(200, chat_completion())))
    first = threading.Thread(target=g.chat)
    first.start()
    a.wait_for_requests(1)
    for _ in range(20):
        assert_refused(g.chat(), 429, "TooManyConcurrentRequests")
    hold.set()
    first.join()
    # Two at once, one is used: there is one left.
    assert a.wait_for(lambda: g.chat().status == 200)


def test_a_reload_keeps_the_counts(gateway, a):
    g = gateway([a], {**limited({"requests_per_minute": 2}), "quotas": {"burst": "60s"}})
    assert [g.chat().status, g.chat().status] == [200, 200]
    assert g.reload({"gateway": {"hide_existence": False}}).status == 200
    assert g.chat().status == 429
    # Counts stay as parts of the whole: what was used up fills again, only fifty times as fast.
    assert g.reload(limited({"requests_per_minute": 100})).status == 200
    assert a.wait_for(lambda: g.chat().status == 200)


@pytest.mark.multicore
def test_the_limit_is_exact_over_all_cores(gateway, a):
    g = gateway([a], {**limited({"requests_per_minute": 60}), "quotas": {"burst": "50s"}, "gateway": {"workers": 4}})
    answers = []

    def ask():
        with g.connect() as wire:
            for _ in range(25):
                answers.append(wire.ask("POST", "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
                                        [("api-key", KEY)], QUESTION).status)

    began = time.monotonic()
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    allowed = 50 + int(time.monotonic() - began) + 1
    assert 50 <= answers.count(200) <= allowed and answers.count(200) + answers.count(429) == 200


def test_low_priority_gives_way_when_the_pool_runs_short(gateway, a, tmp_path):
    g = gateway([a], {"clients": {"app": {"priority": "low"}, "other": {"keys": [key_hash(OTHER)]}},
                      "pools": {"main": {"shed": {"low": "30%"}}},
                      "routes": [{"clients": ["*"], "deployment": "gpt-4o", "pool": "main"}], **ledger_config(tmp_path)})
    left = ["900"]
    a.default = lambda c, r: c.answer(200, chat_completion(), [
        ("x-ratelimit-limit-tokens", "1000"), ("x-ratelimit-remaining-tokens", left[0])])
    assert g.chat().status == 200
    left[0] = "100"
    assert g.chat().status == 200  # this answer tells that little is left
    refused = g.chat()
    assert_refused(refused, 429, "LowPriorityShed")
    assert refused.header("retry-after")
    assert g.chat(key=OTHER).status == 200
    left[0] = "950"
    assert g.chat(key=OTHER).status == 200
    assert g.chat().status == 200
    assert [r["code"] for r in wait_for_records(tmp_path, 6)].count("LowPriorityShed") == 1


def test_who_gives_way_is_told_when_a_backend_opens_again(gateway, a, b):
    g = gateway([a, b], {"clients": {"app": {"priority": "low"}}, "pools": {"main": {"shed": {"low": "70%"}}}})
    throttled, well = (lambda c, r: c.answer(429, {"error": {"code": "429", "message": "slow down"}},
                                             [("retry-after", "30")])), (lambda c, r: c.answer(200, chat_completion()))
    a.default, b.default = throttled, well
    for _ in range(20):
        answer = g.chat()
        if answer.status == 429:
            break
    assert_refused(answer, 429, "LowPriorityShed")
    assert 25 <= int(answer.header("retry-after")) <= 30


def test_streams_that_are_still_being_counted_hold_no_place(gateway, a, tmp_path):
    g = gateway([a], {**limited({"concurrent": 1}), **ledger_config(tmp_path, streams="estimate")})

    def stream(c, r):
        c.stream_head()
        for _ in range(50):
            c.event({"choices": [{"delta": {"content": "some words of an answer " * 20}}]})
        c.event("[DONE]")
        c.last_chunk()

    a.default = stream
    with g.connect() as wire:
        for _ in range(30):
            assert wire.ask("POST", "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
                            [("api-key", KEY)], STREAM).status == 200


def test_a_budget_that_a_reload_brings_knows_what_was_spent(gateway, a, tmp_path):
    g = gateway([a], ledger_config(tmp_path))
    a.default = usage(1500, 500)
    assert g.chat({**QUESTION, "max_tokens": 10}).status == 200
    assert g.chat({**QUESTION, "max_tokens": 10}).status == 200
    wait_for_records(tmp_path, 2)
    assert g.reload(limited({"budget": {"tokens": 3000, "per": "month"}})).status == 200
    assert_refused(g.chat({**QUESTION, "max_tokens": 10}), 403, "BudgetExhausted")


def test_a_group_that_is_named_twice_counts_once(gateway, a):
    g = gateway([a], {"clients": {"app": {"groups": ["g", "g"]}}, "quotas": {"burst": "60s"},
                      "groups": {"g": {"quota": {"requests_per_minute": 4}}}})
    assert [g.chat().status for _ in range(5)] == [200] * 4 + [429]


def test_rates_of_one_pool_leave_the_fields_of_others_alone(gateway, a, b):
    g = gateway([a, b], {**limited({}, pool_quotas={"second": {"requests_per_minute": 60}}),
                         "pools": {"second": {"model": "gpt-4o", "version": "2024-11-20", "backends": [
                             {"instance": "b", "deployment": "gpt4o-b", "type": "global_standard"}]}},
                         "routes": [{"clients": ["app"], "deployment": "gpt-4o", "pool": "main"},
                                    {"clients": ["app"], "deployment": "other", "pool": "second"}]})
    a.default = b.default = lambda c, r: c.answer(200, chat_completion(), [("x-ratelimit-remaining-requests", "77")])
    assert g.chat().headers("x-ratelimit-remaining-requests") == ["77"]
    other = g.chat(target="/openai/deployments/other/chat/completions?api-version=2024-10-21")
    assert other.headers("x-ratelimit-limit-requests") == ["60"]
