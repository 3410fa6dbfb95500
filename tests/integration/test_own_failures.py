"""What the gateway answers when it fails itself, and when a backend's head is larger than any that it takes."""

import resource
import select
from pathlib import Path

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION, SANITIZED
from support.upstream import chat_completion
from support.wire import compose

PAGE = resource.getpagesize()


def limit_memory(g, beyond):
    """The process may take so many bytes more than it has."""
    now = int(Path(f"/proc/{g.process.pid}/statm").read_text().split()[0]) * PAGE
    _, hard = resource.prlimit(g.process.pid, resource.RLIMIT_AS)
    resource.prlimit(g.process.pid, resource.RLIMIT_AS, (now + beyond, hard))


def free_memory(g):
    _, hard = resource.prlimit(g.process.pid, resource.RLIMIT_AS)
    resource.prlimit(g.process.pid, resource.RLIMIT_AS, (hard, hard))


@pytest.mark.skipif(SANITIZED, reason="sanitizers map memory of their own")
def test_an_exception_is_told_as_the_gateways_own_failure(one, a):
    assert one.chat().status == 200
    limit_memory(one, 4 << 20)
    try:
        with one.connect() as wire:
            assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200
            wire.send(compose("POST", CHAT, {"api-key": KEY, "Content-Length": str(64 << 20)}))
            for _ in range(63):  # until it answers
                if select.select([wire.sock], [], [], 0.05)[0]:
                    break
                wire.send(b" " * (1 << 20))
            answer = wire.read_answer()
    finally:
        free_memory(one)
    assert answer.status == 500, "no reset: the client hears what happened"
    assert answer.error["code"] == "InternalError"
    assert answer.header("connection") == "close"
    assert len(a.requests) == 2, "nothing was sent"
    assert one.metric("spillway_exceptions_total") == 1
    assert "exception" in one.log()
    assert one.chat().status == 200, "the worker goes on"


def padded(c, bytes_of_fields):
    count = bytes_of_fields // 1000
    c.answer(200, chat_completion("hi"), fields={f"x-pad-{n:03}": "p" * (1000 - 14) for n in range(count)})


def test_a_backends_head_of_100_kilobytes_is_no_answer(gateway, a, b):
    a.default = lambda c, r: padded(c, 100_000)
    g = gateway([a, b])
    answer = g.chat()
    assert (answer.status, answer.json()["model"]) == (200, "b")
    b.default = lambda c, r: padded(c, 100_000)
    answer = g.ask("POST", CHAT, body=QUESTION)
    assert answer.status == 503
    assert answer.error["code"] == "BackendsFailed"
    assert g.metric("spillway_attempts_total", outcome="bad_response") >= 2


def test_a_large_head_that_fits_passes(one, a):
    a.default = lambda c, r: padded(c, 60_000)
    answer = one.chat()
    assert answer.status == 200
    assert len([n for n, _ in answer.fields if n.startswith("x-pad-")]) == 60
