"""The ledger against the simulator's own count, while gateways, PostgreSQL and Redis come and go.

A few thousand requests by default; SPILLWAY_RECONCILE_REQUESTS=100000 is the full proof (some minutes)."""

import asyncio
import os
import sqlite3
import threading
import time

import pytest
from support import gateway as gateways
from support import reconcile
from support.config import merge
from support.load import Asked, Load
from support.simulator import Simulator

REQUESTS = int(os.environ.get("SPILLWAY_RECONCILE_REQUESTS", "5000"))
COLUMNS = ("request_id, client, instance, deployment, status, outcome, token_source, prompt_tokens, completion_tokens, "
           "cached_tokens, reasoning_tokens")
CYCLE = 25_000  # after so many requests everything is broken anew

pytestmark = [pytest.mark.timeout(120 + REQUESTS // 50), pytest.mark.native_only]


@pytest.fixture
def house(certs, tmp_path):
    """house({...}, {...}): (simulator, gateways), one for each configuration."""
    made = []

    def make(*overs):
        sim = Simulator(tmp_path, certs, ("a", "b", "c"), deterministic=False)
        reconcile.vary(sim)
        made.append(sim.start())
        fronts = []
        for n, over in enumerate(overs):
            folder = tmp_path / f"gateway{n}"
            folder.mkdir()
            config = merge(reconcile.gateway_config(sim, f"gateway{n}"), {"usage": {"spool": str(folder / "spool")}})
            config = merge(config, over)
            fronts.append(gateways.build(folder, certs, sim.instances, config).start())
            made.append(fronts[-1])
        return sim, fronts

    yield make
    for m in reversed(made):
        if isinstance(m, gateways.Gateway):
            print(f"--- {m.folder.name}'s log\n{m.log()}")
            if m.process.poll() is None:
                m.process.kill()
                m.process.wait()
        else:
            m.stop()


class Trouble:
    """Does what the schedule says when that share of a cycle is over: [(share, what, of whom)]."""

    def __init__(self, load, fronts, schedule, servers=None):
        self.load, self.fronts, self.servers, self.kills = load, fronts, servers or {}, {}
        cycles = max(1, REQUESTS // CYCLE)
        self.steps = sorted(((c + share) / cycles * REQUESTS, what, whom)
                            for c in range(cycles) for share, what, whom in schedule)
        self.failure, self.over = None, False
        load.allowed = self.steps[1][0]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def end(self):
        self.over = True
        self.thread.join(120)
        assert not self.thread.is_alive(), "a step of the schedule hangs"
        if self.failure:
            raise self.failure

    def _run(self):
        try:
            ends = [at for at, _, _ in self.steps[1:]] + [float("inf")]
            for (at, what, whom), end in zip(self.steps, ends):
                # Traffic goes on during the step, but never past the next one, which would find nobody to disturb.
                self.load.allowed = max(end, at + 100)
                while len(self.load.asked) < at and not self.over:
                    time.sleep(0.005)
                self._step(what, whom)
        except BaseException as e:  # pylint: disable=broad-except
            self.failure = e
        finally:
            self.load.allowed = float("inf")

    def _step(self, what, whom):
        if isinstance(whom, str):
            return getattr(self.servers[whom], what)()
        front = self.fronts[whom]
        if what == "kill":
            # Not before this moment; what was answered until then may still be unwritten.
            self.kills[whom, self.load.lives[whom]] = time.monotonic()
            front.process.kill()
            front.process.wait()
        else:
            front.stop()
        self.load.lives[whom] += 1
        front.start()


def drive(fronts, schedule, servers=None):
    """(load, kills)"""
    load = Load(reconcile.plan(REQUESTS, Asked), [f.port for f in fronts])
    trouble = Trouble(load, fronts, schedule, servers)
    asyncio.run(load.run())
    trouble.end()
    return load, trouble.kills


def settle(count, seconds=60):
    """Waits until the ledger grows no more."""
    until, last, since = time.monotonic() + seconds, -1, time.monotonic()
    while time.monotonic() < until:
        now = count()
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 3:
            return
        time.sleep(0.2)
    raise AssertionError(f"after {seconds} s the ledger still grows: {last}")


def compare(sim, load, kills, records):
    entries = reconcile.journal(sim)
    result = reconcile.Comparison(load.asked, entries, records, kills)
    attempts = sum(map(len, entries.values()))
    print(f"{len(load.asked)} requests in {load.seconds:.1f} s ({len(load.asked) / load.seconds:.0f}/s), {attempts} "
          f"answers of the simulator, {len(kills)} kills: {dict(result.figures)}")
    busy = {(a.gateway, a.life) for a in load.asked if a.end == "whole"}
    assert kills and not kills.keys() - busy, "a gateway was killed that had nothing to do"
    assert not result.problems, f"{len(result.problems)} do not agree:\n" + "\n".join(result.problems[:20])
    assert len(load.asked) == REQUESTS and attempts > len(entries), "nothing was repeated"
    assert result.figures["exact"] > REQUESTS * 0.7 and result.figures["estimated"] > REQUESTS * 0.01
    assert result.figures["asked left"] > REQUESTS * 0.02 and result.figures["asked cut"] > 0


def test_two_gateways_with_postgresql_and_redis_agree_with_the_simulator(house, postgresql, redis):
    shared = {"usage": {"store": postgresql.url, "password": postgresql.password},
              "quotas": {"store": redis.url, "password": redis.password, "gateways": 2}}
    sim, fronts = house(shared, shared)
    schedule = [(0.08, "kill", 0), (0.15, "stop", "postgresql"), (0.2, "crash", "redis"), (0.25, "terminate", 1),
                (0.3, "start", "postgresql"), (0.35, "start", "redis"), (0.4, "kill", 1),
                (0.45, "crash", "postgresql"), (0.5, "kill", 0), (0.55, "start", "postgresql"),
                (0.6, "freeze", "postgresql"), (0.65, "thaw", "postgresql"), (0.68, "freeze", "redis"),
                (0.72, "thaw", "redis"), (0.75, "stop", "redis"), (0.78, "terminate", 0), (0.82, "start", "redis"),
                (0.88, "kill", 0), (0.88, "kill", 1), (0.95, "end_connections", "postgresql")]
    load, kills = drive(fronts, schedule, {"postgresql": postgresql, "redis": redis})
    settle(lambda: int(postgresql.value("SELECT count(*) FROM usage_records")))
    names = COLUMNS.split(", ")
    rows = postgresql.query(f"SELECT {COLUMNS} FROM usage_records")
    compare(sim, load, kills, [dict(zip(names, row)) for row in rows])


def test_one_gateway_with_sqlite_agrees_with_the_simulator(house, tmp_path):
    file = tmp_path / "usage.db"
    sim, fronts = house({"usage": {"store": f"sqlite:{file}"}})
    schedule = [(0.15, "kill", 0), (0.35, "kill", 0), (0.5, "terminate", 0), (0.7, "kill", 0), (0.9, "kill", 0)]
    load, kills = drive(fronts, schedule)

    def ask(sql):
        db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            db.row_factory = sqlite3.Row
            return [dict(r) for r in db.execute(sql)]
        finally:
            db.close()

    settle(lambda: ask("SELECT count(*) AS n FROM records")[0]["n"])
    compare(sim, load, kills, ask(f"SELECT {COLUMNS} FROM usage_records"))
