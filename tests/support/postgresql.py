"""A PostgreSQL server of one's own, on a free port, that a test may stop, crash, freeze and start again."""

import csv
import io
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .config import free_port

PASSWORD = "database-password-0815"


def programs():
    """The folder of the newest installed server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    assert found, "no PostgreSQL server is installed (Debian package postgresql)"
    return found[-1].parent


class Postgresql:
    """with Postgresql() as server: server.url, server.password, server.query("SELECT 1")

    Usable from the return of start() on. The data outlives stop() and crash(); close() removes it.
    """

    user, database = "spillway", "ledger"

    def __init__(self, password=PASSWORD, settings=None):
        self.password, self.port, self.process = password, free_port(), None
        self.settings = {"fsync": "off", "max_connections": "20", "shared_buffers": "32MB", **(settings or {})}
        self.folder = Path(tempfile.mkdtemp(prefix="spillway-postgresql-"))
        self.output = self.folder / "server.log"
        # The server refuses to run as root.
        self.account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        if self.account:
            shutil.chown(self.folder, "postgres", "postgres")
        self._make_cluster()

    def _make_cluster(self):
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self.account:
            shutil.chown(secret, "postgres", "postgres")
        command = [programs() / "initdb", "-D", self.folder / "data", "-U", self.user, "--auth=scram-sha-256",
                   f"--pwfile={secret}", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, timeout=60, **self.account)
        secret.unlink()

    def __enter__(self):
        return self.start()

    def __exit__(self, *what):
        self.close()

    # Life

    def start(self):
        command = [programs() / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-k", self.folder,
                   "-c", "listen_addresses=127.0.0.1"]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder,
                                            **self.account)
        until = time.monotonic() + 30
        while not self._answers():
            assert self.process.poll() is None, f"the database ended at once:\n{self.log()}"
            assert time.monotonic() < until, f"the database does not answer:\n{self.log()}"
            time.sleep(0.05)
        if not self.query("SELECT 1 FROM pg_database WHERE datname = 'ledger'", database="postgres"):
            self.query(f"CREATE DATABASE {self.database}", database="postgres")
        return self

    def _answers(self):
        command = [programs() / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False, timeout=10).returncode == 0

    def stop(self):
        """An orderly end, which throws its clients out."""
        self._end(signal.SIGINT)

    def crash(self):
        """Ends at once, without a word to its clients and with nothing tidied up; start() has to recover."""
        self._end(signal.SIGQUIT)

    def _end(self, how):
        if self.process and self.process.poll() is None:
            self.thaw()
            self.process.send_signal(how)
            self.process.wait(30)

    def freeze(self):
        """Holds connections and ports but answers nothing."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self):
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in (self.process.pid, *map(int, children)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def close(self):
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return self.output.read_text(errors="replace")[-4000:]

    # Asking

    @property
    def url(self):
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{self.database}"

    def query(self, sql, database=None):
        """Rows as lists of texts; NULL is an empty text."""
        command = [programs() / "psql", "-X", "-q", "-t", "--csv", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
                   "-p", str(self.port), "-U", self.user, "-d", database or self.database, "-c", sql]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "PGPASSWORD": self.password, "PGCONNECT_TIMEOUT": "5",
                                   "PGCLIENTENCODING": "UTF8"})
        assert done.returncode == 0, done.stderr
        return list(csv.reader(io.StringIO(done.stdout)))

    def value(self, sql):
        return self.query(sql)[0][0]

    def end_connections(self):
        """Cuts every connection but the one that asks."""
        self.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                   "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
