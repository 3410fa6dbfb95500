"""The usage store in a real PostgreSQL. What is written and asked stands in tests/unit/ledger/postgresql_store_test.cpp;
here are the server and what happens to it meanwhile."""

import os
import subprocess
import time
from pathlib import Path

from support.gateway import binary


def program():
    beside = Path(binary("SPILLWAY_BIN", "spillway")).parent / "tests/ledger_tests"
    return os.environ.get("SPILLWAY_LEDGER_TESTS", str(beside))


def begin(server, only):
    environment = {**os.environ, "SPILLWAY_POSTGRESQL": server.url, "SPILLWAY_POSTGRESQL_PASSWORD": server.password}
    return subprocess.Popen([program(), f"--gtest_filter={only}"], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process, at_least):
    try:
        output, _ = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 0, output
    assert "SKIPPED" not in output, output
    assert output.count("[       OK ]") >= at_least, output
    return output


def test_store(postgresql):
    finish(begin(postgresql, "postgresql_store.*"), at_least=7)
    assert postgresql.password not in postgresql.log()


def test_the_tables_are_made_once_by_gateways_that_start_together(postgresql):
    started = [begin(postgresql, "postgresql_store.a_record_is_there_once*") for _ in range(3)]
    for process in started:
        finish(process, at_least=1)
    assert postgresql.query("SELECT version FROM usage_schema") == [["1"]]


def test_columns_have_types_that_finance_can_use(postgresql):
    finish(begin(postgresql, "postgresql_store.a_record_is_there_once*"), at_least=1)
    types = dict(postgresql.query("SELECT column_name, data_type FROM information_schema.columns "
                                  "WHERE table_name = 'usage_records'"))
    assert {n: types[n] for n in ("id", "time", "labels", "price", "streaming", "prompt_tokens")} == {
        "id": "uuid", "time": "timestamp with time zone", "labels": "jsonb", "price": "numeric",
        "streaming": "boolean", "prompt_tokens": "bigint"}
    assert postgresql.query("SELECT sum(price), labels->>'team' FROM usage_records GROUP BY 2") == [
        ["1.500001500", "web"]]


def test_outages_lose_and_double_nothing(postgresql):
    writing = begin(postgresql, "postgresql_outage.every_record_arrives_once")
    for trouble in ("connections", "stop", "crash", "crash", "connections", "stop"):
        time.sleep(1)
        assert writing.poll() is None
        if trouble == "connections":
            postgresql.end_connections()
        else:
            getattr(postgresql, trouble)()
            time.sleep(0.2)
            postgresql.start()
    finish(writing, at_least=1)
    ids, distinct = postgresql.query("SELECT count(*), count(DISTINCT id) FROM usage_records")[0]
    assert ids == distinct and int(ids) > 0
