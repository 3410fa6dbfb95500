"""Streams come through byte by byte, at once, and never end cleanly when they broke."""

import json
import time

import pytest
from support.gateway import QUESTION, SANITIZED, STREAM, V1_CHAT
from support.wire import Wire

CHUNKS = [{"id": "c1", "object": "chat.completion.chunk", "choices": [], "prompt_filter_results": []},
          {"id": "c1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
          {"id": "c1", "choices": [{"index": 0, "delta": {"content": "Grüße \u2028 \"x\""}}]},
          {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
          {"id": "c1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}]


def chat_stream(c, r):
    c.stream_head({"x-ms-region": "Sweden Central"}.items())
    for chunk in CHUNKS:
        c.event(json.dumps(chunk, ensure_ascii=False))
    c.event("[DONE]")
    c.last_chunk()


def responses_stream(c, r):
    c.stream_head()
    for n, kind in enumerate(["created", "in_progress", "output_text.delta", "completed"]):
        c.event({"type": f"response.{kind}", "sequence_number": n, "response": {"id": "resp_1"}}, f"response.{kind}")
    c.last_chunk()


def odd_line_ends(c, r):
    c.stream_head()
    c.chunk(": a comment\r\n\r\ndata: {\"a\":1}\r\n\r\nid: 7\rretry: 9\rdata: 2\r\rdata: [DONE]\n\n")
    c.last_chunk()


def until_close(c, r):
    c.head(200, {"content-type": "text/event-stream", "connection": "close"})
    c.send('data: {"a":1}\n\ndata: [DONE]\n\n')
    c.close()


@pytest.mark.parametrize("script, target, body", [
    (chat_stream, V1_CHAT, {**STREAM, "model": "gpt-4o"}),
    (responses_stream, "/openai/v1/responses", {"model": "gpt-4o", "input": "x", "stream": True}),
    (odd_line_ends, V1_CHAT, {**STREAM, "model": "gpt-4o"}),
    (until_close, V1_CHAT, {**STREAM, "model": "gpt-4o"}),
], ids=lambda p: getattr(p, "__name__", ""))
def test_stream_is_the_same_as_without_a_gateway(one, certs, a, script, target, body):
    a.default = script
    with Wire(a.port, certs.client_context(), name=a.host) as wire:
        direct = wire.ask("POST", target, (), body)
    through = one.chat(body, target=target)
    assert direct.end == through.end == "whole"
    assert through.body == direct.body
    assert through.header("content-type") == direct.header("content-type")


def test_audio_comes_through_byte_by_byte(one, a):
    audio = bytes(range(256)) * 2000

    def speech(c, r):
        c.head(200, {"content-type": "audio/mpeg", "transfer-encoding": "chunked"})
        for at in range(0, len(audio), 7000):
            c.chunk(audio[at:at + 7000])
        c.last_chunk()
    a.default = speech
    answer = one.chat({"model": "tts", "input": "x", "voice": "alloy"}, target="/openai/v1/audio/speech")
    assert (answer.end, answer.body) == ("whole", audio)
    assert answer.header("content-type") == "audio/mpeg"


def test_compressed_answer_is_left_as_it_is(one, a):
    body = b"\x1f\x8b\x08" + bytes(range(200))
    a.then(lambda c, r: c.answer(200, body, {"content-encoding": "gzip"}))
    assert one.chat().body == body
    assert a.requests[0].header("accept-encoding") == "identity"


@pytest.mark.native_only
def test_every_chunk_arrives_promptly(one, a):
    sent = []

    def slow(c, r):
        c.stream_head()
        for n in range(6):
            sent.append(time.monotonic())
            c.event({"n": n})
            time.sleep(0.2)
        c.event("[DONE]")
        c.last_chunk()
    a.then(slow)
    answer = one.chat(STREAM)
    late = [answer.arrived(b'{"n": %d}' % n) - when for n, when in enumerate(sent)]
    assert max(late) < 0.06, late


@pytest.mark.native_only
def test_a_part_of_an_event_is_not_held_back(one, a):
    sent = []

    def torn(c, r):
        c.stream_head()
        c.event({"n": 0})
        for piece in ("data: {\"half\"", ": 1}\n", "\n"):
            time.sleep(0.15)
            sent.append(time.monotonic())
            c.chunk(piece)
        c.event("[DONE]")
        c.last_chunk()
    a.then(torn)
    answer = one.chat(STREAM)
    assert answer.arrived(b'data: {"half"') - sent[0] < 0.06
    assert answer.body == b'data: {"n": 0}\n\ndata: {"half": 1}\n\ndata: [DONE]\n\n'


def test_error_as_first_event_goes_elsewhere(pair, a, b):
    def bad(c, r):
        c.stream_head()
        c.event({"error": {"code": "server_error", "message": "The model is overloaded."}})
        c.last_chunk()
    a.then(bad)
    b.default = chat_stream
    answer = pair.chat(STREAM)
    assert answer.status == 200
    assert b"overloaded" not in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")


def test_response_that_fails_at_once_goes_elsewhere(pair, a, b):
    def bad(c, r):
        c.stream_head()
        c.event({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_bad"}}, "response.created")
        c.event({"type": "response.failed", "sequence_number": 1, "response": {"id": "resp_bad", "status": "failed"}},
                "response.failed")
        c.last_chunk()
    a.then(bad)
    b.default = responses_stream
    answer = pair.chat({"model": "m", "input": "x", "stream": True}, target="/openai/v1/responses")
    assert b"resp_bad" not in answer.body and b"response.completed" in answer.body


def test_stream_that_dies_before_its_first_event_goes_elsewhere(pair, a, b):
    def dies(c, r):
        c.stream_head()
        c.reset()
    a.then(dies)
    b.default = chat_stream
    assert pair.chat(STREAM).body.endswith(b"data: [DONE]\n\n")


def breaks(how, after="whole event"):
    def script(c, r):
        c.stream_head()
        c.event({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1"}}, "response.created")
        c.event({"type": "response.output_text.delta", "sequence_number": 1, "delta": "par"},
                "response.output_text.delta")
        if after == "half a line":
            c.chunk('data: {"type": "response.out')
        elif after == "half a chunk":
            c.send("ff\r\ndata: {")
        time.sleep(0.1)
        getattr(c, how)()
    return script


@pytest.mark.parametrize("how", ["close", "reset"])
def test_broken_chat_stream_ends_in_an_error_event_and_is_not_repeated(pair, a, b, how):
    a.then(breaks(how))
    answer = pair.chat(STREAM)
    assert not b.requests, "nothing is repeated after the first byte"
    assert b"[DONE]" not in answer.body
    last = json.loads(answer.events()[-1].partition("data: ")[2])
    assert last["error"]["message"]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_broken_responses_stream_ends_in_response_failed_with_the_next_number(one, a, how):
    a.then(breaks(how))
    answer = one.chat({"model": "m", "input": "x", "stream": True}, target="/openai/v1/responses")
    events = answer.events()
    assert events[-1].startswith("event: ")
    last = json.loads(events[-1].partition("data: ")[2])
    assert last["type"] in ("response.failed", "error")
    assert last["sequence_number"] == 2
    one.wait_for_metric(1, "spillway_broken_streams_total")


@pytest.mark.parametrize("after", ["half a line", "half a chunk"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_stream_that_breaks_inside_a_line_never_ends_cleanly(one, a, how, after):
    a.then(breaks(how, after))
    answer = one.chat(STREAM)
    assert answer.end in ("cut", "reset")
    assert b"[DONE]" not in answer.body


@pytest.mark.parametrize("how", ["close", "reset"])
def test_plain_answer_that_breaks_off_never_ends_cleanly(pair, a, b, how):
    def part(c, r):
        c.send('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"id":')
        time.sleep(0.1)
        getattr(c, how)()
    a.then(part)
    answer = pair.chat()
    assert answer.end in ("cut", "reset")
    assert not b.requests


def test_chunk_framing_gone_wrong_never_ends_cleanly(one, a):
    def wrong(c, r):
        c.stream_head()
        c.event({"n": 1})
        time.sleep(0.1)
        c.send("zz\r\noops\r\n0\r\n\r\n")
    a.then(wrong)
    answer = one.chat(STREAM)
    assert b"[DONE]" not in answer.body
    assert answer.end in ("cut", "reset") or b'"error"' in answer.body


def test_line_of_a_megabyte_comes_through(one, a):
    big = json.dumps({"b64_json": "A" * (1 << 20)})

    def script(c, r):
        c.stream_head()
        c.event({"n": 0})
        c.event(big)
        c.event("[DONE]")
        c.last_chunk()
    a.then(script)
    answer = one.chat(STREAM)
    assert answer.end == "whole"
    assert answer.body == b'data: {"n": 0}\n\ndata: ' + big.encode() + b"\n\ndata: [DONE]\n\n"


def test_first_line_of_a_megabyte_comes_through(one, a):
    big = json.dumps({"b64_json": "A" * (1 << 20)})

    def script(c, r):
        c.stream_head()
        c.event(big)
        c.event("[DONE]")
        c.last_chunk()
    a.then(script)
    assert one.chat(STREAM).body == b"data: " + big.encode() + b"\n\ndata: [DONE]\n\n"


def silent_stream(seconds, between="event"):
    def script(c, r):
        c.stream_head()
        c.event({"n": 0})
        if between == "line":
            c.chunk("data: {")
        time.sleep(seconds)
        if between == "line":
            c.chunk('"a":1}\n\n')
        c.event("[DONE]")
        c.last_chunk()
    return script


def test_comments_keep_a_silent_stream_alive(gateway, a):
    g = gateway([a], {"listeners": {"public": {"sse_keep_alive": "1s"}}})
    a.then(silent_stream(3.4))
    answer = g.chat(STREAM)
    comments = [e for e in answer.events() if e.startswith(":")]
    assert 2 <= len(comments) <= 3
    assert [e for e in answer.events() if not e.startswith(":")] == ['data: {"n": 0}', "data: [DONE]"]
    assert answer.end == "whole"


def test_comments_never_tear_an_event(gateway, a):
    g = gateway([a], {"listeners": {"public": {"sse_keep_alive": "1s"}}})
    a.then(silent_stream(1.5, "line"))
    assert g.chat(STREAM).body == b'data: {"n": 0}\n\ndata: {"a":1}\n\ndata: [DONE]\n\n'


def test_comments_do_not_hide_the_silence_from_the_idle_timeout(gateway, a):
    g = gateway([a], {"listeners": {"public": {"sse_keep_alive": "1s"}},
                      "pools": {"main": {"timeouts": {"idle": "1500ms"}}}})
    a.then(silent_stream(5))
    began = time.monotonic()
    answer = g.chat(STREAM)
    assert 1.4 < time.monotonic() - began < 3
    assert b'"error"' in answer.body and b"[DONE]" not in answer.body


def test_a_long_healthy_stream_outlives_the_request_timeout(gateway, a):
    g = gateway([a], {"pools": {"main": {"timeouts": {"request": "500ms", "first_byte": "400ms", "idle": "300ms"}}}})

    def steady(c, r):
        c.stream_head()
        for n in range(10):
            c.event({"n": n})
            time.sleep(0.1)
        c.event("[DONE]")
        c.last_chunk()
    a.then(steady)
    assert g.chat(STREAM).body.endswith(b"data: [DONE]\n\n")


def test_client_that_leaves_cancels_the_backends_work(one, a):
    def endless(c, r):
        c.stream_head()
        c.event({"n": 0})
        c.wait_until_peer_leaves(10)
    for leave in ("close", "reset"):
        a.then(endless)
        count = len(a.connections) + 1
        wire = one.connect()
        wire.request("POST", V1_CHAT, {"api-key": "key-of-the-app-4711"}, {**STREAM, "model": "m"})
        wire.read_head()
        a.wait_for_requests(count)
        left = time.monotonic()
        getattr(wire, leave)()
        connection = a.connections[-1]
        assert a.wait_for(lambda: connection.gone_at, 5)
        assert connection.gone_at - left < 1
    one.wait_for_metric(2, "spillway_client_left_total")


def test_client_that_leaves_before_the_head_cancels_too(pair, a, b):
    a.then(lambda c, r: c.wait_until_peer_leaves(10))
    with pair.connect() as wire:
        wire.request("POST", V1_CHAT, {"api-key": "key-of-the-app-4711"}, {**QUESTION, "model": "m"})
        a.wait_for_requests(1)
    left = time.monotonic()
    assert a.wait_for(lambda: a.connections[0].gone_at, 5)
    assert a.connections[0].gone_at - left < 1
    time.sleep(0.1)
    assert not b.requests


@pytest.mark.native_only
def test_slow_reader_stops_the_reading_of_its_backend(one, a):
    sent = [0]

    def flood(c, r):
        c.stream_head()
        piece = "data: " + "x" * 65000 + "\n\n"
        for _ in range(1000):
            c.chunk(piece)
            sent[0] += len(piece)
        c.last_chunk()
    a.then(flood)
    before = one.resident_bytes()
    with one.connect(receive_buffer=65536) as wire:
        wire.request("POST", V1_CHAT, {"api-key": "key-of-the-app-4711"}, {**STREAM, "model": "m"})
        wire.read_head()
        last = -1
        while last != sent[0]:
            last = sent[0]
            time.sleep(0.5)
        assert last < 30_000_000, "the backend was read although nobody read the client's side"
        assert SANITIZED or one.resident_bytes() - before < 8_000_000
