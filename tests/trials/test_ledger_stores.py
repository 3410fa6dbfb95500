"""What is done to a ledger's store while its gateway writes, with the counts at which it once was tried."""

import sqlite3
import threading
import time

import pytest
from support.gateway import CHAT
from support.postgresql import Postgresql


@pytest.fixture
def server():
    with Postgresql() as started:
        yield started


def ask(g, count):
    for _ in range(count):
        assert g.ask("POST", CHAT, (), {"messages": []}).status == 200


def until(what, seconds=40):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def in_postgresql(bare, tmp_path, server):
    (tmp_path / "password").write_text(server.password)
    (tmp_path / "password").chmod(0o600)

    def make():
        g, _ = bare("a", over={"usage": {"spool": str(tmp_path / "spool"), "store": server.url,
                                         "password": f"file:{tmp_path}/password"}})
        def rows():
            there = server.value("SELECT to_regclass('usage_records') IS NOT NULL")
            return int(server.value("SELECT count(*) FROM usage_records")) if there == "t" else -1

        return g, rows

    return make


@pytest.fixture
def in_sqlite(bare, tmp_path):
    path = tmp_path / "usage.db"

    def rows():
        with sqlite3.connect(path, timeout=10) as db:
            there = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'records'").fetchone()[0]
            return db.execute("SELECT count(*) FROM records").fetchone()[0] if there else -1

    def sql(statement):
        with sqlite3.connect(path, timeout=10, isolation_level=None) as db:
            db.execute(statement)

    def make():
        g, _ = bare("a", over={"usage": {"spool": str(tmp_path / "spool"), "store": f"sqlite:{path}"}})
        return g, rows, sql, path

    return make


def nothing_aside(folder):
    return not list((folder / "spool").glob("rejected.*"))


def test_three_stops_and_three_crashes_of_the_server_amid_load(in_postgresql, server, tmp_path):
    g, rows = in_postgresql()
    ended, served = threading.Event(), []

    def load():
        while not ended.is_set():
            if g.ask("POST", CHAT, (), {"messages": []}).status == 200:
                served.append(1)
            time.sleep(0.004)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for end in (server.stop, server.crash) * 3:
            time.sleep(1.5)
            end()
            time.sleep(0.4)
            server.start()
    finally:
        ended.set()
        for t in threads:
            t.join()
    until(lambda: rows() >= len(served))
    assert rows() == len(served) and nothing_aside(tmp_path)


def test_a_later_version_amid_and_a_version_row_that_is_gone(in_postgresql, server, tmp_path):
    g, rows = in_postgresql()
    ask(g, 5)
    until(lambda: rows() == 5)
    for spoil, mend in (("UPDATE usage_schema SET version = 99", "UPDATE usage_schema SET version = 1"),
                        ("DELETE FROM usage_schema", "INSERT INTO usage_schema VALUES (1)")):
        server.query(spoil)
        server.stop()
        server.start()
        before = rows()
        ask(g, 5)
        until(lambda: not g.status()["usage"]["up"])
        server.query(mend)
        until(lambda want=before + 5: rows() == want)
    assert nothing_aside(tmp_path)


def test_a_table_that_was_partitioned_by_hand_waits(in_postgresql, server, tmp_path):
    g, rows = in_postgresql()
    ask(g, 5)
    until(lambda: rows() == 5)
    for statement in ("ALTER TABLE usage_records RENAME TO old",
                      "CREATE TABLE usage_records (LIKE old INCLUDING DEFAULTS) PARTITION BY RANGE (time)",
                      "CREATE TABLE usage_2020 PARTITION OF usage_records "
                      "FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
                      "CREATE UNIQUE INDEX ON usage_records(id, time)"):
        server.query(statement)
    ask(g, 200)
    until(lambda: not g.status()["usage"]["up"])
    assert g.status()["usage"]["waiting"] == 200
    server.query("DROP TABLE usage_records")
    server.query("ALTER TABLE old RENAME TO usage_records")
    until(lambda: rows() == 205)
    assert nothing_aside(tmp_path)


def test_sqlite_of_a_later_version_and_a_table_that_was_renamed_away(in_sqlite, tmp_path):
    g, rows, sql, _ = in_sqlite()
    ask(g, 10)
    until(lambda: rows() == 10)
    sql("PRAGMA user_version = 99")
    ask(g, 10)
    g.stop()
    g.start()
    ask(g, 10)
    until(lambda: not g.status()["usage"]["up"])
    sql("PRAGMA user_version = 1")
    until(lambda: rows() == 30)
    sql("ALTER TABLE records RENAME TO gone")
    ask(g, 20)
    until(lambda: not g.status()["usage"]["up"])
    sql("ALTER TABLE gone RENAME TO records")
    until(lambda: rows() == 50)
    assert nothing_aside(tmp_path)


def test_sqlite_beside_a_long_reader(in_sqlite, tmp_path):
    g, rows, _, path = in_sqlite()
    ask(g, 10)
    until(lambda: rows() == 10)
    reader = sqlite3.connect(path, isolation_level=None)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        ask(g, 1500)
        until(lambda: rows() == 1510)
        assert reader.execute("SELECT count(*) FROM records").fetchone() == (10,)
    finally:
        reader.close()
    ask(g, 20)
    until(lambda: rows() == 1530)
    assert nothing_aside(tmp_path)
