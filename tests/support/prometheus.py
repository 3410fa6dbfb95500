"""A Prometheus of one's own, on a free port, that scrapes what it is given."""

import json
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from .config import free_port


class QueryError(Exception):
    pass


class Exposition:
    """An address that answers every scrape with `text`, which a test may change."""

    def __init__(self, text=""):
        self.text = text
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = outer.text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *what):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Prometheus:
    """with Prometheus(["127.0.0.1:9901"], rules=[path]) as p: p.query("up")"""

    def __init__(self, targets, rules=(), interval="1s"):
        assert shutil.which("prometheus"), "no Prometheus is installed (Debian package prometheus)"
        self.targets, self.rules, self.interval, self.port = list(targets), list(rules), interval, free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="spillway-prometheus-"))
        self.output = self.folder / "server.log"
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *what):
        self.close()

    def start(self):
        settings = {"global": {"scrape_interval": self.interval, "evaluation_interval": self.interval},
                    "rule_files": [str(Path(r).resolve()) for r in self.rules],
                    "scrape_configs": [{"job_name": "spillway", "static_configs": [{"targets": self.targets}]}]}
        file = self.folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(settings))
        command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={self.folder / 'data'}",
                   f"--web.listen-address=127.0.0.1:{self.port}"]
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + 30
        while not self._ready():
            assert self.process.poll() is None, f"Prometheus ended at once:\n{self.log()}"
            assert time.monotonic() < until, f"Prometheus does not answer:\n{self.log()}"
            time.sleep(0.05)
        return self

    def _ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return self.output.read_text(errors="replace")[-4000:]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def api(self, path, **parameters):
        """QueryError: what Prometheus says is wrong with it."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}",
                                        timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as e:
            raise QueryError(json.load(e)["error"]) from None

    def query(self, expression):
        """[(labels, value)] of an instant vector."""
        return [(r["metric"], float(r["value"][1])) for r in self.api("query", query=expression)["result"]]

    def wait_for(self, expression, seconds=20):
        """The first answer that is not empty."""
        until = time.monotonic() + seconds
        while not (found := self.query(expression)):
            assert time.monotonic() < until, f"nothing for {expression}"
            time.sleep(0.1)
        return found
