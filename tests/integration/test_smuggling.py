"""Requests that two readers could understand differently are refused, and no backend hears of them."""

import pytest
from support.config import KEY
from support.gateway import CHAT

START = f"POST {CHAT} HTTP/1.1\r\nHost: gateway.test\r\napi-key: {KEY}\r\nContent-Type: application/json\r\n"
GET_START = f"GET /openai/v1/models HTTP/1.1\r\nHost: gateway.test\r\napi-key: {KEY}\r\n"
SMUGGLED = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nX-Smuggled: 1\r\napi-key: {KEY}\r\nContent-Length: 2\r\n\r\n{{}}"
CHUNKED_JSON = "2\r\n{}\r\n0\r\n\r\n"

SHAPES = {
    "length and encoding": START + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED_JSON,
    "encoding and length": START + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + CHUNKED_JSON,
    "two lengths": START + "Content-Length: 2\r\nContent-Length: 7\r\n\r\n{}" + "     ",
    "the same length twice": START + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "list of lengths": START + "Content-Length: 2, 2\r\n\r\n{}",
    "signed length": START + "Content-Length: +2\r\n\r\n{}",
    "negative length": START + "Content-Length: -2\r\n\r\n{}",
    "hexadecimal length": START + "Content-Length: 0x2\r\n\r\n{}",
    "length beyond all numbers": START + "Content-Length: 18446744073709551618\r\n\r\n{}",
    "empty length": START + "Content-Length:\r\n\r\n{}",
    "blank inside a length": START + "Content-Length: 2 0\r\n\r\n{}",
    "LF alone after a field": START + "Content-Length: 2\r\nX-A: b\nX-C: d\r\n\r\n{}",
    "LF alone after the start line": START.replace("HTTP/1.1\r\n", "HTTP/1.1\n") + "Content-Length: 2\r\n\r\n{}",
    "LF LF at the end": START + "Content-Length: 2\n\n{}",
    "CR alone in a value": START + "X-A: b\rContent-Length: 9\r\nContent-Length: 2\r\n\r\n{}",
    "NUL in a value": START + "X-A: b\0c\r\nContent-Length: 2\r\n\r\n{}",
    "folded field": START + "X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
    "folded first field": START.replace("Host:", " Host:") + "Content-Length: 2\r\n\r\n{}",
    "blank before the colon": START + "Content-Length : 2\r\n\r\n{}",
    "tab before the colon": START + "Transfer-Encoding\t: chunked\r\n\r\n" + CHUNKED_JSON,
    "empty field name": START + ": x\r\nContent-Length: 2\r\n\r\n{}",
    "line without a colon": START + "nonsense\r\nContent-Length: 2\r\n\r\n{}",
    "forbidden character in a name": START + "X(A): b\r\nContent-Length: 2\r\n\r\n{}",
    "other encoding": START + "Transfer-Encoding: gzip\r\n\r\n" + CHUNKED_JSON,
    "two encodings": START + "Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKED_JSON,
    "chunked twice": START + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED_JSON,
    "identity": START + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
    "xchunked": START + "Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED_JSON,
    "quoted chunked": START + 'Transfer-Encoding: "chunked"\r\n\r\n' + CHUNKED_JSON,
    "chunked with a parameter": START + "Transfer-Encoding: chunked;q=1\r\n\r\n" + CHUNKED_JSON,
    "vertical tab before chunked": START + "Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKED_JSON,
    "chunked in HTTP/1.0": START.replace("1.1\r\n", "1.0\r\n", 1) + "Transfer-Encoding: chunked\r\n\r\n" + CHUNKED_JSON,
    "chunk size with a sign": START + "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
    "chunk size with 0x": START + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "chunk size with a blank": START + "Transfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
    "chunk size too long": START + "Transfer-Encoding: chunked\r\n\r\n00000000000000002\r\n{}\r\n0\r\n\r\n",
    "chunk size beyond all numbers": START + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "chunk size without digits": START + "Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n",
    "chunk size line with LF alone": START + "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
    "chunk size line with CR alone": START + "Transfer-Encoding: chunked\r\n\r\n2\rX{}\r\n0\r\n\r\n",
    "chunk longer than said": START + "Transfer-Encoding: chunked\r\n\r\n2\r\n{ }\r\n0\r\n\r\n",
    "chunk with LF alone": START + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n",
    "LF in a chunk extension": START + "Transfer-Encoding: chunked\r\n\r\n2;a\n=b\r\n{}\r\n0\r\n\r\n",
    "bad trailer": START + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nbad trailer\0\r\n\r\n",
    "no host": START.replace("Host: gateway.test\r\n", "") + "Content-Length: 2\r\n\r\n{}",
    "two hosts": START + "Host: other.test\r\nContent-Length: 2\r\n\r\n{}",
    "bad host": START.replace("gateway.test", "gateway.test/x") + "Content-Length: 2\r\n\r\n{}",
    "url of another host": START.replace(CHAT, "http://other.test" + CHAT) + "Content-Length: 2\r\n\r\n{}",
    "connection names content-length": START + "Connection: content-length\r\nContent-Length: 2\r\n\r\n{}",
    "connection names host": START + "Connection: close, host\r\nContent-Length: 2\r\n\r\n{}",
    "two blanks in the start line": START.replace(" HTTP/1.1", "  HTTP/1.1", 1) + "Content-Length: 2\r\n\r\n{}",
    "tab in the start line": START.replace("POST ", "POST\t", 1) + "Content-Length: 2\r\n\r\n{}",
    "HTTP/2.0": START.replace("HTTP/1.1", "HTTP/2.0", 1) + "Content-Length: 2\r\n\r\n{}",
    "HTTP/1.2": START.replace("HTTP/1.1", "HTTP/1.2", 1) + "Content-Length: 2\r\n\r\n{}",
    "HTTP/0.9": f"POST {CHAT}\r\n\r\n",
    "fragment": START.replace("chat/completions", "chat/completions#x", 1) + "Content-Length: 2\r\n\r\n{}",
    "raw bytes in the path": START.replace("gpt-4o", "gpt\xe4", 1) + "Content-Length: 2\r\n\r\n{}",
    "dots in the path": START.replace("/chat/", "/../gpt-4o/chat/", 1) + "Content-Length: 2\r\n\r\n{}",
    "escaped dots in the path": START.replace("/chat/", "/%2e%2e/gpt-4o/chat/", 1) + "Content-Length: 2\r\n\r\n{}",
    "escaped slash in the path": START.replace("/chat/", "/chat%2f", 1) + "Content-Length: 2\r\n\r\n{}",
    "escaped slash and dots in a name in the path": START.replace("gpt-4o", "a%2f..%2fb", 1) + "Content-Length: 2\r\n\r\n{}",
    "escaped slash at the end of a name in the path": START.replace("gpt-4o", "a%2f", 1) + "Content-Length: 2\r\n\r\n{}",
    "escaped NUL in the path": START.replace("gpt-4o", "a%00b", 1) + "Content-Length: 2\r\n\r\n{}",
    "doubly escaped slash in the path": START.replace("gpt-4o", "a%252fb", 1) + "Content-Length: 2\r\n\r\n{}",
    "empty segment in the path": START.replace("/chat/", "//chat/", 1) + "Content-Length: 2\r\n\r\n{}",
    "CONNECT": "CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n",
    "TRACE": START.replace("POST", "TRACE", 1) + "\r\n",
    "method with a forbidden character": START.replace("POST", "PO(ST", 1) + "Content-Length: 2\r\n\r\n{}",
    "two different keys": START + "Authorization: Bearer another\r\nContent-Length: 2\r\n\r\n{}",
    "expectation nobody knows": START + "Expect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}",
    "the model twice": START.replace(CHAT, "/openai/v1/chat/completions") +
        'Content-Length: 25\r\n\r\n{"model":"a","model":"b"}',
}
REFUSALS = {400, 404, 414, 417, 431, 501, 505}


@pytest.fixture(scope="module")
def house(certs, tmp_path_factory):
    """One gateway for all shapes: each has to leave it in good order for the next."""
    from support.gateway import build
    from support.upstream import Upstream

    a = Upstream(certs, "a")
    g = build(tmp_path_factory.mktemp("smuggling"), certs, [a]).start()
    yield g, a
    g.stop()
    a.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_ambiguous_request_is_refused(house, shape):
    g, a = house
    before = len(a.requests)
    with g.connect(timeout=5) as wire:
        # Whatever follows in the same bytes must not be taken for a request of its own.
        wire.send(SHAPES[shape])
        answer = wire.read_answer()
        assert answer.status in REFUSALS, answer
        assert answer.error["message"]
        assert answer.error["code"]
        well_framed = answer.status == 404 or shape in ("two different keys", "the model twice") or "path" in shape
        if not well_framed:
            assert answer.header("connection") == "close"
            assert wire.closed_by_peer()
    assert len(a.requests) == before


@pytest.mark.parametrize("framing", ["Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                                     "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
                                     "Transfer-Encoding: x\r\nContent-Length: 0\r\n\r\n",
                                     "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
                                     "Content-Length : 0\r\n\r\n"])
def test_what_follows_an_ambiguous_request_is_never_served(house, framing):
    g, a = house
    before = len(a.requests)
    with g.connect(timeout=5) as wire:
        wire.send(GET_START + framing + SMUGGLED)
        assert 400 <= wire.read_answer("GET").status <= 505
        assert wire.closed_by_peer()
    assert len(a.requests) == before


@pytest.mark.parametrize("answer", [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "HTTP/3.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
])
def test_ambiguous_answer_of_a_backend_is_not_passed_on(pair, a, b, answer):
    def script(c, r):
        c.send(answer)
        c.close()
    a.then(script)
    assert pair.chat().json()["model"] == "b"


def test_surplus_bytes_after_an_answer_never_become_another_answer(one, a):
    def surplus(c, r):
        c.answer(200, {"model": "first"})
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"model\": \"poison\"}")
    a.then(surplus)
    assert one.chat().json()["model"] == "first"
    assert one.chat().json()["model"] == "a"
    assert a.requests[1].connection == 2


def test_backend_sees_one_clean_framing(house):
    g, a = house
    g.chat()
    raw = a.requests[-1].raw
    head = raw.partition(b"\r\n\r\n")[0].lower()
    assert head.count(b"content-length:") == 1
    assert b"transfer-encoding" not in head
    assert raw.partition(b"\r\n\r\n")[2] == a.requests[-1].body
