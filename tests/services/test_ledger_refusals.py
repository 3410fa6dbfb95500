"""Stores that refuse: who is to blame, what waits, what is set aside and offered again. Real PostgreSQL and SQLite."""

import json
import re
import sqlite3
import subprocess
import time

import pytest
from support.gateway import CHAT, binary
from support.postgresql import Postgresql

EMOJI, UMLAUT = "\U0001F600", "m\u00fcller"


@pytest.fixture(scope="module")
def server():
    with Postgresql() as started:
        yield started


@pytest.fixture
def fresh(server, request):
    """fresh(): URL of an empty database of the shared server; fresh(encoding): of that encoding."""
    made = []

    def make(encoding="UTF8"):
        name = f"ledger{len(made)}_{abs(hash(request.node.name)) % 10**8}"
        server.query(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'",
                     database="postgres")
        made.append(name)
        return name

    yield make
    for name in made:
        server.query(f"DROP DATABASE {name} WITH (FORCE)", database="postgres")


class House:
    """A gateway with its ledger in PostgreSQL or SQLite."""

    def __init__(self, gateway, backend, folder, server=None, database=None):
        self.folder, self.server, self.database = folder, server, database
        usage = {"spool": str(folder / "spool"), "store": f"sqlite:{folder}/usage.db"}
        if server:
            (folder / "password").write_text(server.password)
            (folder / "password").chmod(0o600)
            usage = {**usage, "password": f"file:{folder}/password",
                     "store": f"postgresql://{server.user}@127.0.0.1:{server.port}/{database}"}
        self.usage = usage
        self.gateway = gateway([backend], {"usage": usage})

    def ask(self, count=1, body=None):
        for _ in range(count):
            assert self.gateway.ask("POST", CHAT, (), body or {"messages": []}).status == 200

    def sql(self, statement):
        if self.server:
            return self.server.query(statement, database=self.database)
        with sqlite3.connect(self.folder / "usage.db", timeout=10, isolation_level=None) as db:
            return db.execute(statement).fetchall()

    def rows(self):
        """-1 before the gateway has made the tables."""
        there = "SELECT count(*) FROM " + ("pg_tables WHERE tablename" if self.server else "sqlite_master WHERE name")
        if int(self.sql(f"{there} = 'usage_records'")[0][0]) == 0:
            return -1
        return int(self.sql("SELECT count(*) FROM usage_records")[0][0])

    def state(self):
        return self.gateway.status()["usage"]

    def until(self, what, seconds=25):
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, (self.state(), self.rows(), self.gateway.log())
            time.sleep(0.05)

    def until_rows(self, count):
        self.until(lambda: self.rows() >= count)
        assert self.rows() == count

    def files(self):
        return sorted((self.folder / "spool").glob("rejected.*.jsonl"))

    def lines(self):
        return [json.loads(line) for f in self.files() for line in f.read_text().splitlines()]

    def offer_again(self, *words, code=0):
        where = ["--store", self.usage["store"]]
        if self.server:
            where += ["--password-file", str(self.folder / "password")]
        done = subprocess.run([binary("SPILLWAY_BIN", "spillway"), "usage", "offer-again", *where, *map(str, words)],
                              capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def postgresql_house(gateway, a, tmp_path, server, fresh):
    return lambda encoding="UTF8": House(gateway, a, tmp_path, server, fresh(encoding))


@pytest.fixture
def sqlite_house(gateway, a, tmp_path):
    return lambda: House(gateway, a, tmp_path)


CLOSED = ("CREATE FUNCTION closed() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'closed for %', NEW.request_id{} ; "
          "END $$ LANGUAGE plpgsql; "
          "CREATE TRIGGER closed BEFORE INSERT ON usage_records FOR EACH ROW EXECUTE FUNCTION closed()")

REFUSALS = {
    "column": ("ALTER TABLE usage_records ADD cost_center text; "
               "UPDATE usage_records SET cost_center = ''; ALTER TABLE usage_records ALTER cost_center SET NOT NULL",
               "ALTER TABLE usage_records DROP cost_center", "SQLSTATE 23502, table usage_records, column cost_center"),
    "check": ("ALTER TABLE usage_records ADD CONSTRAINT few CHECK (attempts < 1) NOT VALID",
              "ALTER TABLE usage_records DROP CONSTRAINT few", "SQLSTATE 23514, table usage_records, constraint few"),
    "trigger": (CLOSED.format(""), "DROP TRIGGER closed ON usage_records", "SQLSTATE P0001"),
    "trigger with a code": (CLOSED.format(" USING ERRCODE = '23514'"), "DROP TRIGGER closed ON usage_records",
                            "SQLSTATE 23514"),
    "deferred": ("CREATE TABLE known(client text PRIMARY KEY); ALTER TABLE usage_records ADD CONSTRAINT known "
                 "FOREIGN KEY (client) REFERENCES known DEFERRABLE INITIALLY DEFERRED NOT VALID",
                 "ALTER TABLE usage_records DROP CONSTRAINT known", "SQLSTATE 23503"),
}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda name: name.replace(" ", "-"))
def test_a_refusal_that_meets_every_record_is_the_stores(postgresql_house, refusal):
    forbid, allow, named = REFUSALS[refusal]
    h = postgresql_house()
    h.ask(3)
    h.until_rows(3)
    h.sql(forbid)
    h.ask(20, {"messages": [], "user": "ann@example.org"})
    h.until(lambda: not h.state()["up"])
    state = h.state()
    assert named in state["last_error"], state
    assert "ann@" not in state["last_error"] and "Failing" not in state["last_error"]
    h.sql(allow)
    h.until_rows(23)
    h.until(lambda: h.state()["up"])
    assert h.files() == [] and h.state()["set_aside"]["records"] == 0
    log = h.gateway.log()
    assert "ann@" not in log and "Failing row" not in log and "closed for" not in log


def test_sqlite_with_a_trigger_that_refuses_everything_waits(sqlite_house):
    h = sqlite_house()
    h.ask(3)
    h.until_rows(3)
    h.sql("CREATE TRIGGER t BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'closed'); END")
    h.ask(10)
    h.until(lambda: not h.state()["up"])
    assert "trigger" in h.state()["last_error"] and h.state()["waiting"] == 10
    h.sql("DROP TRIGGER t")
    h.until_rows(13)
    assert h.files() == []


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_what_is_set_aside_is_shown_and_can_be_offered_again(request, kind):
    h = request.getfixturevalue(f"{kind}_house")()
    h.ask(2)
    h.until_rows(2)
    if kind == "postgresql":
        h.sql("ALTER TABLE usage_records ADD CONSTRAINT no_ann CHECK (end_user <> 'ann')")
    else:
        h.sql("CREATE TRIGGER no_ann BEFORE INSERT ON records WHEN new.end_user = 'ann' "
              "BEGIN SELECT RAISE(ABORT, 'no ann'); END")
    for _ in range(4):
        h.ask(1, {"messages": [], "user": "ann"})
        h.ask(1)
    h.until_rows(6)
    h.gateway.wait_for_metric(4, "spillway_ledger_set_aside_total")
    h.gateway.wait_for_metric(4, "spillway_ledger_set_aside_records", seconds=15)
    state = h.state()
    assert state["up"] and state["waiting"] == state["lost"] == 0
    aside = state["set_aside"]
    assert aside["records"] == aside["refused"] == 4 and aside["oldest_seconds"] > 0
    assert ("no_ann" if kind == "postgresql" else "trigger") in aside["last_reason"]
    assert any("4 records were refused" in line for line in h.gateway.status()["attention"])
    assert len([line for line in h.gateway.log().splitlines() if "set aside" in line]) == 1, h.gateway.log()
    assert "ann" not in re.sub("no_ann", "", aside["last_reason"])

    assert len(h.lines()) == 4
    before = h.lines()
    assert "0 in the store, 4 refused" in h.offer_again("--all", "--spool", h.folder / "spool", code=1)
    assert h.lines() == before
    copy = h.folder / "copy.jsonl"
    copy.write_text("".join(f.read_text() for f in h.files()))
    h.sql("ALTER TABLE usage_records DROP CONSTRAINT no_ann" if kind == "postgresql" else "DROP TRIGGER no_ann")
    assert "4 in the store, 0 refused" in h.offer_again("--all", "--spool", h.folder / "spool")
    assert h.files() == [] and h.rows() == 10
    assert "4 in the store" in h.offer_again(copy)
    assert h.rows() == 10, "what is there already is not doubled"
    assert not copy.exists()
    told = {r["id"] for r in before}
    assert len(told) == 4 and all(r["end_user"] == "ann" for r in before)
    h.gateway.wait_for_metric(0, "spillway_ledger_set_aside_records", seconds=15)
    assert h.gateway.metric("spillway_ledger_set_aside_total") == 4
    assert not any("refused" in line for line in h.gateway.status()["attention"])


def test_lines_that_hold_no_record_stay(sqlite_house):
    h = sqlite_house()
    h.ask(1)
    h.until_rows(1)
    odd = h.folder / "odd.jsonl"
    odd.write_text('no json\n{"why":"written by a version that is not known","payload":"09"}\n')
    assert "2 unreadable" in h.offer_again(odd, code=1)
    assert len(odd.read_text().splitlines()) == 2


def test_a_store_that_is_away_keeps_what_is_offered_again(sqlite_house):
    h = sqlite_house()
    odd = h.folder / "odd.jsonl"
    odd.write_text("{}\n")
    h.usage["store"] = f"sqlite:{h.folder}/nothing/there.db"
    h.offer_again(odd, code=1)
    assert odd.read_text() == "{}\n" and not (h.folder / "nothing").exists()


@pytest.mark.parametrize("encoding, umlaut, emoji", [("LATIN1", UMLAUT, "?"), ("WIN1252", UMLAUT, "?"),
                                                     ("SQL_ASCII", UMLAUT, EMOJI), ("UTF8", UMLAUT, EMOJI)])
def test_a_text_that_the_database_cannot_hold_never_keeps_a_record_out(postgresql_house, encoding, umlaut, emoji):
    h = postgresql_house(encoding)
    for n in range(3):
        for word, user in (("plain", "x"), ("umlaut", UMLAUT), ("emoji", EMOJI), ("nul", "a\0b")):
            answer = h.gateway.ask("POST", CHAT, [("x-request-id", f"{word}-{n}")], {"messages": [], "user": user})
            assert answer.status == 200
    h.until_rows(12)
    users = dict(h.sql("SELECT split_part(request_id, '-', 1), max(end_user) FROM usage_records GROUP BY 1"))
    assert users["plain"] == "x" and users["umlaut"] == umlaut and users["emoji"] == emoji
    if encoding == "LATIN1":
        assert users["nul"] == "a?b"
    assert h.files() == [] and h.state()["lost"] == 0


def test_a_text_that_is_too_long_for_a_column_is_cut(postgresql_house):
    h = postgresql_house()
    h.ask(1)
    h.until_rows(1)
    h.sql("ALTER TABLE usage_records ALTER end_user TYPE varchar(24)")
    h.ask(1, {"messages": [], "user": "u" * 100})
    h.until_rows(2)
    assert h.sql("SELECT max(end_user) FROM usage_records") == [["u" * 20]]


def test_rights_that_are_revoked_amid_make_records_wait(postgresql_house, server):
    h = postgresql_house()
    h.ask(1)
    h.until_rows(1)
    h.sql("CREATE ROLE narrow LOGIN PASSWORD 'narrow'; GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA public "
          "TO narrow")
    try:
        (h.folder / "narrow").write_text("narrow")
        (h.folder / "narrow").chmod(0o600)
        narrow = h.usage["store"].replace(f"{server.user}@", "narrow@")
        assert h.gateway.reload({"usage": {"store": narrow, "password": f"file:{h.folder}/narrow"}}).status == 200
        h.ask(4)
        h.until_rows(5)
        h.sql("REVOKE INSERT ON usage_records FROM narrow")
        h.ask(6)
        h.until(lambda: not h.state()["up"])
        assert "42501" in h.state()["last_error"] and h.rows() == 5
        h.sql("GRANT INSERT ON usage_records TO narrow")
        h.until_rows(11)
        assert h.files() == []
    finally:
        h.gateway.stop()
        h.sql("DROP OWNED BY narrow; DROP ROLE narrow")
