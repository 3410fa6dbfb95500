"""What a backend says, and when: everything odd that one can do on the wire, and what the client is to see of it."""

import os
import resource
import threading
import time

import pytest
from support.gateway import QUESTION, SANITIZED, STREAM, V1_CHAT
from support.upstream import Upstream, chat_completion
from support.usage import ledger_config, wait_for_records

FILTER = {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
HELLO = {"id": "c1", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}
RESPONSES = "/openai/v1/responses"
CHAT_STREAM = (V1_CHAT, {**STREAM, "model": "gpt-4o"})
RESPONSE_STREAM = (RESPONSES, {"model": "gpt-4o", "input": "x", "stream": True})


def stream_of(*events):
    """Each event alone in a chunk: a pair is (name, data), a text is sent as it is."""
    def script(c, r):
        c.stream_head()
        for e in events:
            if isinstance(e, str):
                c.chunk(e)
            elif isinstance(e, tuple):
                c.event(e[1], e[0])
            else:
                c.event(e)
        c.last_chunk()
    return script


def good_stream(c, r):
    stream_of(FILTER, HELLO, "data: [DONE]\n\n")(c, r)


def response_event(kind, number=0, **more):
    return f"response.{kind}", {"type": f"response.{kind}", "sequence_number": number, "response": {"id": "r1", **more}}


def ask(g, what):
    return g.chat(what[1], target=what[0])


# Instances without a credential, and requests that cannot be written


@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["plain", "stream"])
def test_an_instance_without_a_credential_is_asked_without_one(gateway, a, b, body):
    g = gateway([a, b], {"instances": {"a": {"credential": None}}})
    a.default = good_stream if "stream" in body else a.default
    assert g.chat(body).status == 200
    assert g.ask("POST", V1_CHAT, (), {**body, "model": "m"}).status == 200
    assert len(a.requests) == 2 and not b.requests
    assert all(r.header("api-key") is None and r.header("authorization") is None for r in a.requests)


def test_what_cannot_be_written_for_one_backend_goes_to_another(gateway, a, b):
    g = gateway([a, b], {"instances": {"a": {"api_version": "2024-10-21 x"}}}, start=False)
    try:
        g.start()
    except AssertionError:
        assert "api_version" in g.log()  # refused when it was loaded: no request can meet it
        return
    for _ in range(2):
        assert g.chat().json()["model"] == "b"
    assert not a.requests
    assert "instance a" in g.log()


# Codes, not words


@pytest.mark.parametrize("error", [
    {"message": "Item with id 'msg_DeploymentNotFound' not found.", "code": None},
    {"message": '"code":"DeploymentNotFound"', "code": "not_found"},
    {"message": "m", "code": "not_found", "details": [{"code": "DeploymentNotFound"}]},
], ids=["word", "json in a text", "elsewhere"])
def test_a_clients_own_words_in_an_error_say_nothing_about_the_deployment(pair, a, b, error):
    a.default = lambda c, r: c.answer(404, {"error": error})
    for _ in range(2):
        assert pair.chat().status == 404
    assert len(a.requests) == 2 and not b.requests


def test_a_missing_deployment_is_known_by_its_code_in_any_framing(pair, a, b):
    def script(c, r):
        c.head(404, {"content-type": "application/json", "transfer-encoding": "chunked"})
        for piece in ('{"err', 'or":{"code":"Deploym', 'entNotFound","message":"m"}}'):
            c.chunk(piece)
        c.last_chunk()
    a.default = script
    assert pair.chat().json()["model"] == "b"


# The commit point


@pytest.mark.parametrize("what, events", [
    (CHAT_STREAM, [FILTER, {"error": {"code": "server_error", "message": "m"}}]),
    (CHAT_STREAM, [": busy\n\n", "retry: 3000\n\n", FILTER, FILTER, "data: {}\n\n", {"error": {"code": "429"}}]),
    (RESPONSE_STREAM, [response_event("created"), response_event("in_progress", 1),
                       ("error", {"type": "error", "code": "server_is_overloaded", "sequence_number": 2}),
                       response_event("failed", 3)]),
    (RESPONSE_STREAM, [response_event("created"), ("keepalive", {"type": "keepalive"}), response_event("failed", 2)]),
    (RESPONSE_STREAM, [response_event("queued"), response_event("failed", 1, error={"code": "server_error"})]),
    (RESPONSE_STREAM, [{"type": "response.in_progress"}, {"type": "error", "code": "rate_limit_exceeded"}]),
], ids=["chat", "signs of life", "responses", "keepalive", "queued", "no names"])
def test_a_failure_behind_a_preamble_goes_elsewhere(pair, a, b, what, events):
    a.then(stream_of(*events))
    b.default = good_stream
    answer = ask(pair, what)
    assert answer.status == 200 and b"Hello" in answer.body
    assert b"error" not in answer.body and b"r1" not in answer.body
    assert len(b.requests) == 1


@pytest.mark.parametrize("what, events", [
    (CHAT_STREAM, [FILTER]),
    (RESPONSE_STREAM, [response_event("created"), response_event("in_progress", 1)]),
], ids=["chat", "responses"])
def test_a_preamble_is_not_held_until_the_answer_begins(pair, a, b, what, events):
    seen = threading.Event()

    def script(c, r):
        c.stream_head()
        for e in events:
            c.event(*(reversed(e) if isinstance(e, tuple) else (e,)))
        c.event(HELLO) if seen.wait(5) else c.reset()
        c.event("[DONE]")
        c.last_chunk()
    a.then(script)
    with pair.connect() as wire:
        wire.request("POST", what[0], {"api-key": "key-of-the-app-4711"}, what[1])
        answer = wire.read_head()
        assert answer.status == 200
        seen.set()
        wire.read_body(answer)
    assert answer.end == "whole" and b"Hello" in answer.body
    assert not b.requests


def test_how_long_a_preamble_is_held_can_be_chosen(gateway, a, b):
    g = gateway([a, b], {"pools": {"main": {"commit": {"hold": "10s"}}}})

    def script(c, r):
        c.stream_head()
        c.event(FILTER)
        time.sleep(0.3)
        c.event({"error": {"code": "server_error"}})
        c.last_chunk()
    a.then(script)
    b.default = good_stream
    answer = g.chat(STREAM)
    assert b"Hello" in answer.body and b"error" not in answer.body


@pytest.mark.parametrize("sign", [": busy\n\n", "retry: 3000\n\n"], ids=["comment", "retry"])
@pytest.mark.parametrize("timeouts", [{"idle": "600ms"}, {"first_byte": "600ms"}], ids=["idle", "first byte"])
def test_signs_of_life_are_life(gateway, a, b, sign, timeouts):
    g = gateway([a, b], {"pools": {"main": {"timeouts": timeouts}}})

    def script(c, r):
        c.stream_head()
        for _ in range(6):
            c.chunk(sign)
            time.sleep(0.2)
        c.event(HELLO)
        c.last_chunk()
    a.then(script)
    answer = g.chat(STREAM)
    assert answer.body.decode() == sign * 6 + 'data: {"id": "c1", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}\n\n'
    assert not b.requests


def test_who_falls_silent_after_signs_of_life_is_given_up(gateway, a, b):
    g = gateway([a, b], {"pools": {"main": {"timeouts": {"idle": "300ms"}}}})

    def script(c, r):
        c.stream_head()
        c.chunk(": busy\n\n")
        c.wait_until_peer_leaves(5)
    a.then(script)
    b.default = good_stream
    assert b"Hello" in g.chat(STREAM).body


def test_an_encoded_stream_is_passed_on_as_it_comes(pair, a, b):
    seen = threading.Event()
    pieces = [b"\x1f\x8b\x08\x00not really", b" gzip, but nobody", b" here looks"]

    def script(c, r):
        c.stream_head({"content-encoding": "gzip"}.items())
        c.chunk(pieces[0])
        if not seen.wait(5):
            return c.reset()
        for piece in pieces[1:]:
            c.chunk(piece)
        c.last_chunk()
    a.then(script)
    with pair.connect() as wire:
        wire.request("POST", V1_CHAT, {"api-key": "key-of-the-app-4711"}, {**STREAM, "model": "m"})
        answer = wire.read_head()
        seen.set()
        wire.read_body(answer)
    assert answer.header("content-encoding") == "gzip" and answer.body == b"".join(pieces)
    assert not b.requests


def empty_stream_until_close(c, r):
    c.head(200, {"content-type": "text/event-stream", "connection": "close"})
    c.close()


def chunked_nothing(c, r):
    c.head(200, {"content-type": "application/json", "transfer-encoding": "chunked"})
    time.sleep(0.02)
    c.last_chunk()


def closed_without_a_body(c, r):
    c.head(200, {"content-type": "application/json", "connection": "close"})
    c.close()


@pytest.mark.parametrize("body, script", [
    (STREAM, stream_of()),
    (STREAM, stream_of(": busy\n\n")),
    (STREAM, stream_of(FILTER, "data: [DONE]\n\n")),
    (STREAM, lambda c, r: c.answer(200, b"", content_type="text/event-stream")),
    (STREAM, empty_stream_until_close),
    (QUESTION, lambda c, r: c.answer(200, b"")),
    (QUESTION, chunked_nothing),
    (QUESTION, closed_without_a_body),
], ids=["no event", "comment", "preamble", "length 0", "close", "plain length 0", "plain chunked", "plain close"])
def test_an_answer_with_nothing_in_it_goes_elsewhere(pair, a, b, body, script):
    a.then(script)
    b.default = good_stream if "stream" in body else b.default
    answer = pair.chat(body)
    assert answer.status == 200 and b"Hello" in answer.body
    assert len(b.requests) == 1


def test_a_head_without_its_body_waits_for_it_a_moment_only(pair, a, b):
    seen = threading.Event()

    def script(c, r):
        c.head(200, {"content-type": "application/json", "transfer-encoding": "chunked"})
        if seen.wait(5):
            c.chunk("{}")
        c.last_chunk()
    a.then(script)
    with pair.connect() as wire:
        wire.request("POST", V1_CHAT, {"api-key": "key-of-the-app-4711"}, {**QUESTION, "model": "m"})
        answer = wire.read_head()
        seen.set()
        wire.read_body(answer)
    assert (answer.status, answer.body) == (200, b"{}")
    assert not b.requests


# Answers at odd times


class Deaf(Upstream):
    """Answers as soon as the head has begun to come, and reads no more."""

    answer = b"HTTP/1.1 429 Too Many\r\nretry-after-ms: 100\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    def _serve(self, sock):
        with self._context.wrap_socket(sock, server_side=True) as tls:
            tls.settimeout(30)
            tls.recv(1000)
            self.requests.append(None)
            tls.sendall(self.answer)
            self.gone = threading.Event()
            self.wait_for(lambda: self._closing, 30)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["at once", "after 100"])
def test_an_early_refusal_is_heard_while_the_body_is_sent(gateway, certs, a, head):
    deaf = Deaf(certs, "b")
    deaf.answer = head + deaf.answer
    try:
        g = gateway([deaf, a])
        began = time.monotonic()
        answer = g.chat({**QUESTION, "padding": "x" * 8_000_000})
        assert answer.json()["model"] == "a"
        assert len(deaf.requests) == 1 and len(a.requests[0].body) > 8_000_000
        assert time.monotonic() - began < 60  # and not the two minutes of first_byte
    finally:
        deaf.close()


def test_a_good_answer_may_begin_while_the_body_is_sent(gateway, certs):
    class Eager(Upstream):
        def _serve(self, sock):
            with self._context.wrap_socket(sock, server_side=True) as tls:
                tls.settimeout(30)
                raw = tls.recv(1000)
                tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{\"seen\"")
                while not raw.endswith(b'"end"}'):
                    raw = raw[-100:] + tls.recv(65536)
                tls.sendall(b': "to the end"}'[:13])
                self.wait_for(lambda: self._closing, 5)
    eager = Eager(certs, "a")
    try:
        g = gateway([eager])
        answer = g.chat({**QUESTION, "padding": "x" * 5_000_000, "last": "end"})
        assert (answer.status, answer.end, answer.body[:7]) == (200, "whole", b'{"seen"')
    finally:
        eager.close()


def test_interim_answers_without_end_are_no_answer(pair, a, b):
    def flood(c, r):
        while True:
            c.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)
    a.then(flood)
    assert pair.chat().json()["model"] == "b"
    a.then(lambda c, r: (c.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20), c.answer(200, chat_completion("again"))))
    assert pair.chat().json()["choices"][0]["message"]["content"] == "again"


# Connections


@pytest.mark.skipif(SANITIZED, reason="UBSan looks at memory through a pipe, and takes want of one for bad memory")
def test_a_shortage_of_descriptors_here_is_nobody_elses_sickness(gateway, a, b):
    g = gateway([a, b])
    pid = g.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with g.connect() as wire:
        # The connection is there; one to a backend is not, and cannot be made.
        assert wire.ask("GET", "/health/live").status == 200
        used = {int(n) for n in os.listdir(f"/proc/{pid}/fd")}
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(set(range(len(used) + 1)) - used), hard))
        for _ in range(6):
            answer = wire.ask("POST", V1_CHAT, {"api-key": "key-of-the-app-4711"}, {**QUESTION, "model": "m"})
            assert answer.status == 503
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        answer = wire.ask("POST", V1_CHAT, {"api-key": "key-of-the-app-4711"}, {**QUESTION, "model": "m"})
        assert (answer.status, answer.json()["model"]) == (200, "a")
    assert not b.requests


def test_a_connection_is_not_used_again_after_an_answer_without_a_body(one, a):
    a.then(lambda c, r: c.head(204))
    assert one.chat().status == 204
    assert one.chat().status == 200
    assert [r.connection for r in a.requests] == [1, 2]


def test_a_connection_whose_answer_never_came_is_not_used_again(gateway, a, b):
    g = gateway([a, b], {"pools": {"main": {"timeouts": {"first_byte": "300ms"}}}})
    # What the refusal's answer allows must not hold for the next attempt's connection.
    a.then(lambda c, r: c.error(429, "429", fields={"retry-after-ms": "100"}))
    b.then(lambda c, r: c.wait_until_peer_leaves(5))
    assert g.chat(STREAM).status >= 500 or g.chat(STREAM).status == 429
    assert b.wait_for(lambda: b.connections[0].gone_at, 3)


# Fields


def test_orders_and_ways_to_the_instance_stay_here(one, a):
    named = {"Location": "http://localhost:1/x", "Refresh": "0; url=http://localhost:1/", "Link": "</x>; rel=preload",
             "Clear-Site-Data": '"*"', "NEL": "{}", "X-Accel-Redirect": "/secret", "X-Sendfile": "/etc/passwd",
             "Public-Key-Pins": "x", "Set-Cookie2": "a=b", "Server": "nginx/1.0", "Operation-Location": "https://x/y"}
    a.then(lambda c, r: c.answer(200, chat_completion(), {**named, "x-ms-region": "Sweden Central"}))
    answer = one.chat()
    assert answer.header("x-ms-region") == "Sweden Central"
    assert not [n for n in named if answer.header(n) is not None]


# Usage


def test_a_usage_chunk_in_several_lines_is_counted_and_taken_out(gateway, a, tmp_path):
    g = gateway([a], ledger_config(tmp_path))
    a.then(stream_of(FILTER, HELLO, 'data: {"id":"c1","choices":[],\ndata: "usage":{"prompt_tokens":3,\n'
                                    'data: "completion_tokens":4,"total_tokens":7}}\n\n', "data: [DONE]\n\n"))
    answer = g.chat({**STREAM, "model": "gpt-4o"}, target=V1_CHAT)
    assert a.requests[0].json()["stream_options"] == {"include_usage": True}
    assert b"usage" not in answer.body and answer.body.endswith(b"data: [DONE]\n\n")
    r = wait_for_records(tmp_path, 1)[0]
    assert (r["prompt_tokens"], r["completion_tokens"], r["token_source"]) == (3, 4, "exact")
