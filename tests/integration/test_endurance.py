"""Many requests, odd bytes and long use: nothing leaks, nothing falls over."""

import json
import os
import random
import threading
import time

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION, STREAM, V1_CHAT
from support.wire import compose

KEYED = {"api-key": KEY}


def descriptors(g):
    return len(os.listdir(f"/proc/{g.process.pid}/fd"))


@pytest.mark.native_only
def test_neither_memory_nor_descriptors_grow(pair, a, b):
    big = json.dumps({"messages": ["x" * 300_000]}).encode()

    def round_of_use():
        with pair.connect() as wire:
            for _ in range(200):
                wire.ask("POST", CHAT, KEYED, QUESTION)
            wire.ask("POST", CHAT, KEYED, big)
        for _ in range(30):
            pair.chat()
        a.then(lambda c, r: c.reset(), lambda c, r: c.error(500), lambda c, r: (c.stream_head(), c.reset()))
        for _ in range(4):
            pair.chat(STREAM)

    for _ in range(5):
        round_of_use()
    memory, open_before = pair.resident_bytes(), descriptors(pair)
    for _ in range(12):
        round_of_use()
    assert pair.resident_bytes() - memory < 6_000_000
    pair.wait_for_metric(0, "spillway_connections_open")
    assert descriptors(pair) <= open_before + 3
    pair.wait_for_metric(0, "spillway_requests_active")
    pair.wait_for_metric(0, "spillway_body_memory_bytes")
    pair.wait_for_metric(0, "spillway_exceptions_total")


def test_garbage_never_reaches_a_backend_and_never_harms(gateway, a):
    one = gateway([a], {"listeners": {"public": {"limits": {"head_timeout": "200ms", "body_timeout": "200ms"}}}})
    rng, answers = random.Random(4711), []
    good = compose("POST", CHAT, KEYED, QUESTION)
    for _ in range(200):
        data = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data) - 60)  # the body may be anything, so only heads are spoilt
            data[at:at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 4))
        with one.connect(timeout=5) as wire:
            answers.append(wire.send(bytes(data)).read_answer().status)
    assert len(set(answers)) >= 4, "the garbage is too much alike"
    assert all(200 <= status < 506 for status in answers)
    for request in a.requests:
        assert request.target.startswith("/openai/deployments/gpt4o-a/chat/completions")
        assert request.method == "POST"
    assert one.chat().status == 200
    one.wait_for_metric(0, "spillway_exceptions_total")


def test_garbage_from_a_backend_never_harms(pair, a, b):
    rng = random.Random(815)
    good = (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\n\r\n")

    def spoilt(c, r):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            data[at:at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 4))
        c.send(bytes(data))
        c.close()
    pair.reload({"pools": {"main": {"breaker": {"failures": 1000}, "retry": {"budget": "100%"}}}})
    a.default = spoilt
    for _ in range(150):
        try:
            assert pair.chat().status >= 200
        except ConnectionError:
            pass
    assert pair.ask("GET", "/health/live").status == 200
    pair.wait_for_metric(0, "spillway_exceptions_total")


def test_stream_that_comes_byte_by_byte(one, a):
    body = b'data: {"choices":[]}\n\ndata: {"choices":[{"delta":{"content":"\xc3\xbc"}}]}\n\ndata: [DONE]\n\n'

    def script(c, r):
        c.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        framed = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 3]), body[i:i + 3]) for i in range(0, len(body), 3))
        for byte in framed + b"0\r\n\r\n":
            c.send(bytes([byte]))
    a.default = script
    answer = one.chat(STREAM)
    assert (answer.end, answer.body) == ("whole", body)


def test_large_head_of_an_answer(one, a):
    a.default = lambda c, r: c.answer(200, {}, [(f"x-field-{n}", "v" * 200) for n in range(60)])
    answer = one.chat()
    assert answer.status == 200
    assert answer.header("x-field-59") == "v" * 200


def test_too_large_a_head_of_an_answer_goes_elsewhere(pair, a):
    a.default = lambda c, r: c.answer(200, {}, {"x-big": "v" * 100_000})
    assert pair.chat().json()["model"] == "b"


@pytest.mark.multicore
def test_a_hundred_streams_at_once(gateway, a):
    g, gate = gateway([a], {"gateway": {"workers": 2}}), threading.Event()

    def script(c, r):
        c.stream_head()
        c.event({"n": r.json()["n"]})
        gate.wait(30)
        c.event("[DONE]")
        c.last_chunk()
    a.default = script
    wires = []
    for n in range(100):
        wires.append(g.connect().request("POST", V1_CHAT, KEYED, {**STREAM, "model": "m", "n": n}))
    answers = [wire.read_head() for wire in wires]
    g.wait_for_metric(100, "spillway_streams_active")
    gate.set()
    for n, (wire, answer) in enumerate(zip(wires, answers)):
        wire.read_body(answer)
        assert answer.body == b'data: {"n": %d}\n\ndata: [DONE]\n\n' % n
        wire.close()
    g.wait_for_metric(0, "spillway_streams_active")


@pytest.mark.multicore
def test_clients_that_come_and_go_at_random(gateway, a, b):
    """Leaving at any moment, by close or reset, during any state of an exchange."""
    g = gateway([a, b], {"gateway": {"workers": 2}})

    def slow_stream(c, r):
        c.stream_head()
        for n in range(5):
            c.event({"n": n})
            time.sleep(0.004)
        c.event("[DONE]")
        c.last_chunk()
    a.default = b.default = slow_stream

    def client(seed):
        rng = random.Random(seed)
        for _ in range(25):
            wire = g.connect()
            data = compose("POST", CHAT, KEYED, STREAM)
            wire.send(data[:rng.randrange(1, len(data) + 1)])
            time.sleep(rng.random() * 0.03)
            wire.reset() if rng.random() < 0.5 else wire.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    g.wait_for_metric(0, "spillway_connections_open")
    g.wait_for_metric(0, "spillway_requests_active")
    g.wait_for_metric(0, "spillway_exceptions_total")
    assert g.chat(STREAM).end == "whole"
