"""What a client may take is limited, and says so."""

import json
import time

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION
from support.wire import Wire, compose

KEYED = {"api-key": KEY}


def limited(gateway, upstreams, **limits):
    return gateway(upstreams, {"listeners": {"public": {"limits": limits}}})


def test_head_size(gateway, a):
    g = limited(gateway, [a], head="4KiB")
    assert g.chat(fields={"X-Fill": "x" * 3000}).status == 200
    for size in (4000, 5000, 60000):
        answer = g.chat(fields={"X-Fill": "x" * size})
        assert answer.status == 431
        assert answer.header("connection") == "close"
    assert len(a.requests) == 1


def test_head_that_never_ends(gateway, a):
    g = limited(gateway, [a], head="4KiB")
    with g.connect() as wire:
        wire.send("GET / HTTP/1.1\r\n" + "X-A: b\r\n" * 600)
        assert wire.read_answer("GET").status == 431
        assert wire.closed_by_peer()


def test_head_of_many_fields(gateway, a):
    g = limited(gateway, [a], headers=20)
    assert g.chat(fields=[(f"X-{n}", "1") for n in range(10)]).status == 200
    assert g.chat(fields=[(f"X-{n}", "1") for n in range(20)]).status == 431


def test_long_target(one, a):
    answer = one.chat(target=CHAT + "&x=" + "y" * 9000)
    assert answer.status == 414
    assert not a.requests


def test_body_size_told_beforehand(gateway, a):
    g = limited(gateway, [a], body="10KiB")
    assert g.chat(b'{"a":"%s"}' % (b"x" * 10000)).status == 200
    answer = g.chat(b'{"a":"%s"}' % (b"x" * 11000))
    assert answer.status == 413
    assert answer.error["code"] == "RequestTooLarge"
    with g.connect() as wire:
        wire.send(compose("POST", CHAT, {**KEYED, "Content-Length": "99999999999"}))
        assert wire.read_answer().status == 413
        assert wire.closed_by_peer()
    assert len(a.requests) == 1
    g.wait_for_metric(2, "spillway_limits_hit_total", limit="body")


def test_body_size_found_out_on_the_way(gateway, a):
    g = limited(gateway, [a], body="10KiB")
    with g.connect() as wire:
        wire.request("POST", CHAT, {**KEYED, "Transfer-Encoding": "chunked"}, b'5\r\n{"a":\r\n')
        for _ in range(11):
            wire.send(b"400\r\n" + b" " * 1024 + b"\r\n")
        assert wire.read_answer().status == 413
    assert not a.requests


def test_slow_head(gateway, a):
    g = limited(gateway, [a], head_timeout="400ms")
    began = time.monotonic()
    with g.connect() as wire:
        wire.send(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n")
        assert wire.read_answer().status == 408
        assert wire.closed_by_peer()
    assert 0.3 < time.monotonic() - began < 1.5


def test_head_that_trickles_is_no_way_around_the_time(gateway, a):
    g = limited(gateway, [a], head_timeout="400ms")
    began = time.monotonic()
    with g.connect() as wire:
        try:
            for n in range(100):
                wire.send(f"X-{n}: 1\r\n" if n else "GET / HTTP/1.1\r\n")
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - began < 2.5


def test_slow_body(gateway, a):
    g = limited(gateway, [a], body_timeout="300ms")
    with g.connect() as wire:
        wire.send(compose("POST", CHAT, {**KEYED, "Content-Length": "100"}) + b'{"a":')
        assert wire.read_answer().status == 408
    assert not a.requests


def test_client_that_never_speaks_tls(gateway, a):
    g = limited(gateway, [a], head_timeout="300ms")
    with Wire(g.port) as wire:
        assert wire.closed_by_peer(3)
    assert g.chat().status == 200


def test_connections(gateway, a):
    g = limited(gateway, [a], connections=5)
    held = []
    for _ in range(5):
        held.append(g.connect())
        assert held[-1].ask("POST", CHAT, KEYED, QUESTION).status == 200
    refused = 0
    for _ in range(3):
        try:
            with g.connect(timeout=3) as wire:
                wire.ask("POST", CHAT, KEYED, QUESTION)
        except (OSError, ConnectionError):
            refused += 1
    assert refused == 3
    assert held[0].ask("POST", CHAT, KEYED, QUESTION).status == 200
    assert g.metric("spillway_connections_refused_total") >= 3
    for wire in held:
        wire.close()
    assert a.wait_for(lambda: served(g))


def served(g):
    try:
        return g.chat().status == 200
    except OSError:
        return False


def test_memory_of_bodies_is_shed_with_503(gateway, a):
    g = gateway([a], {"gateway": {"body_memory": "1MiB", "client_body_share": "100%"}})
    body = json.dumps({"a": "x" * 700_000}).encode()
    a.default = lambda c, r: (time.sleep(0.5), c.answer(200, {}))
    with g.connect() as first, g.connect() as second:
        first.request("POST", CHAT, KEYED, body)
        a.wait_for_requests(1)
        second.request("POST", CHAT, KEYED, body)
        assert second.read_answer().status == 503
        assert first.read_answer().status == 200
    assert g.chat(body).status == 200


@pytest.mark.parametrize("headers", [{"x-stainless-read-timeout": "0.4"}, {"x-stainless-timeout": "0.4"}])
def test_no_attempt_outlives_the_clients_own_time(pair, a, b, headers):
    a.then(lambda c, r: c.wait_until_peer_leaves(5))
    began = time.monotonic()
    answer = pair.chat(fields=headers)
    assert time.monotonic() - began < 1.5
    assert answer.status in (200, 503, 504)


def test_backends_cap_spills_to_the_next_priority(gateway, a, b):
    config = {"pools": {"main": {"backends": [
        {"instance": "a", "deployment": "x", "type": "provisioned", "priority": 1, "limits": {"max_outstanding": 1}},
        {"instance": "b", "deployment": "y", "type": "global_standard", "priority": 2}]}}}
    g = gateway([a, b], config)
    a.default = lambda c, r: (time.sleep(0.5), c.answer(200, {"model": "a"}))
    with g.connect() as wire:
        wire.request("POST", CHAT, KEYED, QUESTION)
        a.wait_for_requests(1)
        assert g.chat().json()["model"] == "b"
        assert wire.read_answer().json()["model"] == "a"
    g.wait_for_metric(1, "spillway_spillovers_total", pool="main")
