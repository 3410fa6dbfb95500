"""The paths that probes ask for, on the admin listener."""

import pytest
from support.config import pool_of

QUIET = {"probe": {"how": "none"}, "breaker": {"failures": 1, "open": "60s"}}
READY = ["/health/ready", "/healthz", "/health", "/status-0123456789abcdef"]


@pytest.fixture
def routed(gateway, a, b):
    return gateway([a, b], {
        "admin": {"keys": ["the-operators-key"]},
        "pools": {"main": pool_of([a], **QUIET), "second": pool_of([b], **QUIET)},
        "routes": [{"name": "first", "clients": ["app"], "deployment": "gpt-4o", "pool": "main"},
                   {"clients": ["app"], "deployment": "other", "pool": "second"}]})


KEYED = {"api-key": "the-operators-key"}


@pytest.mark.parametrize("path", ["/health/live", *READY, "/health/routes/first", "/health/routes/routes%5B1%5D"])
def test_probes_are_answered_as_on_every_listener(routed, path):
    for method in ("GET", "HEAD"):
        here, there = routed.admin(method, path), routed.ask(method, path, key=None)
        assert here.status == there.status == 200
        assert here.body == there.body
        assert here.header("cache-control") == there.header("cache-control") == "no-store"
    assert routed.admin("POST", path).status == routed.ask("POST", path, body={}, key=None).status == 405


def test_who_has_a_key_is_told_more(routed, a):
    told = routed.admin("GET", "/health/routes/first", KEYED).json()
    assert told == {"route": "first", "ready": True, "pools": [
        {"pool": "main", "usable": 1, "throttled": 0, "busy": 0, "down": 0,
         "backends": [{"name": "a/gpt4o-a", "state": "closed"}]}]}
    assert routed.admin("GET", "/health/routes").status == 401
    listed = routed.admin("GET", "/health/routes", KEYED).json()["routes"]
    assert [(r["route"], r["ready"]) for r in listed] == [("first", True), ("routes[1]", True)]
    assert listed[0] == told


def test_a_route_that_does_not_serve_is_told(routed, a):
    a.default = lambda c, r: c.error(500)
    assert routed.chat().status == 503
    answer = routed.admin("GET", "/health/routes/first")
    assert (answer.status, answer.body) == (503, b"unavailable\n")
    assert routed.admin("GET", "/health/routes/first", KEYED).json()["ready"] is False
    assert [r["ready"] for r in routed.admin("GET", "/health/routes", KEYED).json()["routes"]] == [False, True]
    assert routed.admin("GET", "/health/ready").status == 200


@pytest.mark.parametrize("path", ["/health/routes/third", "/health/routes/first/x", "/health/routes/" + "x" * 300])
def test_names_that_are_none(routed, path):
    assert routed.admin("GET", path).status == 404
