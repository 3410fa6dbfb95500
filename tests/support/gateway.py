"""The real daemon: started with a configuration, asked, reloaded, and ended by SIGTERM."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import yaml

from .config import KEY, make_config, merge
from .wire import Wire

CHAT = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
V1_CHAT = "/openai/v1/chat/completions"
QUESTION = {"messages": [{"role": "user", "content": "hello"}]}
STREAM = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
SANITIZED = os.environ.get("SPILLWAY_PRESET", "release") != "release"


def binary(variable, name):
    here = Path(__file__).resolve().parents[2] / "build/release" / name
    return os.environ.get(variable, str(here))


def parse_metrics(text):
    """{(name, frozenset of label pairs): value}"""
    out = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        m = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?", line)
        assert m, f"no metric line: {line!r}"
        labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', m[2] or "")
        out[m[1], frozenset(labels)] = float(m[3])
    return out


class Gateway:
    def __init__(self, folder, certs, config):
        self.folder, self.certs, self.config = folder, certs, config
        self.file = folder / "spillway.yaml"
        self.output = folder / "gateway.log"
        self.process = None
        self.tls = certs.client_context()

    # Life

    def start(self):
        self.write(self.config)
        command = [binary("SPILLWAY_BIN", "spillway"), "run", "--config", str(self.file)]
        self.process = subprocess.Popen(command, stdout=self.output.open("ab"), stderr=subprocess.STDOUT)
        until = time.monotonic() + 20
        while True:
            try:
                if self.ask("GET", "/health/live", key=None).status == 200:
                    # The admin address opens last.
                    if "admin" in self.config:
                        Wire(self.admin_port).close()
                    return self
            except OSError:
                pass
            assert self.process.poll() is None, f"the gateway ended at once ({self.process.returncode}):\n{self.log()}"
            assert time.monotonic() < until, f"the gateway does not answer:\n{self.log()}"
            time.sleep(0.02)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=15):
        return self.process.wait(seconds)

    def stop(self):
        """A clean end: SIGTERM, exit code 0."""
        if self.process is None or self.process.poll() is not None:
            return
        self.terminate()
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the gateway did not end within 15 s of SIGTERM:\n{self.log()}") from None
        assert code == 0, f"exit code {code}:\n{self.log()}"

    def log(self):
        return self.output.read_text(errors="replace")[-8000:]

    def access_log(self):
        file = self.config["log"]["access"].get("file")
        text = Path(file).read_text() if file and Path(file).exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def wait_for_access_log(self, count, seconds=5):
        until = time.monotonic() + seconds
        while len(self.access_log()) < count:
            assert time.monotonic() < until, f"{len(self.access_log())} lines in the access log, wanted {count}"
            time.sleep(0.02)
        return self.access_log()

    def resident_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    # Configuration

    def write(self, config):
        """Puts the file in place in one step, as a careful operator does."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))
        fresh.rename(self.file)
        if not isinstance(config, str):
            self.config = config

    def change(self, over):
        self.write(merge(self.config, over))

    def reload(self, over=None):
        """Writes the change and reloads through the admin address; returns its answer."""
        if over is not None:
            self.change(over)
        return self.admin("POST", "/config/reload")

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    # Asking

    def port_of(self, listener="public"):
        return int(self.config["listeners"][listener]["address"].rpartition(":")[2])

    @property
    def port(self):
        return self.port_of()

    @property
    def admin_port(self):
        return int(self.config["admin"]["address"].rpartition(":")[2])

    @property
    def url(self):
        scheme = "https" if "tls" in self.config["listeners"]["public"] else "http"
        return f"{scheme}://localhost:{self.port}"

    def connect(self, **how):
        tls = self.tls if "tls" in self.config["listeners"]["public"] else None
        return Wire(self.port, **{"tls": tls, **how})

    def ask(self, method, target, fields=(), body=None, key=KEY, **how):
        """One request on a connection of its own."""
        fields = list(fields.items()) if isinstance(fields, dict) else list(fields)
        if key is not None:
            fields.append(("api-key", key))
        with self.connect(**how) as wire:
            return wire.ask(method, target, fields, body)

    def chat(self, body=None, fields=(), target=CHAT, **how):
        return self.ask("POST", target, fields, QUESTION if body is None else body, **how)

    def admin(self, method, target, fields=(), body=None):
        port = self.admin_port
        if body is None and method == "POST":
            body = b""
        fields = list(fields.items()) if isinstance(fields, dict) else list(fields)
        if "host" not in (name.lower() for name, _ in fields):
            fields.append(("Host", f"127.0.0.1:{port}"))
        with Wire(port) as wire:
            return wire.ask(method, target, fields, body)

    def status(self):
        return self.admin("GET", "/status").json()

    def metrics(self):
        return parse_metrics(self.admin("GET", "/metrics").body.decode())

    def metric(self, name, **labels):
        """The sum over all series of that name that have these labels."""
        wanted = set(labels.items())
        return sum(v for (n, have), v in self.metrics().items() if n == name and wanted <= have)

    def wait_for_metric(self, value, name, seconds=5, **labels):
        until = time.monotonic() + seconds
        while (now := self.metric(name, **labels)) != value:
            assert time.monotonic() < until, f"{name}{labels} is {now}, wanted {value}"
            time.sleep(0.05)


def build(folder, certs, upstreams, over=None):
    return Gateway(folder, certs, make_config(certs, folder, upstreams, over))
