"""`spillway usage` on a ledger of known content."""

import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import time

import pytest
from support.gateway import SANITIZED, binary
from support.make_usage import UsageDatabase, many

BIN = binary("SPILLWAY_BIN", "spillway")


def usage(*args, code=0):
    done = subprocess.run([BIN, "usage", *map(str, args)], capture_output=True, timeout=60, check=False)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, done.stdout + done.stderr
    return done


def as_csv(*args):
    text = usage(*args, "--format", "csv").stdout
    assert text.count("\r\n") == text.count("\n"), "RFC 4180 ends lines with CR LF"
    return list(csv.DictReader(io.StringIO(text, newline="")))


def as_json(*args):
    return json.loads(usage(*args, "--format", "json").stdout)


@pytest.fixture
def ledger(tmp_path):
    with UsageDatabase(tmp_path / "usage.db") as db:
        web, ops = {"team": "web", "cost_center": "0042"}, {"team": "ops"}
        db.add("2026-10-31T23:59:59Z", client="shop", labels=web, prompt=1, completion=1, price_nanos=1)
        db.add("2026-11-01T00:00:00Z", client="shop", labels=web, prompt=1000, completion=200, cached=300,
               reasoning=50, price_nanos=1_500_000_000)
        db.add("2026-11-02T08:30:00Z", client="shop", labels=web, source="estimated", prompt=300, completion=0,
               price_nanos=3, end_user="ann", pool="batch")
        db.add("2026-11-02T09:00:00Z", client='desk, "ops"', labels=ops, status=429, outcome="failed", source="none")
        db.add("2026-11-30T23:59:59.999999Z", client='desk, "ops"', labels=ops, prompt=7, completion=3)
        db.add_day("2026-09-01", 10, client="shop", labels=web, prompt=10_000, completion=1000,
                   price_nanos=2_000_000_000)
    return db.url


def test_csv_has_exact_sums_and_nothing_that_counts_twice(ledger):
    rows = as_csv("--store", ledger, "--month", "2026-11", "--currency", "EUR")
    desk, shop = rows
    assert desk["client"] == 'desk, "ops"'
    assert (desk["requests"], desk["errors"], desk["total_tokens"], desk["price"]) == ("2", "1", "10", "0.00")
    assert shop == {"client": "shop", "requests": "2", "errors": "0", "prompt_tokens": "1300",
                    "completion_tokens": "200", "cached_tokens": "300", "reasoning_tokens": "50",
                    "total_tokens": "1500", "exact_tokens": "1200", "estimated_tokens": "300",
                    "price": "1.500000003", "currency": "EUR"}


def test_json_names_period_currency_rows_and_totals(ledger):
    report = as_json("--store", ledger, "--from", "2026-11-02", "--to", "2026-11-02T09:00:00+00:00", "--by",
                     "label:team,day", "--currency", "EUR")
    assert (report["from"], report["to"], report["currency"]) == ("2026-11-02T00:00:00Z", "2026-11-02T09:00:00Z",
                                                                  "EUR")
    assert [(r["label:team"], r["day"], r["requests"]) for r in report["rows"]] == [("web", "2026-11-02", 1)]
    assert report["totals"]["estimated_tokens"] == 300 and report["totals"]["price"] == "0.000000003"


def test_table_is_for_people(ledger):
    lines = usage("--store", ledger, "--month", "2026-11", "--by", "client").stdout.splitlines()
    assert lines[0].split() == ["client", "requests", "errors", "prompt", "completion", "cached", "reasoning", "total",
                                "estimated", "price"]
    assert lines[2].split() == ["shop", "2", "0", "1300", "200", "300", "50", "1500", "20.0%", "1.500000003"]
    assert lines[-1].split()[:2] == ["total", "4"]
    assert len({len(line) for line in lines}) == 1, "columns are aligned"


def test_days_that_are_sums_are_in(ledger):
    assert as_json("--store", ledger, "--by", "month")["rows"][0]["requests"] == 10
    cut = usage("--store", ledger, "--from", "2026-09-01T12:00:00Z")
    assert "1 day at the edges" in cut.stderr


@pytest.mark.parametrize(("filters", "requests"), [
    (["--client", "shop"], 13), (["--client", "shop", "--client", 'desk, "ops"'], 15), (["--pool", "batch"], 1),
    (["--label", "team=ops"], 2), (["--label", "team=ops", "--client", "shop"], 0), (["--model", "nothing"], 0),
    (["--day", "2026-11-02"], 2), (["--to", "2026-11-01"], 11)])
def test_filters(ledger, filters, requests):
    assert as_json("--store", ledger, *filters)["totals"]["requests"] == requests


def test_sorting(ledger):
    def first(sort):
        return as_json("--store", ledger, "--by", "pool", f"--sort={sort}")["rows"][0]["pool"]
    assert [first(s) for s in ("price", "-price", "pool", "-pool", "estimated")] == ["main", "batch", "batch", "main",
                                                                                     "batch"]


def test_single_records(ledger):
    report = as_json("--store", ledger, "--records", "--limit", 2, "--client", "shop")
    assert [r["time"] for r in report["records"]] == ["2026-11-02T08:30:00.000000Z", "2026-11-01T00:00:00.000000Z"]
    newest = report["records"][0]
    assert newest["labels"] == {"team": "web", "cost_center": "0042"} and newest["end_user"] == "ann"
    assert newest["price"] == "0.000000003" and newest["prompt_tokens"] == 300 and newest["streaming"] is False
    assert len(as_csv("--store", ledger, "--records", "--limit", 0)) == 5
    assert len(usage("--store", ledger, "--records").stdout.splitlines()) == 6
    assert "excludes" in usage("--store", ledger, "--records", "--by", "client", code=2).stderr


def test_no_field_is_a_formula_for_a_spreadsheet(tmp_path):
    with UsageDatabase(tmp_path / "usage.db") as db:
        db.add("2026-11-01T00:00:00Z", end_user="=1+1", prompt=1)
    assert as_csv("--store", db.url, "--by", "end_user")[0]["end_user"] == "'=1+1"


def test_store_and_currency_come_from_the_configuration(gateway, a, tmp_path):
    with UsageDatabase(tmp_path / "usage.db") as db:
        db.add("2026-11-01T00:00:00Z", prompt=1)
    g = gateway([a], {"usage": {"store": db.url}, "prices": {"currency": "CHF"}}, start=False)
    g.write(g.config)
    assert as_json("-c", g.file)["currency"] == "CHF"
    g.change({"usage": None})
    assert "no usage ledger" in usage("-c", g.file, code=1).stderr


@pytest.mark.parametrize("wrong", [
    ["--by", "moon"], ["--month", "2026-13"], ["--day", "2026-02-30"], ["--from", "yesterday"], ["--label", "team"],
    ["--from", "2026-11-02", "--to", "2026-11-01"], ["--month", "2026-11", "--day", "2026-11-01"],
    ["--format", "xml"], ["--sort", "moon"]])
def test_wrong_usage(ledger, wrong):
    assert usage("--store", ledger, *wrong, code=2).stdout == ""


def test_failures_say_what_is_the_matter(tmp_path):
    absent = tmp_path / "absent.db"
    assert "no usage database" in usage("--store", f"sqlite:{absent}", code=1).stderr
    assert not absent.exists()
    (tmp_path / "text.db").write_text("no database at all, and long enough to be looked at" * 30)
    assert "not a database" in usage("--store", f"sqlite:{tmp_path / 'text.db'}", code=1).stderr
    secret = tmp_path / "password"
    secret.write_text("secret-0815")
    done = usage("--store", "postgresql://user@127.0.0.1:1/db", "--password-file", secret, code=1)
    assert "127.0.0.1:1" in done.stderr and "secret-0815" not in done.stderr


def test_reading_neither_waits_for_a_writer_nor_stops_it(ledger):
    writer = sqlite3.connect(ledger.removeprefix("sqlite:"), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM records")
    assert as_json("--store", ledger)["totals"]["requests"] == 15
    writer.execute("COMMIT")
    assert as_json("--store", ledger)["totals"]["requests"] == 10
    writer.close()


@pytest.mark.skipif(os.getuid() != 0, reason="another account can only be tried by root")
def test_a_place_that_cannot_be_written_can_be_read(ledger, tmp_path):
    account = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    for folder in tmp_path.parents:
        if not os.stat(folder).st_mode & 0o001:
            os.chmod(folder, os.stat(folder).st_mode | 0o011)
    tmp_path.chmod(0o755)
    program = shutil.copy(BIN, tmp_path / "spillway")
    os.chmod(program, 0o755)
    done = subprocess.run([program, "usage", "--store", ledger, "--format", "json"], capture_output=True, text=True,
                          check=False, timeout=30, **account)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["requests"] == 15


@pytest.mark.native_only
@pytest.mark.skipif(SANITIZED, reason="sanitizers change speed")
def test_a_million_records_are_reported_in_two_seconds(tmp_path):
    with UsageDatabase(tmp_path / "usage.db") as db:
        many(db, 1_000_000)
    took = {}
    for by in ("client", "label:team,model", "day", "end_user"):
        for attempt in range(3):
            begin = time.monotonic()
            assert as_json("--store", db.url, "--by", by, "--client", "client-1" if by == "day" else "client-2")
            took[by] = min(took.get(by, 1e9), time.monotonic() - begin)
        begin = time.monotonic()
        assert as_json("--store", db.url, "--by", by)["totals"]["requests"] == 1_000_000
        took[by] = max(took[by], time.monotonic() - begin)
    print(took)
    assert max(took.values()) < 2, took
