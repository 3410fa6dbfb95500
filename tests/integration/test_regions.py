"""Pools that prefer regions: before priority, as a boundary, by the order of the others."""

import json
import subprocess

import pytest
from support.config import merge
from support.gateway import binary

OTHERS = ["northeurope", "swedencentral"]


def in_regions(sim, prefer, places, **gateway):
    """`a` and `b` in these regions, `a` with priority 1, `b` with priority 2."""
    config = sim.gateway_config(breaker={"open": "60s"})
    config["pools"]["chat"].update(prefer=prefer, probe={"how": "none"})
    return merge(config, {"gateway": {"region": "westeurope", **gateway},
                          "instances": {name: {"region": region} for name, region in places.items()}})


def served_by(g):
    answer = g.chat()
    return answer.header("x-sim-instance") if answer.status == 200 else answer.status


@pytest.fixture
def sim(simulator):
    return simulator(deterministic=True)


def test_region_first_goes_through_the_own_region_before_it_leaves(gateway, sim):
    g = gateway(sim.instances, in_regions(sim, "region_first", {"a": "swedencentral", "b": "westeurope"}))
    assert served_by(g) == "b", "the own region, though its priority is lower"
    sim.fault(instance="b", fault="status", status=429, retry_after="60")
    assert [served_by(g), served_by(g)] == ["a", "a"]
    # The first of the two began in its own region.
    g.wait_for_metric(1, "spillway_spillovers_total", pool="chat")


def test_region_stays_inside_a_priority(gateway, sim):
    g = gateway(sim.instances, in_regions(sim, "region", {"a": "swedencentral", "b": "westeurope"}))
    assert served_by(g) == "a"


@pytest.mark.parametrize("order, first", [(OTHERS, "b"), (OTHERS[::-1], "a")])
def test_the_other_regions_have_an_order(gateway, sim, order, first):
    regions = {"a": "swedencentral", "b": "northeurope"}
    g = gateway(sim.instances, in_regions(sim, "region_first", regions, regions=order))
    assert served_by(g) == first
    assert g.reload({"gateway": {"regions": order[::-1]}}).status == 200
    assert served_by(g) == ("a" if first == "b" else "b"), "the order follows a reload"


@pytest.mark.parametrize("fault, status", [({"fault": "status", "status": 429, "retry_after": "60"}, 429),
                                           ({"fault": "status", "status": 500}, 503), ({"fault": "reset"}, 503)],
                         ids=["throttled", "broken", "reset"])
def test_region_only_never_leaves(gateway, sim, fault, status):
    regions = {"a": "westeurope", "b": "swedencentral"}
    g = gateway(sim.instances, in_regions(sim, "region_only", regions))
    assert served_by(g) == "a"
    sim.fault(instance="a", **fault)
    for _ in range(6):
        answer = g.chat()
        assert answer.status == status
    if status == 429:
        assert answer.header("retry-after")
    assert sim.requests("b") == [], "nobody outside is asked, nor probed"
    sim.heal()
    assert g.reload({"pools": {"chat": {"prefer": "region_first"}}}).status == 200
    assert served_by(g) in ("a", "b")
    details = [r for r in g.status()["pools"] if r["name"] == "chat"]
    assert details[0]["health"] in ("usable", "throttled")


def test_region_only_without_a_backend_there_is_refused_with_a_remedy(gateway, sim):
    regions = {"a": "westeurope", "b": "swedencentral"}
    g = gateway(sim.instances, in_regions(sim, "region_only", regions))
    for over, words in (({"region": "eastus"}, "add one, state the region of its instance, or write"),
                        ({"region": None}, "set gateway.region")):
        refused = g.reload({"gateway": over})
        assert refused.status == 409
        assert words in refused.body.decode()
    assert served_by(g) == "a", "what ran before serves on"
    g.write(merge(g.config, {"gateway": {"region": "eastus"}}))
    done = subprocess.run([binary("SPILLWAY_BIN", "spillway"), "check", "-c", str(g.file)], capture_output=True,
                          text=True, timeout=20, check=False)
    assert done.returncode != 0 and "nobody would serve" in done.stdout + done.stderr


def test_explain_tells_the_order_and_who_is_left_out(gateway, sim):
    regions = {"a": "swedencentral", "b": "westeurope"}
    g = gateway(sim.instances, in_regions(sim, "region_first", regions))

    def explained(*more):
        done = subprocess.run([binary("SPILLWAY_BIN", "spillway"), "explain", "-c", str(g.file), "--client", "app",
                               "--deployment", "gpt-4o", *more], capture_output=True, text=True, timeout=20, check=True)
        return done.stdout

    pool = json.loads(explained("--json"))["pools"][0]
    assert pool["prefer"] == "region_first"
    assert [tier["backends"][0]["instance"] for tier in pool["order"]] == ["b", "a"]
    assert pool["left_out"] == []
    g.write(merge(g.config, {"pools": {"chat": {"prefer": "region_only"}}}))
    assert "never asked: a/gpt-4o-a, its region is swedencentral" in explained()
