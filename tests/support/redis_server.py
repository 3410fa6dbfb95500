"""A Redis server of one's own, on a free port, that a test may stop, crash, freeze and start again."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .config import free_port


class RedisError(Exception):
    pass


class RedisServer:
    """with RedisServer(password="...") as server: server.url, server.command("GET", "key")

    Keeps nothing over a restart, unless `durable`. `tls`: (certificate, key) for a second port, see tls_url.
    """

    def __init__(self, password=None, durable=False, tls=None):
        assert shutil.which("redis-server"), "no Redis server is installed (Debian package redis-server)"
        self.password, self.durable, self.port, self.process = password, durable, free_port(), None
        self.tls, self.tls_port = tls, free_port() if tls else 0
        self.folder = Path(tempfile.mkdtemp(prefix="spillway-redis-"))
        self.output = self.folder / "server.log"

    def __enter__(self):
        return self.start()

    def __exit__(self, *what):
        self.close()

    # Life

    def start(self):
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": '""',
                    "appendonly": "yes" if self.durable else "no"}
        if self.tls:
            certificate, key = self.tls
            settings |= {"tls-port": self.tls_port, "tls-cert-file": certificate, "tls-key-file": key,
                         "tls-auth-clients": "no"}
        if self.password:
            settings["requirepass"] = self.password
        file = self.folder / "redis.conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(["redis-server", file], stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None, f"Redis ended at once:\n{self.log()}"
            assert time.monotonic() < until, f"Redis does not answer:\n{self.log()}"
            time.sleep(0.02)
        return self

    def _answers(self):
        try:
            return self.command("PING") == "PONG"
        except (OSError, RedisError):
            return False

    def stop(self):
        self._end(signal.SIGTERM)

    def crash(self):
        self._end(signal.SIGKILL)

    def _end(self, how):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            self.process.wait(20)

    def freeze(self):
        """Holds connections and its port but answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return self.output.read_text(errors="replace")[-4000:]

    # Asking

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    @property
    def tls_url(self):
        return f"rediss://localhost:{self.tls_port}"

    def command(self, *words):
        """The answer as text, number, list or None. RedisError: the server's own error."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s, s.makefile("rwb") as wire:
            if self.password:
                _ask(wire, ("AUTH", self.password))
            return _ask(wire, words)

    def keys(self, pattern="*"):
        return sorted(self.command("KEYS", pattern))


def _ask(wire, words):
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    wire.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
    wire.flush()
    return _answer(wire)


def _answer(wire):
    line = wire.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("Redis closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise RedisError(rest.decode())
    if kind == b"+":
        return rest.decode()
    if kind == b":":
        return int(rest)
    if int(rest) < 0:
        return None
    if kind == b"*":
        return [_answer(wire) for _ in range(int(rest))]
    text = wire.read(int(rest) + 2)[:-2]
    return text.decode(errors="surrogateescape")
