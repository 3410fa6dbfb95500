"""Alert rules, dashboards and the exposition, as a real Prometheus sees them."""

import re
import subprocess

import pytest

from support import dashboards
from support.dashboards import ROOT, declared, filled, panels, rules, wrong_names
from support.prometheus import Exposition, Prometheus

ALERTS = ROOT / "config/prometheus/alerts.yaml"
ALERTS_TEST = ROOT / "config/prometheus/alerts_test.yaml"
BOARDS = dashboards.dashboards()


def promtool(*words, **how):
    return subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, timeout=110, check=False,
                          **how)


@pytest.fixture(scope="module")
def server():
    page = Exposition("spillway_ready 1\n")
    with Prometheus([page.address], [ALERTS]) as p:
        yield p
    page.close()


# Alerts

def test_alert_rules_are_good():
    done = promtool("check", "rules", ALERTS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.native_only
def test_each_alert_fires_in_its_case_and_no_other_does():
    done = promtool("test", "rules", ALERTS_TEST.name, cwd=ALERTS_TEST.parent)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires():
    expected = set(re.findall(r'alertname="(\w+)"', ALERTS_TEST.read_text()))
    assert expected == {r["alert"] for r in rules()}


def test_every_alert_tells_what_to_do():
    headings = set(re.findall(r"^### (\w+)$", (ROOT / "docs/runbook.md").read_text(), re.M))
    assert headings == {r["alert"] for r in rules()}
    for r in rules():
        assert r["labels"]["severity"] in ("info", "warning", "critical"), r["alert"]
        assert r["annotations"]["runbook"] == f"docs/runbook.md#{r['alert'].lower()}"
        assert r["annotations"]["summary"] and r["annotations"]["description"].endswith("."), r["alert"]


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r["alert"])
def test_alerts_name_what_is_exposed(rule):
    assert not wrong_names(rule["expr"], declared())


def test_prometheus_evaluates_every_alert(server):
    server.wait_for("up == 1")
    groups = server.api("rules")["groups"]
    found = [r for g in groups for r in g["rules"]]
    assert {r["name"] for r in found} == {r["alert"] for r in rules()}
    assert not [r["name"] for r in found if r["health"] == "err"]


# Dashboards

@pytest.mark.parametrize("name", BOARDS)
def test_dashboards_are_well_formed(name):
    board = BOARDS[name]
    everything = [p["id"] for p in board["panels"]]
    assert len(everything) == len(set(everything))
    titles = [p["title"] for p in panels(board)]
    assert len(titles) == len(set(titles))
    variables = {v["name"] for v in board["templating"]["list"]}
    assert {"datasource", "gateway"} <= variables
    for p in panels(board):
        place = p["gridPos"]
        assert place["x"] + place["w"] <= 24, p["title"]
        assert p["fieldConfig"]["defaults"]["unit"], p["title"]
        for t in p["targets"]:
            assert t["datasource"]["uid"] == "${datasource}", p["title"]
            assert set(re.findall(r"\$(\w+)", t["expr"])) - {"__rate_interval", "__range"} <= variables, p["title"]


def test_dashboards_are_told_apart():
    for what in ("uid", "title"):
        assert len({b[what] for b in BOARDS.values()}) == len(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_lie_over_each_other(name):
    taken = set()
    for p in BOARDS[name]["panels"]:
        g = p["gridPos"]
        cells = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
        assert not cells & taken, p["title"]
        taken |= cells


@pytest.mark.parametrize("name", BOARDS)
def test_dashboards_name_what_is_exposed(name):
    known = declared()
    for p in panels(BOARDS[name]):
        for t in p["targets"]:
            assert not wrong_names(t["expr"], known), (p["title"], t["expr"])
            _, grouped = dashboards.split(t["expr"])
            labels = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", t["legendFormat"]))
            assert labels <= grouped | {"instance"}, (p["title"], "legend", labels)
    for v in BOARDS[name]["templating"]["list"]:
        if v["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", v["definition"]).groups()
            assert label in known[metric][1] | {"instance"}, v["definition"]


@pytest.mark.parametrize("name", BOARDS)
def test_prometheus_understands_every_query(server, name):
    for p in panels(BOARDS[name]):
        for t in p["targets"]:
            server.query(filled(t["expr"]))


def test_the_checks_find_what_is_wrong():
    known = {"spillway_a_total": ("counter", {"client"}), "spillway_b_seconds": ("histogram", {"pool"})}
    assert not wrong_names('sum by (client) (rate(spillway_a_total{client=~"$client"}[5m]))', known)
    assert not wrong_names("sum by (le, pool) (rate(spillway_b_seconds_bucket[5m]))", known)
    for bad in ("spillway_c_total", 'spillway_a_total{pool="x"}', "sum by (pool) (spillway_a_total)",
                "rate(spillway_b_seconds[5m])", "spillway_a_total_bucket", "vector(1)"):
        assert wrong_names(bad, known), bad


# The real exposition

def exposed(gateway):
    return gateway.admin("GET", "/metrics").body.decode()


def test_prometheus_scrapes_a_gateway_and_finds_nothing_to_complain(one, a):
    for _ in range(3):
        one.chat()
    done = promtool("check", "metrics", input=exposed(one))
    assert done.returncode == 0, done.stdout + done.stderr
    with Prometheus([one.config["admin"]["address"]], [ALERTS]) as p:
        p.wait_for("up == 1")
        found = p.wait_for('spillway_requests_total{status="200",client!=""}')
        assert sum(v for _, v in found) == 3


def test_the_reference_has_all_that_is_exposed(one, a):
    one.chat()
    known = declared()
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", exposed(one), re.M))
    assert types and {n: known.get(n, ("missing",))[0] for n in types} == types
    for (name, labels) in one.metrics():
        base = name if name in known else re.sub(r"_(bucket|sum|count)$", "", name)
        assert {l for l, _ in labels} - {"le"} <= known[base][1], name


def test_a_client_cannot_make_series(one, a):
    """Whatever it sends: names that nobody configured never become a label."""
    def names():
        return {(name, frozenset(l)) for name, l in one.metrics()}

    def ask(i):
        word = f"made-up-{i}"
        one.chat({"messages": [], "user": word, "model": word}, {"x-request-id": word, "user-agent": word})
        one.chat(target=f"/openai/deployments/{word}/chat/completions?api-version={word}")
        one.chat({"messages": [], "model": word}, target="/openai/v1/chat/completions")
        one.ask("POST", f"/{word}/{word}", {"host": word, "x-ms-client-request-id": word}, {})
        one.ask("GET", f"/openai/v1/models/{word}")
        one.chat(key=word)
        one.ask(f"MADEUP{i}", f"/openai/{word}")

    ask(0)
    before = names()
    for i in range(1, 20):
        ask(i)
    assert names() == before
    assert "made-up" not in exposed(one).lower()
