"""Several workers at once: what they share, and that they do not get in each other's way."""

import threading
import time

import pytest
from support.config import KEY, key_hash
from support.gateway import CHAT, QUESTION, STREAM

TWO = {"gateway": {"workers": 2}}
KEYED = {"api-key": KEY}


@pytest.mark.multicore
def test_two_workers_share_what_one_has_learned(gateway, a, b):
    """A 429 seen by one worker keeps all of them away."""
    g = gateway([a, b], {"gateway": {"workers": 2}})
    a.default = lambda c, r: c.error(429, fields={"retry-after": "60"})
    for _ in range(40):
        assert g.chat().json()["model"] == "b"
    assert len(a.requests) == 1
    g.wait_for_metric(1, "spillway_attempts_total", outcome="429")


@pytest.mark.multicore
@pytest.mark.parametrize("accept", ["reuse_port", "least_sessions"])
def test_two_workers_serve_many_connections(gateway, a, accept):
    g = gateway([a], {"gateway": {"workers": 2}, "listeners": {"public": {"accept": accept}}})
    wires = [g.connect() for _ in range(40)]
    for _ in range(3):
        for wire in wires:
            wire.request("POST", CHAT, {"api-key": KEY}, QUESTION)
        assert all(wire.read_answer().status == 200 for wire in wires)
    held = sorted(v for (n, _), v in g.metrics().items() if n == "spillway_connections_open")
    assert sum(held) == 40 and len(held) == 2
    if accept == "least_sessions":
        assert held[1] - held[0] <= 4
    for wire in wires:
        wire.close()


class Load:
    """Clients that ask as fast as they can until the block ends; every answer has to be 200."""

    def __init__(self, g, clients=4, key=KEY):
        self.g, self.key, self.failures, self.served = g, key, [], 0
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self):
        try:
            while not self.stop.is_set():
                with self.g.connect() as wire:
                    for _ in range(20):
                        answer = wire.ask("POST", CHAT, {"api-key": self.key}, QUESTION)
                        self.served += 1
                        if answer.status != 200:
                            self.failures.append((answer.status, answer.body))
                        if answer.header("connection") == "close":
                            break
        except Exception as e:  # noqa: BLE001: whatever it is, it is a failure
            self.failures.append(repr(e))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join(30)
        assert not self.failures, self.failures[:3]
        assert self.served


@pytest.mark.multicore
def test_operators_may_look_while_requests_run(gateway, a, b):
    g = gateway([a, b], TWO)
    with Load(g) as load:
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            g.metrics()
            g.status()
    g.wait_for_metric(load.served, "spillway_requests_total", client="app", status="200")


@pytest.mark.multicore
def test_access_log_lines_of_two_workers_stay_whole(gateway, a):
    g = gateway([a], TWO)
    with Load(g) as load:
        time.sleep(0.7)
    lines = g.wait_for_access_log(load.served)
    assert len({line["request_id"] for line in lines}) == len(lines) == load.served


@pytest.mark.multicore
def test_keys_and_certificates_rotate_under_load(gateway, certs, a):
    g = gateway([a], {**TWO, "clients": {"app": {"keys": [key_hash(KEY), key_hash("old")]}}})
    other = certs.make("other-gateway", ["localhost"], ["127.0.0.1"])
    with Load(g):
        for n in range(8):
            certificate, key = other if n % 2 else certs.gateway
            change = {"clients": {"app": {"keys": [key_hash(KEY), key_hash(f"new-{n}")]}},
                      "listeners": {"public": {"tls": {"certificate": str(certificate), "key": str(key)}}}}
            assert g.reload(change).status == 200
            assert g.chat(key=f"new-{n}").status == 200


@pytest.mark.multicore
def test_breakers_open_and_close_under_load(gateway, a, b):
    g = gateway([a, b], {**TWO, "pools": {"main": {"breaker": {"failures": 2, "open": "100ms"},
                                                   "retry": {"budget": "100%"}}}})
    with Load(g):
        for _ in range(4):
            a.then(*[lambda c, r: c.error(500)] * 3, lambda c, r: c.reset(), lambda c, r: c.error(429))
            time.sleep(0.25)


@pytest.mark.multicore
def test_both_workers_drain(gateway, a):
    g, go = gateway([a], {**TWO, "shutdown": {"pre_drain": "200ms", "drain": "8s"}}), threading.Event()

    def held(c, r):
        c.stream_head()
        c.event({"n": 0})
        go.wait(20)
        c.event("[DONE]")
        c.last_chunk()
    a.default = held
    wires = [g.connect().request("POST", CHAT, KEYED, STREAM) for _ in range(12)]
    answers = [wire.read_head() for wire in wires]
    g.terminate()
    time.sleep(0.6)
    go.set()
    for wire, answer in zip(wires, answers):
        wire.read_body(answer)
        assert answer.end == "whole" and answer.body.endswith(b"data: [DONE]\n\n")
    assert g.wait() == 0
