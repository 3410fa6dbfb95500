"""The ledger as tests see it: a gateway's SQLite file, read through its view."""

import sqlite3
import time


def ledger_config(folder, **over):
    return {"usage": {"spool": f"{folder}/spool", "store": f"sqlite:{folder}/usage.db", **over}}


def records(folder):
    file = folder / "usage.db"
    if not file.exists():
        return []
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        db.row_factory = sqlite3.Row
        return [dict(r) for r in db.execute("SELECT * FROM usage_records ORDER BY time")]
    except sqlite3.OperationalError as e:  # not yet made
        if "no such table" in str(e):
            return []
        raise
    finally:
        db.close()


def wait_for_records(folder, count, seconds=10):
    until = time.monotonic() + seconds
    while len(all_of := records(folder)) < count:
        assert time.monotonic() < until, f"{len(all_of)} records, wanted {count}"
        time.sleep(0.02)
    assert len(all_of) == count
    return all_of
