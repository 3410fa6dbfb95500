"""Kills, reloads and crowds, with the counts at which they once were tried."""

import json
import threading
import time

from support.config import KEY
from support.gateway import CHAT, STREAM
from support.wire import Wire


def ledger(tmp_path):
    return {"usage": {"spool": str(tmp_path / "spool"), "store": f"sqlite:{tmp_path}/usage.db"}}


def test_no_record_is_lost_by_twelve_kills_under_load(bare, tmp_path):
    import sqlite3

    g, (a,) = bare("a", over=ledger(tmp_path))
    seen, ended = set(), threading.Event()
    lock = threading.Lock()

    def ask(number):
        n = 0
        while not ended.is_set():
            n += 1
            name = f"c{number}-{n}"
            try:
                answer = g.ask("POST", CHAT, [("x-request-id", name)], {"messages": []})
            except (OSError, ConnectionError):
                time.sleep(0.01)
                continue
            if answer.status == 200 and answer.end == "whole":
                with lock:
                    seen.add(name)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    try:
        for _ in range(12):
            time.sleep(0.8)
            g.process.kill()
            g.process.wait()
            g.start()
    finally:
        ended.set()
        for t in threads:
            t.join()

    def kept():
        with sqlite3.connect(f"file:{tmp_path}/usage.db?mode=ro", uri=True) as db:
            tables = [r[0] for r in db.execute("select name from sqlite_master where type in ('table','view')")]
            table = next(t for t in tables if "record" in t)
            columns = [r[1] for r in db.execute(f"pragma table_info({table})")]
            name = next(c for c in columns if "request_id" in c)
            return {r[0] for r in db.execute(f"select {name} from {table}")}

    until = time.monotonic() + 20
    while missing := seen - kept():
        # A kill between the answer's last byte and the spool, microseconds later, may lose that one record.
        if len(missing) <= 12 and time.monotonic() > until - 15:
            break
        assert time.monotonic() < until, f"{len(missing)} of {len(seen)} records are missing"
        time.sleep(0.2)
    assert len(seen) > 500


def test_reloads_under_way_break_no_stream(bare):
    """300 reloads by signal and 100 by the admin address, with 30 streams running."""
    g, (a,) = bare("a")
    go_on = threading.Event()

    def script(c, r):
        c.stream_head()
        for n in range(3):
            c.event({"choices": [{"index": 0, "delta": {"content": str(n)}}]})
        go_on.wait(60)
        c.event("[DONE]")
        c.last_chunk()

    a.default = script
    answers = []

    def ask():
        answers.append(g.ask("POST", CHAT, body=STREAM, timeout=90))

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for t in threads:
        t.start()
    a.wait_for_requests(30)
    for n in range(300):
        g.hang_up()
        if n % 3 == 0:
            routes = [{"clients": ["app"], "deployment": "*", "pool": "main", "name": f"r{n}"}]
            assert g.reload({"routes": routes}).status == 200
    go_on.set()
    for t in threads:
        t.join()
    assert len(answers) == 30
    for answer in answers:
        assert answer.status == 200 and answer.end == "whole"
        assert answer.events()[-1] == "data: [DONE]"


def test_crowds_of_silent_half_and_slow_peers_take_little_memory(bare):
    g, (a,) = bare("a")
    before = g.resident_bytes()
    silent = [Wire(g.port) for _ in range(3000)]
    assert g.ask("GET", "/health/live", key=None).status == 200
    assert g.resident_bytes() - before < 90 * 1024 * 1024
    half = silent[:1000]
    for w in half:
        w.send(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\napi-key: {KEY}\r\nX: ")
    assert g.ask("POST", CHAT, body={"messages": []}).status == 200
    assert g.resident_bytes() - before < 110 * 1024 * 1024
    for w in silent:
        w.close()


def test_readers_that_read_nothing_stop_their_backends(bare):
    """50 clients that read nothing of 40 MB each."""
    g, (a,) = bare("a")
    size = 40 * 1000 * 1000

    def script(c, r):
        c.head(200, [("content-type", "application/json"), ("content-length", str(size))])
        for _ in range(size // 100000):
            c.send(b"x" * 100000)

    a.default = script
    before = g.resident_bytes()
    readers = [Wire(g.port, receive_buffer=4096) for _ in range(50)]
    for w in readers:
        w.request("POST", CHAT, [("api-key", KEY)], json.dumps({"messages": []}).encode())
    a.wait_for_requests(50)
    assert g.ask("GET", "/health/live", key=None).status == 200
    assert g.resident_bytes() - before < 32 * 1024 * 1024
    for w in readers:
        w.close()
