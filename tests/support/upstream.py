"""A scripted HTTPS server: a test says exactly which bytes are sent when, and sees exactly which bytes came."""

import json
import select
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field

from .wire import HEAD_END, first, parse_head, unchunk


@dataclass
class Received:
    """A request as it came."""
    method: str
    target: str
    fields: list
    body: bytes
    raw: bytes
    connection: int  # which connection of the server, from 1
    place: int  # which request of that connection, from 1
    at: float = field(default_factory=time.monotonic)

    def header(self, name, default=None):
        return first(self.fields, name.lower(), default)

    def json(self):
        return json.loads(self.body)


class Connection:
    """What a script does its work with."""

    def __init__(self, server, sock, number):
        self.server, self.sock, self.number = server, sock, number
        self.open = True
        self.served = 0
        self.gone_at = None  # when the peer was seen to leave

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def head(self, status=200, fields=(), reason="OK"):
        fields = fields.items() if isinstance(fields, dict) else fields
        self.send(f"HTTP/1.1 {status} {reason}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields) + "\r\n")

    def answer(self, status=200, body=b"", fields=(), content_type="application/json"):
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        body = body if isinstance(body, bytes) else body.encode()
        fields = list(fields.items() if isinstance(fields, dict) else fields)
        head = f"HTTP/1.1 {status} Because\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
        self.send(head.encode() + "".join(f"{n}: {v}\r\n" for n, v in fields).encode() + b"\r\n" + body)

    def error(self, status, code="error", message="as the test wants it", fields=()):
        self.answer(status, {"error": {"code": code, "message": message}}, fields)

    def stream_head(self, fields=()):
        self.head(200, [("content-type", "text/event-stream"), ("transfer-encoding", "chunked"), *fields])

    def chunk(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def event(self, data, name=None):
        text = data if isinstance(data, str) else json.dumps(data)
        self.chunk((f"event: {name}\n" if name else "") + f"data: {text}\n\n")

    def last_chunk(self):
        self.send(b"0\r\n\r\n")

    def close(self):
        self.open = False
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()
        except (OSError, ValueError):
            pass
        self.sock.close()

    def reset(self):
        self.open = False
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()

    def hang_up(self):
        """From outside of a script: ends the connection although a thread waits for its next request."""
        self.sock.shutdown(socket.SHUT_RDWR)

    def wait_until_peer_leaves(self, seconds=10):
        """Sets gone_at; None when the peer stayed."""
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                readable, _, _ = select.select([self.sock], [], [], 0.01)
                if readable and self.sock.recv(65536) == b"":
                    break
            else:
                return None
        except OSError:
            pass
        self.gone_at = time.monotonic()
        self.open = False
        return self.gone_at

    def read_request(self):
        raw = b""
        while HEAD_END not in raw:
            data = self.sock.recv(65536)
            if not data:
                return None
            raw += data
        head, _, rest = raw.partition(HEAD_END)
        line, fields = parse_head(head)
        method, target, _ = line.split(" ", 2)
        if first(fields, "expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        chunked = first(fields, "transfer-encoding") == "chunked"
        length = int(first(fields, "content-length", "0"))
        while True:
            body, used, done = unchunk(rest) if chunked else (rest[:length], length, len(rest) >= length)
            if done:
                break
            data = self.sock.recv(65536)
            if not data:
                return None
            rest += data
        self.served += 1
        return Received(method, target, fields, body, raw[:len(head) + 4] + rest, self.number, self.served)


def chat_completion(text="Hello", model="gpt-4o-2024-11-20"):
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}


def answer_chat(c, r):
    c.answer(200, chat_completion(model=c.server.name))


class Upstream:
    """Scripts are functions of (Connection, Received): `then()` queues one for one request each, `default` takes the
    others. A script that neither closes nor resets leaves the connection open for more requests."""

    def __init__(self, certs, name, pair=None, tls=True, default=answer_chat, port=0):
        self.name = name
        self.default = default
        self.requests = []
        self.connections = []
        self.failed_handshakes = 0
        self._queue = []
        self._lock = threading.Lock()
        self._context = certs.server_context(pair or certs.azure) if tls else None
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self):
        return f"{self.name}.openai.test"

    def then(self, *scripts):
        with self._lock:
            self._queue += scripts
        return self

    def wait_for(self, condition, seconds=5):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if condition():
                return True
            time.sleep(0.005)
        return False

    def wait_for_requests(self, count, seconds=5):
        assert self.wait_for(lambda: len(self.requests) >= count, seconds), \
            f"{self.name}: {len(self.requests)} requests"

    def close(self):
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for c in list(self.connections):
            try:
                c.hang_up()
            except OSError:
                pass

    def _accept(self):
        while not self._closing:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            sock.settimeout(60)
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
        except (OSError, ssl.SSLError):
            self.failed_handshakes += 1
            return
        with self._lock:
            c = Connection(self, sock, len(self.connections) + 1)
            self.connections.append(c)
        try:
            while c.open and (request := c.read_request()):
                with self._lock:
                    self.requests.append(request)
                    script = self._queue.pop(0) if self._queue else self.default
                script(c, request)
        except (OSError, ssl.SSLError, ValueError):
            c.gone_at = c.gone_at or time.monotonic()
        finally:
            c.open = False
            sock.close()
