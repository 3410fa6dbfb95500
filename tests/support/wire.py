"""HTTP/1.1 by hand: a client that sends exactly the bytes it is told to and notes when each byte came."""

import json
import os
import socket
import ssl
import time
from dataclasses import dataclass, field

HEAD_END = b"\r\n\r\n"


def parse_head(head: bytes):
    """Returns (start line, [(lower-case name, value)])."""
    lines = head.decode("latin-1").split("\r\n")
    fields = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        fields.append((name.lower(), value.strip()))
    return lines[0], fields


def first(fields, name, default=None):
    return next((v for n, v in fields if n == name), default)


def unchunk(raw: bytes):
    """Returns (payload, bytes consumed, whether the last chunk came)."""
    out, at = bytearray(), 0
    while True:
        eol = raw.find(b"\r\n", at)
        if eol < 0:
            return bytes(out), at, False
        size = int(raw[at:eol].split(b";")[0], 16)
        begin = eol + 2
        if size == 0:
            end = raw.find(b"\r\n", begin) if raw[begin:begin + 2] == b"\r\n" else raw.find(HEAD_END, begin) + 2
            return bytes(out), end + 2, end >= begin
        if len(raw) < begin + size + 2:
            out += raw[begin:begin + size]
            return bytes(out), at, False
        out += raw[begin:begin + size]
        at = begin + size + 2


@dataclass
class Answer:
    status: int = 0
    reason: str = ""
    fields: list = field(default_factory=list)
    raw: bytes = b""  # the body with its framing
    body: bytes = b""
    arrivals: list = field(default_factory=list)  # (monotonic seconds, bytes of raw)
    end: str = ""  # how the body ended: whole, cut (too early), reset

    def header(self, name, default=None):
        return first(self.fields, name.lower(), default)

    def headers(self, name):
        return [v for n, v in self.fields if n == name.lower()]

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json()["error"]

    def arrived(self, marker: bytes):
        """When the last byte of the marker came."""
        seen = b""
        for when, piece in self.arrivals:
            seen += piece
            if marker in seen:
                return when
        raise AssertionError(f"{marker!r} never came")

    def events(self):
        return [e for e in self.body.decode().split("\n\n") if e]


class Wire:
    """One client connection. `tls` is an SSLContext, or None for plain HTTP."""

    def __init__(self, port, tls=None, host="127.0.0.1", name="localhost", timeout=15, receive_buffer=None,
                 source=None):
        raw = socket.socket()
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(timeout)
        if source:
            raw.bind((source, 0))
        raw.connect((host, port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = raw
        if tls:
            self.sock = tls.wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False)
        self.pending = b""
        self.end = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def close(self):
        self.sock.close()

    def reset(self):
        """Leaves with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()

    def half_close(self):
        """Ends the TCP stream towards the peer without a word of TLS."""
        with socket.socket(fileno=os.dup(self.sock.fileno())) as tcp:
            tcp.shutdown(socket.SHUT_WR)

    def recv(self, size=65536):
        """b"" at the end of the connection; self.end then says which end it was."""
        try:
            data = self.sock.recv(size)
        except ssl.SSLEOFError:
            self.end = "cut"
            return b""
        except (ConnectionResetError, BrokenPipeError):
            self.end = "reset"
            return b""
        if not data:
            self.end = "closed"
        return data

    def closed_by_peer(self, seconds=5):
        self.sock.settimeout(seconds)
        try:
            return self.recv() == b""
        except TimeoutError:
            return False

    def read_head(self):
        while HEAD_END not in self.pending:
            data = self.recv()
            if not data:
                raise ConnectionError(f"connection {self.end} before the head; got {self.pending!r}")
            self.pending += data
        head, _, self.pending = self.pending.partition(HEAD_END)
        line, fields = parse_head(head)
        answer = Answer(fields=fields)
        _, status, *reason = line.split(" ", 2)
        answer.status, answer.reason = int(status), "".join(reason)
        return answer

    def read_answer(self, method="POST", interim=False):
        answer = self.read_head()
        while answer.status < 200 and not interim:
            answer = self.read_head()
        self.read_body(answer, method)
        return answer

    def read_body(self, answer, method="POST"):
        pending, self.pending = self.pending, b""
        if pending:
            answer.arrivals.append((time.monotonic(), pending))
        raw = pending
        length = answer.header("content-length")
        chunked = answer.header("transfer-encoding") == "chunked"
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            length, chunked = "0", False
        while True:
            if chunked:
                body, used, done = unchunk(raw)
            elif length is not None:
                used = int(length)
                body, done = raw[:used], len(raw) >= used
            else:
                body, used, done = raw, len(raw), False
            if done:
                answer.end = "whole"
                break
            data = self.recv()
            if not data:
                clean = length is None and not chunked and self.end == "closed"
                answer.end = "whole" if clean else "reset" if self.end == "reset" else "cut"
                used = len(raw)
                break
            answer.arrivals.append((time.monotonic(), data))
            raw += data
        answer.raw, answer.body, self.pending = raw[:used], body, raw[used:]
        return answer

    def request(self, method, target, fields=(), body=None, version="1.1"):
        """Sends a request with the usual framing, and only that; read with read_answer()."""
        self.send(compose(method, target, fields, body, version))
        return self

    def ask(self, method, target, fields=(), body=None):
        return self.request(method, target, fields, body).read_answer(method)


def compose(method, target, fields=(), body=None, version="1.1"):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    fields = list(fields.items()) if isinstance(fields, dict) else list(fields)
    names = {n.lower() for n, _ in fields}
    head = f"{method} {target} HTTP/{version}\r\n"
    if "host" not in names:
        head += "Host: gateway.test\r\n"
    if body is not None:
        if "content-type" not in names:
            head += "Content-Type: application/json\r\n"
        if not names & {"content-length", "transfer-encoding"}:
            head += f"Content-Length: {len(body)}\r\n"
    for name, value in fields:
        head += f"{name}: {value}\r\n"
    return head.encode("latin-1") + b"\r\n" + (body or b"")
