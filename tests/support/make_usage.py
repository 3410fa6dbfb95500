"""Usage databases for tests and measurements: as a gateway would leave them, with records of one's choice.

    python3 -m support.make_usage FILE [RECORDS]     # a million by default, over 90 days
"""

import json
import random
import re
import sqlite3
import sys
from datetime import datetime, timezone
from pathlib import Path

SCHEMA = Path(__file__).resolve().parents[2] / "src/ledger/sqlite_schema.hpp"
OUTCOMES = ("ok", "client_left", "broken", "refused", "failed", "error")
SOURCES = ("none", "exact", "estimated")
KIND = ("gateway", "client", "labels", "route", "pool", "backend", "instance", "region", "deployment", "model",
        "operation")


def microseconds(moment):
    """Of "2026-11-01T12:00:00Z" or a datetime."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return round(moment.timestamp() * 1_000_000)


class UsageDatabase:
    """with UsageDatabase(file) as db: db.add("2026-11-01T12:00:00Z", client="shop", prompt=10)"""

    def __init__(self, path):
        self.path = Path(path)
        steps = re.findall(r'R"sql\((.*?)\)sql"', SCHEMA.read_text(), re.DOTALL)
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.execute("PRAGMA page_size = 16384")
        self.db.execute("PRAGMA journal_mode = WAL")
        for step in steps:
            self.db.executescript(step)
        self.db.execute(f"PRAGMA user_version = {len(steps)}")
        self.db.execute("BEGIN")
        self.kinds, self.count = {}, 0

    @property
    def url(self):
        return f"sqlite:{self.path}"

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def kind(self, **texts):
        values = {"gateway": "g1", "client": "shop", "route": "r", "pool": "main", "backend": "weu/gpt-4o",
                  "instance": "weu", "region": "westeurope", "deployment": "gpt-4o", "model": "gpt-4o-2024-11-20",
                  "operation": "chat", **texts}
        labels = texts.get("labels") or {}
        values["labels"] = json.dumps(labels, sort_keys=True, separators=(",", ":")) if labels else ""
        key = tuple(values[name] for name in KIND)
        if key not in self.kinds:
            self.kinds[key] = len(self.kinds) + 1
            self.db.execute(f"INSERT INTO kinds VALUES (?{', ?' * len(KIND)})", (self.kinds[key], *key))
        return self.kinds[key]

    def row(self, time_us, kind, status=200, outcome="ok", source="exact", streaming=False, prompt=0, completion=0,
            cached=0, reasoning=0, price_nanos=None, end_user=None, code=None, tries=None):
        self.count += 1
        facts = (kind << 34 | status | OUTCOMES.index(outcome) << 16 | SOURCES.index(source) << 20 | streaming << 24
                 | (price_nanos is not None) << 25 | 1 << 26)
        notes = None if code is None and tries is None else f"{code or ''}\n{tries or ''}"
        return ((time_us // 1000) << 21 | self.count & 0x1FFFFF, facts, time_us % 1000, prompt, completion,
                price_nanos or 0, cached | reasoning << 31, 0, 500 | 2000 << 31, 150_000 | 20_000 << 32, 900_000,
                -(2 ** 63) + self.count, f"request-{self.count}", end_user, notes)

    def insert(self, rows):
        self.db.executemany(f"INSERT INTO records VALUES (?{', ?' * 14})", rows)

    def add(self, moment, **what):
        kind = self.kind(**{k: what.pop(k) for k in KIND if k in what})
        self.insert([self.row(microseconds(moment), kind, **what)])

    def add_day(self, day, requests, outcome="ok", source="exact", prompt=0, completion=0, cached=0, reasoning=0,
                price_nanos=0, **kind):
        """A day whose single records are gone."""
        number = microseconds(day) // 86_400_000_000
        self.db.execute(f"INSERT INTO days VALUES (?{', ?' * 16})", (
            number, self.kind(**kind), OUTCOMES.index(outcome), SOURCES.index(source), requests, 0, requests, prompt,
            completion, cached, reasoning, 0, 0, 0, 0, 0, price_nanos))

    def commit(self):
        self.db.execute("COMMIT")
        self.db.execute("BEGIN")

    def close(self):
        self.db.execute("COMMIT")
        self.db.close()


def many(db, count, begin="2026-08-01T00:00:00Z", days=90, clients=200, users=5000):
    """Much traffic: what differs between requests differs here."""
    rng = random.Random(1)
    start, step = microseconds(begin), days * 86_400_000_000 // count
    regions = ("westeurope", "swedencentral", "eastus2")
    models = ("gpt-4o-2024-11-20", "gpt-4o-mini-2024-07-18", "o3-2025-04-16", "text-embedding-3-small")
    kinds = [db.kind(client=f"client-{c}", labels={"team": f"team-{c % 20}", "cost_center": f"{c % 37:04d}"},
                     pool=f"pool-{m}", model=models[m], deployment=models[m][:11], instance=f"i-{r}", region=regions[r],
                     backend=f"i-{r}/{models[m][:11]}", operation="embeddings" if m == 3 else "chat", gateway=f"g{g}")
             for c in range(clients) for m in range(4) for r in range(3) for g in range(2)]

    def rows():
        for i in range(count):
            bad = rng.random() < 0.03
            yield db.row(start + i * step, kinds[rng.randrange(len(kinds))],
                         status=rng.choice((400, 429, 500, 503)) if bad else 200, outcome="error" if bad else "ok",
                         source="none" if bad else "estimated" if i % 20 == 0 else "exact", streaming=i % 2 == 0,
                         prompt=0 if bad else rng.randrange(10, 8000), completion=0 if bad else rng.randrange(1, 1500),
                         cached=0 if bad else 128, reasoning=0 if bad or i % 4 else 64,
                         price_nanos=rng.randrange(1, 50_000_000), end_user=f"user-{rng.randrange(users)}")

    db.insert(rows())


if __name__ == "__main__":
    with UsageDatabase(sys.argv[1]) as made:
        many(made, int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
