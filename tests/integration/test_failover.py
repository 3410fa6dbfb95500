"""A request that one backend refuses is served by another, and the client sees nothing but the good answer."""

import pytest
from support.config import free_port, instance_for, merge
from support.gateway import CHAT, QUESTION

THROTTLED = {"retry-after": "1", "retry-after-ms": "700", "x-ratelimit-remaining-tokens": "0"}


def throttle(fields=None):
    return lambda c, r: c.error(429, "429", "Requests have exceeded the rate limit.", fields or THROTTLED)


def test_throttled_backend_is_replaced_within_the_request(pair, a, b):
    a.then(throttle())
    answer = pair.chat()
    assert answer.status == 200
    assert answer.json()["model"] == "b"
    assert answer.header("retry-after") is None
    assert [len(a.requests), len(b.requests)] == [1, 1]
    assert a.requests[0].body == b.requests[0].body


def test_throttled_backend_is_left_alone_until_its_time_has_come(pair, a, b):
    a.then(throttle({"retry-after-ms": "400"}))
    for _ in range(3):
        assert pair.chat().json()["model"] == "b"
    assert len(a.requests) == 1
    until = b.requests[-1].at
    assert b.wait_for(lambda: pair.chat().json()["model"] == "a", 3)
    assert 0.3 < a.requests[-1].at - a.requests[0].at < 1.5, f"{until}"


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_server_errors_go_elsewhere(pair, a, b, status):
    a.then(lambda c, r: c.error(status))
    assert pair.chat().json()["model"] == "b"


@pytest.mark.parametrize("status", [401, 403])
def test_the_gateways_own_rejected_credential_never_reaches_the_client(pair, a, status):
    a.default = lambda c, r: c.error(status, "401", "Access denied due to invalid subscription key")
    assert pair.chat().json()["model"] == "b"


def test_rejected_credential_everywhere_is_the_gateways_fault(one, a):
    a.default = lambda c, r: c.error(401, "401", "Access denied due to invalid subscription key")
    answer = one.chat()
    assert answer.status == 502
    assert "subscription key" not in answer.body.decode()


def test_missing_deployment_is_found_elsewhere(pair, a):
    a.default = lambda c, r: c.error(404, "DeploymentNotFound", "The API deployment for this resource does not exist.")
    assert pair.chat().json()["model"] == "b"
    assert pair.chat().json()["model"] == "b"
    assert len(a.requests) == 1, "a deployment that is missing is not asked for again"


@pytest.mark.parametrize("status, code", [(400, "content_filter"), (400, "context_length_exceeded"), (404, "NotFound"),
                                          (422, "invalid")])
def test_the_clients_own_errors_pass_through_untouched(pair, a, b, status, code):
    body = b'{"error":{"message":"as it \\u0061s","code":"' + code.encode() + b'", "odd":  [1,2]}}'
    a.then(lambda c, r: c.answer(status, body, {"apim-request-id": "17"}))
    answer = pair.chat()
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("apim-request-id") == "17"
    assert not b.requests


def test_connect_refused_goes_elsewhere(gateway, certs, a, b):
    a.port = free_port()
    assert gateway([a, b]).chat().json()["model"] == "b"


def test_unknown_host_goes_elsewhere(gateway, certs, a, b):
    g = gateway([a, b], {"instances": {"a": {"address": "no-such-host.invalid:443"}}})
    assert g.chat().json()["model"] == "b"


def test_untrusted_certificate_goes_elsewhere(gateway, certs, upstream, b):
    a = upstream("a", pair=certs.make("wrong", ["somebody-else.test"]))
    assert gateway([a, b]).chat().json()["model"] == "b"
    assert not a.requests, "no byte of a request goes to a server that cannot prove its name"


def test_reset_before_the_head_goes_elsewhere(pair, a):
    a.then(lambda c, r: c.reset())
    assert pair.chat().json()["model"] == "b"


def test_reset_amid_the_head_goes_elsewhere(pair, a):
    def half_a_head(c, r):
        c.send("HTTP/1.1 200 OK\r\ncontent-le")
        c.reset()
    a.then(half_a_head)
    assert pair.chat().json()["model"] == "b"


def test_nonsense_instead_of_http_goes_elsewhere(pair, a):
    a.then(lambda c, r: c.send("SSH-2.0-nonsense\r\n\r\n"))
    assert pair.chat().json()["model"] == "b"


def test_silent_backend_is_left_at_the_first_byte_timeout(gateway, a, b):
    g = gateway([a, b], {"pools": {"main": {"timeouts": {"first_byte": "300ms"}}}})
    a.then(lambda c, r: c.wait_until_peer_leaves(5))
    # A plain answer may be paid for already; the start of a stream is not.
    assert g.chat(merge(QUESTION, {"stream": True})).json()["model"] == "b"
    assert 0.2 < b.requests[0].at - a.requests[0].at < 1.5


def test_all_throttled_is_told_with_the_shortest_wait_and_costs_no_call(pair, a, b):
    a.then(throttle({"retry-after-ms": "30000"}))
    b.then(throttle({"retry-after-ms": "9500"}))
    assert pair.chat().status == 429
    answer = pair.chat()
    assert answer.status == 429
    assert answer.error["code"] == "429"
    wait_ms = int(answer.header("retry-after-ms"))
    assert 8000 < wait_ms <= 9500
    assert int(answer.header("retry-after")) == (wait_ms + 999) // 1000
    assert [len(a.requests), len(b.requests)] == [1, 1]


def test_attempts_are_limited(gateway, upstream):
    all_of_them = [upstream(n, default=lambda c, r: c.error(500)) for n in "abcde"]
    answer = gateway(all_of_them).chat()
    assert answer.status == 503
    assert answer.error["code"] == "BackendsFailed"
    assert sum(len(u.requests) for u in all_of_them) == 3


@pytest.mark.parametrize("repeats, attempts", [("0", 3), ("1", 2), ("7", 2), ("nonsense", 3)])
def test_a_client_that_repeats_by_itself_gets_fewer_attempts(gateway, upstream, repeats, attempts):
    all_of_them = [upstream(n, default=lambda c, r: c.error(500)) for n in "abcd"]
    gateway(all_of_them).chat(fields={"x-stainless-retry-count": repeats})
    assert sum(len(u.requests) for u in all_of_them) == attempts


def test_attempts_are_distinct_backends(gateway, a, b):
    for u in (a, b):
        u.default = lambda c, r: c.error(500)
    gateway([a, b], {"pools": {"main": {"retry": {"attempts": 5}}}}).chat()
    assert [len(a.requests), len(b.requests)] == [1, 1]


def test_retry_budget_keeps_an_outage_from_multiplying_load(gateway, a, b):
    for u in (a, b):
        u.default = lambda c, r: c.error(500)
    g = gateway([a, b], {"pools": {"main": {"retry": {"budget": "10%"}, "breaker": {"failures": 1000}}}})
    with g.connect() as wire:
        for _ in range(200):
            wire.ask("POST", CHAT, {"api-key": "key-of-the-app-4711"}, QUESTION)
    assert len(a.requests) + len(b.requests) < 200 * 1.35


def test_failures_open_the_breaker_and_a_trial_closes_it(gateway, a, b):
    g = gateway([a, b], {"pools": {"main": {"breaker": {"failures": 2, "open": "300ms"}}}})
    a.then(*[lambda c, r: c.error(500)] * 2)
    for _ in range(6):
        assert g.chat().json()["model"] == "b"
    assert len(a.requests) == 2
    assert a.wait_for(lambda: g.chat().json()["model"] == "a", 3)


def test_keep_alive_race_is_no_error(one, a):
    """The server closes an idle connection at the moment in which the next request arrives."""
    for _ in range(5):
        assert one.chat().status == 200
        a.then(lambda c, r: c.close() if r.place > 1 else c.error(500))
        seen = len(a.requests)
        answer = one.chat()
        assert answer.status == 200
        assert len(a.requests) == seen + 2
    one.wait_for_metric(5, "spillway_retries_total", reason="stale_connection")


def test_connection_closed_while_idle_is_not_used_again(one, a):
    assert one.chat().status == 200
    a.connections[0].hang_up()
    assert one.chat().status == 200
    assert a.requests[-1].connection == 2


def test_instance_of_another_name_is_verified_by_its_own_name(gateway, certs, upstream):
    named = upstream("a", pair=certs.make("own", ["a.openai.test"]))
    g = gateway([named], {"instances": {"a": merge(instance_for(certs, named), {"endpoint": "https://other.test",
                                                                               "tls_name": "a.openai.test"})}})
    assert g.chat().status == 200
    assert named.requests[0].header("host") == "other.test"
