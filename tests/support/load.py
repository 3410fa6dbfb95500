"""Many requests a second through gateways, from one thread; of each it is known how its answer ended."""

import asyncio
import re
import time
from dataclasses import dataclass

_LENGTH = re.compile(rb"content-length: *(\d+)")
_TOKENS = re.compile(rb'"(prompt_tokens|input_tokens|completion_tokens|output_tokens|cached_tokens|reasoning_tokens)":'
                     rb' ?(\d+)')
_NAMES = {b"input_tokens": b"prompt_tokens", b"output_tokens": b"completion_tokens"}


@dataclass(slots=True)
class Asked:
    id: str
    client: int
    kind: str
    gateway: int = -1
    life: int = 0  # of that gateway
    status: int = 0
    end: str = ""  # whole, left (by us), cut (by the gateway)
    tokens: dict | None = None  # as the answer told them
    ended: float = 0
    failed: bool = False  # the answer tells an error amid a stream
    wrong: str = ""  # what is not as it should be with the answer


def told_tokens(body):
    """Of the last usage in an answer; None: there is none."""
    at = body.rfind(b'"usage":{')
    if at < 0:
        return None
    out = {"prompt_tokens": 0, "completion_tokens": 0, "cached_tokens": 0, "reasoning_tokens": 0}
    for name, number in _TOKENS.findall(body, at):
        out[_NAMES.get(name, name).decode()] = int(number)
    return out


class Connection(asyncio.Protocol):
    """One request after the other. The future of ask() holds how the answer ended."""

    def __init__(self):
        self.lost, self.closing, self.waiting, self.life = False, False, None, 0

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, request, leave_after=0):
        self.buffer, self.status, self.body_at, self.until = bytearray(), 0, 0, 0
        self.leave_after, self.closing, self.began = leave_after, False, time.monotonic()
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.waiting

    def _end(self, how):
        if self.waiting and not self.waiting.done():
            self.waiting.set_result(how)

    def leave(self, how):
        self.lost = True
        self.transport.abort()
        self._end(how)

    def data_received(self, data):
        if self.waiting is None or self.waiting.done():
            return
        buffer = self.buffer
        buffer += data
        if not self.body_at:
            at = buffer.find(b"\r\n\r\n")
            if at < 0:
                return
            head = bytes(buffer[:at]).lower()
            length = _LENGTH.search(head)
            self.status, self.body_at = int(head[9:12]), at + 4
            self.until = at + 4 + int(length[1]) if length else 0
            self.closing = b"connection: close" in head
        if self.leave_after and buffer.count(b"data: ", self.body_at) >= self.leave_after:
            self.leave("left")
        elif len(buffer) >= self.until if self.until else buffer.endswith(b"\r\n0\r\n\r\n"):
            self._end("whole")

    def connection_lost(self, _):
        self.lost = True
        self._end("cut")


class Load:
    """`plan` gives (Asked, request as bytes, after how many events to leave) one after the other; `ports` are the
    gateways'. Whoever restarts a gateway counts up `lives`, before it listens again. No request goes out while as many
    as `allowed` have."""

    def __init__(self, plan, ports, connections=32, patience=30):
        self.plan, self.ports, self.patience = iter(plan), ports, patience
        self.connections = connections  # to each gateway
        self.lives = [1] * len(ports)
        self.asked, self.allowed = [], float("inf")
        self.open = set()
        self.seconds = 0

    async def run(self):
        began = time.monotonic()
        watch = asyncio.create_task(self._watch())
        try:
            await asyncio.gather(*(self._work(g) for g in range(len(self.ports)) for _ in range(self.connections)))
        finally:
            watch.cancel()
            self.seconds = time.monotonic() - began
        return self

    async def _watch(self):
        while True:
            await asyncio.sleep(1)
            late = time.monotonic() - self.patience
            for c in list(self.open):
                if c.waiting and not c.waiting.done() and c.began < late:
                    c.leave("stuck")

    async def _connect(self, gateway):
        while True:
            life = self.lives[gateway]
            try:
                _, made = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1",
                                                                             self.ports[gateway])
            except OSError:
                await asyncio.sleep(0.02)
                continue
            if life != self.lives[gateway]:  # which one took it?
                made.leave("")
                continue
            made.life = life
            self.open.add(made)
            return made

    async def _work(self, gateway):
        connection = None
        while True:
            if connection is None or connection.lost or connection.closing:
                if connection is not None:
                    self.open.discard(connection)
                    connection.transport.close()
                connection = await self._connect(gateway)
            if len(self.asked) >= self.allowed:
                await asyncio.sleep(0.005)
                continue
            try:
                asked, request, leave_after = next(self.plan)
            except StopIteration:
                connection.transport.close()
                return
            asked.gateway, asked.life = gateway, connection.life
            self.asked.append(asked)
            asked.end = await connection.ask(request, leave_after)
            asked.ended = time.monotonic()
            asked.status = connection.status
            if asked.end == "whole":
                _look_at(asked, bytes(connection.buffer[connection.body_at:]))


def _look_at(asked, body):
    asked.tokens = told_tokens(body)
    if asked.status != 200:
        return
    asked.failed = b'"error":{' in body or b"event: error\n" in body or b"response.failed" in body
    if asked.kind in ("chat_stream", "old_stream") and b'"usage"' in body:
        asked.wrong = "a stream tells usage that its client did not ask for"
    if asked.kind.startswith("chat_stream") and b"data: [DONE]" not in body and b'"error"' not in body:
        asked.wrong = "a stream came whole without its end"
    if asked.kind in ("chat", "chat_stream_usage", "responses", "responses_stream", "embeddings") and \
            asked.tokens is None and b'"error"' not in body:
        asked.wrong = "the usage is missing"
