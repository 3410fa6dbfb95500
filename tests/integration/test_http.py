"""HTTP/1.1 as clients really speak it."""

import json
import time

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION, V1_CHAT
from support.wire import compose

KEYED = {"api-key": KEY}


def test_one_connection_carries_many_requests(one, a):
    with one.connect() as wire:
        for _ in range(20):
            assert wire.ask("POST", CHAT, KEYED, QUESTION).status == 200
    assert len(a.connections) == 1, "the connection to the instance is kept as well"


def test_expect_100_continue(one, a):
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 5000}]}).encode()
    with one.connect() as wire:
        wire.send(compose("POST", CHAT, {**KEYED, "Expect": "100-continue", "Content-Length": str(len(body))}, None))
        assert wire.read_answer(interim=True).status == 100
        wire.send(body)
        assert wire.read_answer().status == 200
        assert wire.ask("POST", CHAT, KEYED, QUESTION).status == 200
    assert a.requests[0].body == body
    assert a.requests[0].header("expect") is None


def test_a_request_that_is_refused_anyway_is_not_asked_for_its_body(one, a):
    with one.connect() as wire:
        wire.send(compose("POST", CHAT, {"api-key": "wrong", "Expect": "100-continue", "Content-Length": "5000"}, None))
        assert wire.read_head().status == 401
    assert not a.requests


def test_body_that_comes_although_continue_was_not_awaited(one, a):
    with one.connect() as wire:
        wire.request("POST", CHAT, {**KEYED, "Expect": "100-continue"}, QUESTION)
        assert wire.read_answer().status == 200
    assert a.requests[0].json() == QUESTION


@pytest.mark.parametrize("cut", [1, 7, 10000])
def test_chunked_request_body(one, a, cut):
    body = json.dumps({"messages": [{"role": "user", "content": "y" * 300}]}).encode()
    framed = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(body[i:i + cut]), body[i:i + cut])
                      for i in range(0, len(body), cut))
    with one.connect() as wire:
        wire.request("POST", CHAT, {**KEYED, "Transfer-Encoding": "chunked"}, framed + b"0\r\nX-Trailer: 1\r\n\r\n")
        assert wire.read_answer().status == 200
        assert wire.ask("POST", CHAT, KEYED, QUESTION).status == 200
    assert a.requests[0].body == body
    assert a.requests[0].header("content-length") == str(len(body))
    assert a.requests[0].header("x-trailer") is None


def test_request_that_comes_byte_by_byte(one, a):
    with one.connect() as wire:
        for byte in compose("POST", CHAT, KEYED, QUESTION):
            wire.send(bytes([byte]))
        assert wire.read_answer().status == 200
    assert a.requests[0].json() == QUESTION


def test_pipelined_requests_are_answered_in_order(one, a):
    a.default = lambda c, r: c.answer(200, {"echo": r.json()["n"]})
    with one.connect() as wire:
        wire.send(b"".join(compose("POST", CHAT, KEYED, {"n": n}) for n in range(10)))
        assert [wire.read_answer().json()["echo"] for _ in range(10)] == list(range(10))


def test_pipelined_requests_in_torn_pieces(one, a):
    a.default = lambda c, r: c.answer(200, {"echo": r.json()["n"]})
    data = b"".join(compose("POST", CHAT, KEYED, {"n": n}) for n in range(6))
    with one.connect() as wire:
        for at in range(0, len(data), 97):
            wire.send(data[at:at + 97])
            time.sleep(0.002)
        assert [wire.read_answer().json()["echo"] for _ in range(6)] == list(range(6))


def test_pipelined_after_a_refusal(one, a):
    with one.connect() as wire:
        wire.send(compose("POST", CHAT, {"api-key": "wrong"}, QUESTION) + compose("POST", CHAT, KEYED, QUESTION))
        assert wire.read_answer().status == 401
        assert wire.read_answer().status == 200
    assert len(a.requests) == 1


def test_body_of_a_megabyte_both_ways(one, a):
    a.default = lambda c, r: c.answer(200, r.body)
    body = json.dumps({"messages": [{"role": "user", "content": "ü" * 500_000}]}, ensure_ascii=False).encode()
    with one.connect() as wire:
        for _ in range(3):
            answer = wire.ask("POST", CHAT, KEYED, body)
            assert (answer.status, answer.body) == (200, body)


def test_large_body_is_sent_again_to_the_next_backend(pair, a, b):
    a.then(lambda c, r: c.error(429, fields={"retry-after": "1"}))
    body = json.dumps({"messages": [{"role": "user", "content": "z" * 1_500_000}]}).encode()
    assert pair.chat(body).status == 200
    assert a.requests[0].body == b.requests[0].body == body


def test_backend_that_refuses_before_it_has_read_the_body(one, a):
    """Its answer counts, not that the sending broke off."""
    def refuse_from_the_head(c, r):
        c.error(413, "RequestTooLarge")
        c.close()
    a.then(refuse_from_the_head)
    answer = one.chat(json.dumps({"messages": ["z" * 1_000_000]}).encode())
    assert answer.status == 413


def test_head_of_probes_has_no_body(one):
    with one.connect() as wire:
        answer = wire.ask("HEAD", "/health/live")
        assert answer.status == 200
        assert int(answer.header("content-length")) == 3
        assert wire.ask("GET", "/health/live").body == b"ok\n"


def test_answers_without_a_body(one, a):
    a.then(lambda c, r: c.head(204, {"x-a": "b"}, "No Content"))
    with one.connect() as wire:
        answer = wire.ask("POST", CHAT, KEYED, QUESTION)
        assert (answer.status, answer.body, answer.header("x-a")) == (204, b"", "b")
        assert wire.ask("POST", CHAT, KEYED, QUESTION).status == 200


def test_answer_until_close_is_framed_for_the_client(one, a):
    def until_close(c, r):
        c.head(200, {"content-type": "application/json"})
        c.send('{"a":')
        time.sleep(0.05)
        c.send("1}")
        c.close()
    a.then(until_close)
    with one.connect() as wire:
        answer = wire.ask("POST", CHAT, KEYED, QUESTION)
        assert (answer.end, answer.body) == ("whole", b'{"a":1}')
        assert wire.ask("POST", CHAT, KEYED, QUESTION).status == 200


def test_interim_answers_of_a_backend_are_not_the_answer(one, a):
    def hints(c, r):
        c.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
        c.answer(200, {"model": "final"})
    a.then(hints)
    assert one.chat().json()["model"] == "final"


def test_trailers_are_dropped_and_the_connection_goes_on(one, a):
    def trailers(c, r):
        c.stream_head()
        c.chunk('{"a":1}')
        c.send("0\r\nx-checksum: 1\r\n\r\n")
    a.then(trailers)
    with one.connect() as wire:
        answer = wire.ask("POST", CHAT, KEYED, QUESTION)
        assert (answer.end, answer.body) == ("whole", b'{"a":1}')
        assert b"x-checksum" not in answer.raw
        assert wire.ask("POST", CHAT, KEYED, QUESTION).status == 200


def test_http_1_0_client_gets_a_body_that_ends_with_the_connection(one, a):
    def chunked(c, r):
        c.head(200, {"content-type": "application/json", "transfer-encoding": "chunked"})
        c.chunk('{"a":')
        c.chunk("1}")
        c.last_chunk()
    a.then(chunked)
    with one.connect() as wire:
        wire.request("POST", CHAT, KEYED, QUESTION, version="1.0")
        answer = wire.read_answer()
        assert answer.header("transfer-encoding") is None
        assert (answer.end, answer.body) == ("whole", b'{"a":1}')


def test_http_1_0_client_may_keep_its_connection(one):
    with one.connect() as wire:
        for _ in range(2):
            wire.request("POST", CHAT, {**KEYED, "Connection": "keep-alive"}, QUESTION, version="1.0")
            answer = wire.read_answer()
            assert answer.header("connection") == "keep-alive"


def test_connection_close_is_obeyed(one):
    with one.connect() as wire:
        answer = wire.ask("POST", CHAT, {**KEYED, "Connection": "close"}, QUESTION)
        assert answer.header("connection") == "close"
        assert wire.closed_by_peer()


def test_absolute_target_of_the_same_host(one):
    with one.connect() as wire:
        assert wire.ask("POST", "http://gateway.test" + CHAT, KEYED, QUESTION).status == 200


def test_empty_lines_before_a_request_are_forgiven(one):
    with one.connect() as wire:
        wire.send(b"\r\n" + compose("POST", CHAT, KEYED, QUESTION))
        assert wire.read_answer().status == 200


def test_client_that_closes_its_sending_side_does_not_hang(one, a):
    """TCP half closed without TLS's own goodbye: an answer or an end, but soon."""
    a.then(lambda c, r: (time.sleep(0.2), c.answer(200, {"model": "a"})))
    with one.connect(timeout=3) as wire:
        wire.request("POST", V1_CHAT, KEYED, {**QUESTION, "model": "m"})
        wire.half_close()
        wire.recv()
    assert one.chat().status == 200


def test_idle_connection_is_closed_in_time(gateway, a):
    g = gateway([a], {"listeners": {"public": {"limits": {"idle_timeout": "300ms"}}}})
    with g.connect() as wire:
        assert wire.ask("POST", CHAT, KEYED, QUESTION).status == 200
        began = time.monotonic()
        assert wire.closed_by_peer()
        assert 0.2 < time.monotonic() - began < 1.5
