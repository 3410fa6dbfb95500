"""Requests that try to hide another request, and answers that try to become another client's."""

import itertools

import pytest
from support.config import KEY
from support.gateway import CHAT
from support.wire import Wire

HOST = "Host: gateway.test\r\n"
KEYED = f"api-key: {KEY}\r\n"
JSON = "Content-Type: application/json\r\n"
LINE = f"POST {CHAT} HTTP/1.1\r\n"
FOLLOWER = (f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-request-id: follower\r\nConnection: close\r\n{KEYED}{JSON}"
            "Content-Length: 15\r\n\r\n{\"messages\":[]}")
HIDDEN = (f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-request-id: hidden\r\n{KEYED}{JSON}"
          "Content-Length: 15\r\n\r\n{\"messages\":[]}")


def lengths():
    n = len(HIDDEN)
    for v in (f"+{n}", f"-{n}", f"{n}.0", f"{n},", f",{n}", f"{n}, {n}", f"{n} {n}", f"0x{n:x}", f"{n:o}o", f"{n}\t0",
              f"{n}_0", "", " ", "0, 0", f"0,{n}", f"{n};q=1", f"\"{n}\"", f"'{n}'", f"{n}\x0b", f"\x0b{n}", f"{n}\x00",
              f"{n}e0", "9" * 30, str(2**63), str(2**64), str(2**64 + n), f"{n}\x85", f"0{n}", f"  {n}", f"{n}  "):
        yield f"Content-Length: {v}\r\n\r\n"


def length_names():
    n = len(HIDDEN)
    for name in ("Content-Length ", "Content-Length\t", "Content_Length", "Content Length", "Content-Lengt", "X-Content-Length",
                 " Content-Length", "\tContent-Length", "Content-Length\x00", "\"Content-Length\"", "content-length", "CONTENT-LENGTH",
                 "Content-Length:", "Content-\r\n Length", "Content-Length\x0b"):
        yield f"{name}: {n}\r\n\r\n"


def encodings():
    chunked = f"{len(HIDDEN):x}\r\n{HIDDEN}\r\n0\r\n\r\n"
    values = ("chunked, identity", "identity, chunked", "gzip", "x", "chunked,", ",chunked", " chunked", "chunked ", "chunked;a=b",
              "\"chunked\"", "chunked chunked", "chunked\x00", "\x0bchunked", "chunke", "chunkedd", "CHUNKED", "Chunked", "c hunked",
              "chunked,chunked", "identity", "", "\tchunked", "deflate, chunked", "chunked\x0c", "xchunked", "chunked, gzip")
    for v in values:
        yield f"Transfer-Encoding: {v}\r\n\r\n{chunked}"
    for name in ("Transfer-Encoding ", "Transfer_Encoding", "Transfer Encoding", " Transfer-Encoding", "TRANSFER-ENCODING",
                 "Transfer-Encoding\t", "X-Transfer-Encoding", "Transfer-Encodin", "TE", "Transfer-\r\n Encoding"):
        yield f"{name}: chunked\r\nContent-Length: 4\r\n\r\n{chunked}"


def chunks():
    size = f"{len(HIDDEN):x}"
    sizes = (size, size.upper(), "0" + size, "0" * 15 + size, "0x" + size, "+" + size, "-" + size, " " + size, size + " ", size + "\t",
             size + ";", size + ";a", size + ";a=b", size + ";a=\"b\"", size + ";a=\"\r\n\"", size + "\n", size + ";\n", size + "\r",
             "\n" + size, size + "g", "g" + size, "", "f" * 16, "f" * 17, "8" + "0" * 15, size + ",1", size + ".0", size + "\x00",
             "\x0b" + size, size + ";" + "a" * 200, size + "; a = b", size + "\x85")
    for s in sizes:
        yield f"Transfer-Encoding: chunked\r\n\r\n{s}\r\n{HIDDEN}\r\n0\r\n\r\n"
    for end in ("\n", "\r", "", "x\r\n", "\r\r\n", " \r\n", "\n\n"):
        yield f"Transfer-Encoding: chunked\r\n\r\n{size}\r\n{HIDDEN}{end}0\r\n\r\n"
    for last in ("0\r\n", "00\r\n", "0" * 20 + "\r\n", "0;a\r\n", "0\n", "-0\r\n", "+0\r\n", "0x0\r\n", "0 \r\n"):
        for trailer in ("\r\n", "A: b\r\n\r\n", "Content-Length: 7\r\n\r\n"):
            yield f"Transfer-Encoding: chunked\r\n\r\n{size}\r\n{HIDDEN}\r\n{last}{trailer}"


def lines():
    path = CHAT
    rest = f"{HOST}{KEYED}{JSON}Content-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}"
    for line in (f"POST http://gateway.test{path} HTTP/1.1", f"POST https://gateway.test{path} HTTP/1.1", f"POST //gateway.test{path} HTTP/1.1",
                 "POST * HTTP/1.1", "CONNECT gateway.test:443 HTTP/1.1", f"POST {path}", f"POST {path} HTTP/0.9", f"POST {path} HTTP/1.0",
                 f"POST {path} HTTP/1.2", f"POST {path} HTTP/2.0", f"POST {path} HTTP/11", f"POST {path} http/1.1", f"POST  {path} HTTP/1.1",
                 f"POST\t{path}\tHTTP/1.1", f"POST {path} HTTP/1.1 ", f" POST {path} HTTP/1.1", f"POST {path} HTTP/1.1 x", f"PO ST {path} HTTP/1.1",
                 f"POST {path}\x00 HTTP/1.1", f"POST {path}\x0b HTTP/1.1", f"POST {path} HTTP/1.1\r", f"post {path} HTTP/1.1",
                 f"GET {path} HTTP/1.1", f"TRACE {path} HTTP/1.1", f"PRI * HTTP/2.0", f"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nPOST {path} HTTP/1.1",
                 f"\x16\x03\x01\x02\x00POST {path} HTTP/1.1", f"POST {path}#x HTTP/1.1", f"POST \\{path} HTTP/1.1", f"POST {path}%00 HTTP/1.1"):
        yield f"{line}\r\n{rest}"


def fields():
    rest = f"Content-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}"
    for f in ("Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host: a,b\r\n", "Host: a/b\r\n", "Host:\r\n", "Host: a@b\r\n", "Host: [::1\r\n",
              "Host: a:b\r\n", "Host: a:99999999\r\n", "Host: \x00\r\n", f"{HOST}X: a\nb\r\n", f"{HOST}X: a\rb\r\n", f"{HOST}X: \x00\r\n",
              f"{HOST}X\r\n", f"{HOST}: x\r\n", f"{HOST}X Y: z\r\n", f"{HOST}X: a\r\n b\r\n", f"{HOST}X: a\r\n\tb\r\n", f"{HOST}(X): y\r\n",
              f"{HOST}X\x80: y\r\n", f"{HOST}Connection: content-length\r\n", f"{HOST}Connection: host\r\n",
              f"{HOST}Connection: close, transfer-encoding\r\n", f"{HOST}Upgrade: h2c\r\nConnection: upgrade\r\n",
              f"{HOST}Expect: 100-continue, x\r\n", f"{HOST}Expect: 200\r\n", f"{HOST}X: \x7f\r\n", f"{HOST}X: \x01\r\n",
              f"{HOST}" + "X: y\r\n" * 200, f"{HOST}X: {'y' * 40000}\r\n", f"{HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"):
        yield f"{LINE}{f}{KEYED}{JSON}{rest}"


def shapes():
    start = LINE + HOST + KEYED + JSON
    for framing in itertools.chain(lengths(), length_names()):
        yield start + framing + HIDDEN
    for framing in itertools.chain(encodings(), chunks()):
        yield start + framing
    yield from lines()
    yield from fields()


def ask(g, data):
    """Everything that comes back until the gateway closes, or stays quiet."""
    got = b""
    with Wire(g.port, None, timeout=1.5) as wire:
        try:
            wire.send(data)
            while more := wire.recv():
                got += more
        except (TimeoutError, OSError):
            pass
    return got


def test_no_request_hides_another(bare):
    """Requests whose heads or framing two readers could take differently, each with one behind it. There are 208 here and
    70 more in integration/test_smuggling.py."""
    g, (a,) = bare("a")
    for shape in shapes():
        del a.requests[:]
        ask(g, shape + FOLLOWER)
        seen = [r.header("x-request-id") for r in list(a.requests)]
        assert "hidden" not in seen, shape
        assert seen.count("follower") <= 1, shape
        assert all(r.body == b'{"messages":[]}' for r in a.requests), shape
    assert g.ask("POST", CHAT, body={"messages": []}).status == 200


EARLY = {"no key": (HOST, ""), "wrong key": (HOST + "api-key: wrong\r\n", ""), "unknown path": (HOST + KEYED, "/nowhere"),
         "unknown version": (HOST + KEYED, "/openai/v1/nowhere"), "probe": (HOST, "/health/live"), "models": (HOST + KEYED, "/openai/v1/models"),
         "dated models": (HOST + KEYED, "/openai/models?api-version=2024-10-21")}


@pytest.mark.parametrize("why", EARLY)
@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
@pytest.mark.parametrize("piece", [1 << 20, 1, 7])
def test_a_body_behind_an_early_answer_is_no_request(bare, why, method, piece):
    g, (a,) = bare("a")
    head, path = EARLY[why]
    body = HIDDEN
    for framing in (f"Content-Length: {len(body)}\r\n\r\n{body}", f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n"):
        data = f"{method} {path or CHAT} HTTP/1.1\r\nConnection: close\r\n{head}{framing}".encode("latin-1")
        with Wire(g.port, None, timeout=1.5) as wire:
            try:
                for at in range(0, len(data), piece):
                    wire.send(data[at:at + piece])
                while wire.recv():
                    pass
            except (TimeoutError, OSError):
                pass
    assert not a.requests


def answers():
    body = b'{"model":"hostile"}'
    length = b"Content-Length: %d\r\n" % len(body)
    ok = b"HTTP/1.1 200 OK\r\n"
    for status in (100, 102, 103, 199):
        yield b"HTTP/1.1 %d X\r\n\r\n" % status * 3 + ok + length + b"\r\n" + body
    yield b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    for extra in (b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"X: a\r\n b\r\n", b"X: a\rb\r\n", b"X: \0\r\n", b"X : y\r\n",
                  b": y\r\n", b"nonsense\r\n", b"X: a\nSet-Cookie: b\r\n", b"X: " + b"y" * 70000 + b"\r\n", b"X: y\r\n" * 200,
                  b"Connection: close\r\n", b"Connection: x-request-id\r\n", b"Set-Cookie: a=b\r\n", b"Location: http://x\r\n"):
        yield ok + extra + length + b"\r\n" + body
    for value in (b"-1", b"1e3", b"", b"99999999999999999999", b"19, 19", b"0x13", b"+19"):
        yield ok + b"Content-Length: " + value + b"\r\n\r\n" + body
    for status in (b"000", b"99", b"600", b"999", b"20", b"2000", b"2x0", b""):
        yield b"HTTP/1.1 " + status + b" X\r\n" + length + b"\r\n" + body
    for line in (b"HTTP/2.0 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1\t200\tOK", b"ICY 200 OK", b"200 OK", b"\0" * 50, b"HTTP/1.1 200"):
        yield line + b"\r\n" + length + b"\r\n" + body
    chunked = ok + b"Transfer-Encoding: chunked\r\n\r\n"
    for rest in (b"13\r\n" + body + b"\r\n0\r\n\r\n", b"-1\r\n", b"zz\r\n", b"ffffffffffffffffff\r\n", b"13\n" + body, b"13\r\n" + body + b"xx0\r\n\r\n",
                 b"13;" + b"a" * 70000, b"13\r\n" + body + b"\r\n0\r\nX: y\r\n\r\n", b"0\r\n\r\n" + ok + length + b"\r\n" + body):
        yield chunked + rest
    for status in (204, 304):
        yield b"HTTP/1.1 %d X\r\n" % status + length + b"\r\n" + body
    yield ok + length + b"\r\n" + body + ok + length + b"\r\n" + body
    yield ok + b"\r\n" + body
    for te in (b"gzip, chunked", b"chunked, gzip", b"identity", b"xchunked", b"CHUNKED", b"chunked\r\nTransfer-Encoding: chunked"):
        yield ok + b"Transfer-Encoding: " + te + b"\r\n\r\n13\r\n" + body + b"\r\n0\r\n\r\n"
    yield b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n13\r\n" + body + b"\r\n0\r\n\r\n"
    yield ok + b"Content-Length: 019\r\n\r\n" + body
    yield ok[:-2] + b"\r" + length + b"\r\n" + body
    yield b""


def test_no_answer_becomes_another_clients(bare):
    """Hostile answers, each kept open and closed, then two requests of another client."""
    g, (a,) = bare("a", over={"pools": {"main": {"breaker": {"failures": 1000}, "timeouts": {"first_byte": "300ms", "idle": "300ms"}}}})
    for answer in answers():
        for close in (False, True):
            def script(c, r, data=answer, leave=close):
                c.send(data)
                if leave:
                    c.close()
            a.then(script)
            got = ask(g, FOLLOWER)
            assert b"\nSet-Cookie" not in got and b"\r\nLocation" not in got, answer
            assert g.process.poll() is None
            del a._queue[:]
            for _ in range(2):
                other = g.ask("POST", CHAT, body={"messages": []})
                assert other.status in (200, 503) and b"hostile" not in other.body, answer
