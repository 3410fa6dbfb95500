"""An answer that is cut on its way is broken, for its client and in the record: over TLS an end that nobody has signed is
no end."""

import json
import socket
import ssl

import pytest
from support.gateway import STREAM
from support.listening import ThreadedServer
from support.upstream import chat_completion
from support.usage import ledger_config, wait_for_records

HEAD = "HTTP/1.1 200 OK\r\ncontent-type: {}\r\n{}\r\n"
JSON, EVENTS = "application/json", "text/event-stream"
BODY = json.dumps(chat_completion("Hello, this is an answer of some length.")).encode()
DELTA = b'data: {"id":"x","model":"gpt-4o","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'
RESPONSES = [f'event: response.{kind}\ndata: {{"type":"response.{kind}","sequence_number":{n},"response":{{"id":"resp_1"}}}}\n\n'.encode()
             for n, kind in enumerate(["created", "output_text.delta", "completed"])]


class CutServer(ThreadedServer):
    """Speaks TLS in small records and ends the TCP stream after so many bytes of its answer's records, with or without
    close_notify at the end of what it meant to send."""

    name, host = "a", "a.openai.test"

    def __init__(self, certs):
        self.context = certs.server_context(certs.azure)
        self.context.num_tickets = 0
        self.pieces, self.cut, self.goodbye, self.whole = [], None, True, 0
        self.listen(64)

    def serve(self, sock):
        taken, given = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(taken, given, server_side=True)

        def step(work):
            while True:
                try:
                    result = work()
                    sock.sendall(given.read())
                    return result
                except ssl.SSLWantReadError:
                    sock.sendall(given.read())
                    data = sock.recv(65536)
                    if not data:
                        raise OSError("left") from None
                    taken.write(data)

        with sock:
            try:
                step(tls.do_handshake)
                got = b""
                while b"}" not in got:
                    got += step(lambda: tls.read(65536))
                for piece in self.pieces:
                    tls.write(piece)
                if self.goodbye:
                    try:
                        tls.unwrap()
                    except ssl.SSLWantReadError:
                        pass
                data = given.read()
                self.whole = len(data)
                sock.sendall(data[:self.cut])
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(2)
                while sock.recv(65536):
                    pass
            except (OSError, ssl.SSLError):
                pass

    def plan(self, head, body, step=24, goodbye=True):
        """The head is one record, the body many."""
        self.pieces = [head.encode()] + [body[i:i + step] for i in range(0, len(body), step)]
        self.cut, self.goodbye = None, goodbye


@pytest.fixture
def cutter(certs):
    made = CutServer(certs)
    yield made
    made.close()


@pytest.fixture
def g(gateway, cutter):
    return gateway([cutter], {"pools": {"main": {"breaker": {"failures": 1000}}}})


def last(g, count):
    return g.wait_for_access_log(count)[-1]


def framed(how):
    if how == "length":
        return HEAD.format(JSON, f"content-length: {len(BODY)}\r\n"), BODY
    if how == "chunked":
        return HEAD.format(JSON, "transfer-encoding: chunked\r\n"), b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    return HEAD.format(JSON, "connection: close\r\n"), BODY


@pytest.mark.parametrize("how, goodbye", [("length", False), ("chunked", False), ("close", True)])
def test_an_answer_that_came_whole_is_whole(g, cutter, how, goodbye):
    """What delimits itself needs no goodbye; what ends by close does."""
    cutter.plan(*framed(how), goodbye=goodbye)
    answer = g.chat()
    assert (answer.status, answer.end, answer.body) == (200, "whole", BODY)
    assert "broken" not in last(g, 1)


@pytest.mark.parametrize("how", ["length", "chunked", "close"])
@pytest.mark.parametrize("goodbye", [True, False])
def test_no_cut_makes_a_clean_but_short_answer(g, cutter, how, goodbye):
    cutter.plan(*framed(how), goodbye=goodbye)
    g.chat()
    ends, broken = {}, 0
    # From behind the head and the first records of the body on; each record has 22 bytes of its own.
    cuts = range(len(cutter.pieces[0]) + 150, cutter.whole, 47)
    for cut in cuts:
        cutter.cut = cut
        answer = g.chat()
        ends.setdefault(answer.end if answer.status == 200 else answer.status, []).append(cut)
        assert answer.end != "whole" or answer.body == BODY, f"clean but short at {cut} of {cutter.whole}"
        broken += answer.status == 200 and answer.end != "whole"
    assert broken >= 8, ends
    words = [line.get("broken") for line in g.wait_for_access_log(1 + len(cuts)) if line["status"] == 200 and "broken" in line]
    assert set(words) == {"tls_truncated" if how == "close" else "upstream_closed"}
    g.wait_for_metric(len(words), "spillway_broken_streams_total")


def test_the_end_by_close_is_cut_between_two_records(g, cutter):
    """The last byte of the body is there, close_notify is not: nobody can tell that from an answer that went on."""
    cutter.plan(*framed("close"), goodbye=False)
    assert g.chat().end != "whole"
    assert last(g, 1)["broken"] == "tls_truncated"


def stream(cutter, events, framing, goodbye=True):
    body = b"".join(events)
    if framing == "close":
        return cutter.plan(HEAD.format(EVENTS, "connection: close\r\n"), body, goodbye=goodbye)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(e), e) for e in events) + b"0\r\n\r\n"
    return cutter.plan(HEAD.format(EVENTS, "transfer-encoding: chunked\r\n"), chunks, goodbye=goodbye)


def test_a_stream_that_is_cut_ends_in_the_error_of_its_family(g, cutter):
    stream(cutter, [DELTA] * 3, "close", goodbye=False)
    answer = g.chat(STREAM)
    assert answer.events()[:3] == [DELTA.decode().strip()] * 3
    assert json.loads(answer.events()[3].removeprefix("data: "))["error"]["code"] == "upstream_stream_broken"
    assert "[DONE]" not in answer.body.decode()
    assert last(g, 1)["broken"] == "tls_truncated"


def test_an_end_mark_proves_the_end_of_a_stream(g, cutter):
    stream(cutter, [DELTA, b"data: [DONE]\n\n"], "close", goodbye=False)
    answer = g.chat(STREAM)
    assert (answer.end, answer.body) == ("whole", DELTA + b"data: [DONE]\n\n")
    assert "broken" not in last(g, 1)


@pytest.mark.parametrize("framing", ["close", "chunked"])
def test_a_stream_without_its_end_mark_is_broken_in_the_record(g, cutter, framing):
    stream(cutter, [DELTA] * 3, framing)
    for count in range(1, 8):
        answer = g.chat(STREAM)
        assert (answer.status, answer.end, answer.body) == (200, "whole", DELTA * 3)
        assert last(g, count)["broken"] == "no_end_mark"
    g.wait_for_metric(7, "spillway_broken_streams_total", reason="no_end_mark")


@pytest.mark.parametrize("events, framing, goodbye, code", [
    ([DELTA] * 3, "close", False, "tls_truncated"), ([DELTA] * 3, "chunked", True, "no_end_mark"),
    ([DELTA, b"data: [DONE]\n\n"], "chunked", True, None)], ids=["cut", "no end mark", "whole"])
def test_the_ledger_tells_what_is_not_whole(gateway, cutter, tmp_path, events, framing, goodbye, code):
    g = gateway([cutter], ledger_config(tmp_path))
    stream(cutter, events, framing, goodbye)
    g.chat(STREAM)
    record, = wait_for_records(tmp_path, 1)
    assert (record["outcome"], record["code"] or None, record["status"]) == ("broken" if code else "ok", code, 200)


@pytest.mark.parametrize("target, events", [
    ("chat/completions", [DELTA, b"data: [DONE]\n\n"]),
    ("chat/completions", [DELTA, b"data: [DONE]\n"]),
    ("responses", RESPONSES),
    ("responses", [e.partition(b"\n")[2] for e in RESPONSES]),
    ("images/generations", [b'event: image_generation.partial_image\ndata: {"b64_json":"AA"}\n\n',
                            b'event: image_generation.completed\ndata: {"b64_json":"AA"}\n\n']),
], ids=["chat", "no empty line", "responses", "without names", "images"])
def test_end_marks_of_the_families(g, cutter, target, events):
    stream(cutter, events, "chunked")
    question = {**STREAM, "model": "gpt-4o", "input": "x", "prompt": "x"}
    assert g.chat(question, target=f"/openai/v1/{target}").body == b"".join(events)
    assert "broken" not in last(g, 1)
