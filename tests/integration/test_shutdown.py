"""SIGTERM: finish what runs, take nothing new, leave with 0. And what probes hear meanwhile."""

import signal
import threading
import time

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION, STREAM

LONG = {"shutdown": {"pre_drain": "1s", "drain": "8s"}}
READY = ("/health/ready", "/status-0123456789abcdef")


def held_stream(go):
    def script(c, r):
        c.stream_head()
        c.event({"n": 0})
        go.wait(20)
        c.event("[DONE]")
        c.last_chunk()
    return script


def open_stream(g):
    wire = g.connect()
    wire.request("POST", CHAT, {"api-key": KEY}, STREAM)
    answer = wire.read_head()
    assert answer.status == 200
    return wire, answer


def test_running_stream_is_finished_and_probes_are_told(gateway, a):
    g, go = gateway([a], LONG), threading.Event()
    a.then(held_stream(go))
    wire, answer = open_stream(g)
    assert [g.ask("GET", p, key=None).status for p in READY] == [200, 200]
    g.terminate()
    time.sleep(0.3)
    assert [g.ask("GET", p, key=None).status for p in READY] == [503, 503]
    assert g.ask("HEAD", "/health/ready", key=None).status == 503
    assert g.ask("GET", "/health/live", key=None).status == 200
    late = g.chat()
    assert late.status == 200, "while load balancers take notice, requests are still served"
    assert late.header("connection") == "close"
    time.sleep(1.2)
    with pytest.raises(OSError):
        g.connect(timeout=2)
    go.set()
    assert wire.read_body(answer).body.endswith(b"data: [DONE]\n\n")
    assert answer.end == "whole"
    assert g.wait() == 0


def test_idle_connections_do_not_hold_up_the_end(gateway, a):
    g = gateway([a], {"shutdown": {"pre_drain": "0s", "drain": "20s"}})
    with g.connect() as wire:
        assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200
        began = time.monotonic()
        g.terminate()
        assert g.wait() == 0
        assert time.monotonic() - began < 3


def test_drain_has_a_limit(gateway, a):
    g, go = gateway([a], {"shutdown": {"pre_drain": "0s", "drain": "700ms"}}), threading.Event()
    a.then(held_stream(go))
    wire, answer = open_stream(g)
    began = time.monotonic()
    g.terminate()
    assert g.wait() == 0
    assert 0.6 < time.monotonic() - began < 4
    assert wire.read_body(answer).end in ("cut", "reset")
    go.set()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(gateway, a, second):
    g, go = gateway([a], {"shutdown": {"pre_drain": "5s", "drain": "30s"}}), threading.Event()
    a.then(held_stream(go))
    wire, answer = open_stream(g)
    began = time.monotonic()
    g.terminate()
    time.sleep(0.2)
    g.process.send_signal(second)
    assert g.wait() == 0
    assert time.monotonic() - began < 2
    assert wire.read_body(answer).end in ("cut", "reset")
    go.set()


def test_sigint_drains_too(gateway, a):
    g = gateway([a])
    g.process.send_signal(signal.SIGINT)
    assert g.wait() == 0


@pytest.mark.parametrize("path", ["/health/live", *READY])
def test_probes_need_no_key_and_know_get_and_head_alone(one, a, path):
    get, head = one.ask("GET", path, key=None), one.ask("HEAD", path, key=None)
    assert get.status == head.status == 200
    assert get.header("content-length") == head.header("content-length")
    assert get.header("cache-control") == "no-store"
    assert one.ask("POST", path, body={}, key=None).status == 405
    assert not a.requests


def test_throttled_is_ready_by_default(one, a):
    a.then(lambda c, r: c.error(429, fields={"retry-after": "60"}))
    assert one.chat().status == 429
    time.sleep(0.7)
    assert one.ask("GET", "/health/ready").status == 200


def test_throttled_is_not_ready_where_the_configuration_says_so(gateway, a):
    g = gateway([a], {"health": {"throttled_is_ready": False}})
    a.then(lambda c, r: c.error(429, fields={"retry-after-ms": "1500"}))
    assert g.chat().status == 429
    assert a.wait_for(lambda: g.ask("GET", "/health/ready").status == 503, 1.4)
    assert a.wait_for(lambda: g.ask("GET", "/health/ready").status == 200, 4)
    assert g.chat().status == 200


def test_sick_backends_are_not_ready(gateway, a):
    g = gateway([a], {"pools": {"main": {"breaker": {"failures": 1, "open": "60s"}}}})
    a.then(lambda c, r: c.error(500))
    assert g.chat().status == 503
    assert a.wait_for(lambda: g.ask("GET", "/health/ready").status == 503, 3)
    assert g.ask("GET", "/health/live").status == 200
