"""Answers that end at every byte, and streams of every cut."""

import json
import random

import pytest
from support.gateway import CHAT, STREAM
from support.upstream import chat_completion

PLAIN = json.dumps(chat_completion("Hello, whoever reads this one to its end")).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(PLAIN)


def in_chunks(body, size=40):
    out = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for at in range(0, len(body), size):
        piece = body[at:at + size]
        out += b"%x\r\n%s\r\n" % (len(piece), piece)
    return out + b"0\r\n\r\n"


def cut_after(data, end):
    def script(c, r):
        c.send(data)
        c.reset() if end == "reset" else c.close()
    return script


@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_breaks_off_never_ends_cleanly(bare, end, framing):
    """Cut before each byte of the body (of the head, see below)."""
    g, (a,) = bare("a")
    whole = HEAD + PLAIN if framing == "length" else in_chunks(PLAIN)
    for at in range(whole.index(b"\r\n\r\n") + 4, len(whole)):
        a.then(cut_after(whole[:at], end))
        try:
            answer = g.ask("POST", CHAT, body={"messages": []})
        except (ConnectionError, OSError):
            del a._queue[:]
            continue
        del a._queue[:]
        assert answer.status in (500, 502, 503) or answer.end != "whole", (at, answer)


@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_head_that_breaks_off_is_served_by_the_next_backend(bare, end):
    """Cut before each byte of the head."""
    g, (a, b) = bare("a", "b")
    for at in range(len(HEAD)):
        a.then(cut_after(HEAD[:at], end))
        answer = g.ask("POST", CHAT, body={"messages": []})
        del a._queue[:]
        assert answer.status == 200 and answer.json()["model"] in ("a", "b"), (at, answer)


LINE_ENDS = ("\n", "\r\n", "\r")
TEXTS = ('"usage":{"prompt_tokens":1}', "data: [DONE]", "\\n\\n", "\u2028", "\u00e4\u00f6\u00fc", "event: error", "\"choices\":[]", "0\\r\\n\\r\\n")


def random_stream(rnd):
    """Events, and the bytes as they are sent: any line end, comments, names, ids, odd texts."""
    end = rnd.choice(LINE_ENDS[:2]) if rnd.random() < 0.8 else "\r"
    out = ""
    for n in range(rnd.randrange(1, 12)):
        if rnd.random() < 0.2:
            out += f": {rnd.choice(TEXTS)}{end}{end}"
        if rnd.random() < 0.2:
            out += f"id: {n}{end}"
        chunk = {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": rnd.choice(TEXTS) * rnd.randrange(1, 9)}}]}
        out += f"data: {json.dumps(chunk, ensure_ascii=rnd.random() < 0.5)}{end}{end}"
    return (out + f"data: [DONE]{end}{end}").encode()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("usage", [False, True])
def test_random_streams_come_through_byte_for_byte(bare, tmp_path, version, usage):
    """1500 streams of random events, cut at random into chunks; with a ledger the gateway asks for usage and filters."""
    over = {"usage": {"spool": str(tmp_path / "spool"), "store": f"sqlite:{tmp_path}/usage.db"}} if usage else {}
    g, (a,) = bare("a", over=over)
    rnd = random.Random(f"{version}{usage}")

    def script(c, r):
        data = random_stream(random.Random(int(r.header("x-ms-client-request-id")[1:])))
        c.stream_head()
        cuts = random.Random(data)
        while data:
            size = min(len(data), cuts.choice((1, 2, 7, 60, 4000)))
            c.chunk(data[:size])
            data = data[size:]
        c.last_chunk()

    a.default = script
    for _ in range(1500):
        seed = rnd.randrange(1 << 30)
        with g.connect() as wire:
            wire.request("POST", CHAT, [("api-key", "key-of-the-app-4711"), ("x-ms-client-request-id", f"n{seed}")], STREAM, version)
            answer = wire.read_answer()
        assert answer.status == 200
        assert answer.body == random_stream(random.Random(seed)), seed


def test_a_line_of_a_hundred_megabytes_takes_no_memory(bare):
    g, (a,) = bare("a")
    size = 100 * 1000 * 1000

    def script(c, r):
        c.stream_head()
        c.chunk(b'data: {"choices":[{"delta":{"content":"')
        for _ in range(size // 1000000):
            c.chunk(b"x" * 1000000)
        c.chunk(b'"}}]}\n\ndata: [DONE]\n\n')
        c.last_chunk()

    a.default = script
    before = g.resident_bytes()
    with g.connect() as wire:
        wire.request("POST", CHAT, [("api-key", "key-of-the-app-4711")], STREAM)
        wire.read_head()
        got = len(wire.pending)
        while got < size:
            data = wire.recv(1 << 20)
            assert data
            got += len(data)
        assert g.resident_bytes() - before < 16 * 1024 * 1024
