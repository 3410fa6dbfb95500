"""What the gateway says of its own health, and how it proves it: probes that cost no token, suspicion of backends that
hang, readiness by proof, health of single routes."""

import concurrent.futures
import itertools
import json
import threading

import pytest
from support.config import KEY, UPSTREAM_KEY, deployment_on, free_port, pool_of
from support.gateway import QUESTION, STREAM
from support.upstream import answer_chat

PROBE = {"how": "chat", "interval": "500ms", "timeout": "400ms", "suspect": "300ms"}
QUICK = {"probe": PROBE, "breaker": {"failures": 1, "open": "200ms", "max_open": "400ms"}}


def settings(**over):
    return {"pools": {"main": {**QUICK, **over}}}


def is_probe(r):
    return r.body == b"{}"


def probes_at(u):
    return [r for r in u.requests if is_probe(r)]


def refuse_probe(c, r):
    c.error(400, None, "'messages' is a required property")


class Moods:
    """An upstream whose answers to requests and to probes a test changes while it runs."""

    def __init__(self, u, request=answer_chat, probe=refuse_probe):
        self.request, self.probe = request, probe
        u.default = lambda c, r: (self.probe if is_probe(r) else self.request)(c, r)


def fail(c, r):
    c.error(500)


def hang(c, r):
    c.wait_until_peer_leaves(20)


def ready(g, path="/health/ready"):
    return g.ask("GET", path, key=None).status == 200


def breaker(g, backend=0):
    return g.status()["pools"][0]["backends"][backend]["breaker"]["state"]


# Readiness by proof


def test_readiness_comes_back_by_a_probe_and_never_by_the_clock(gateway, a):
    moods = Moods(a, fail, fail)
    g = gateway([a], settings())
    assert g.chat().status == 503
    assert a.wait_for(lambda: not ready(g), 3)
    asked = len(a.requests)
    # Its open time is over many times; nobody has shown that it works.
    assert a.wait_for(lambda: len(probes_at(a)) >= 3, 8)
    assert not ready(g)
    assert breaker(g) in ("half_open", "unhealthy")
    assert len(a.requests) - asked == len(probes_at(a)), "no request but probes"
    moods.probe = refuse_probe
    assert a.wait_for(lambda: ready(g), 4)
    moods.request = answer_chat
    assert a.wait_for(lambda: g.chat().status == 200, 4)
    proof = g.status()["pools"][0]["backends"][0]["proof"]
    assert proof["by"] == "request"
    assert proof["last_probe"]["result"] == "proven"


def test_a_probe_is_a_chat_without_messages_and_no_request_of_a_client(gateway, a):
    moods = Moods(a, fail)
    g = gateway([a], settings())
    assert g.chat().status == 503
    assert a.wait_for(lambda: probes_at(a), 5)
    p = probes_at(a)[0]
    assert p.method == "POST"
    assert p.target == f"/openai/deployments/{deployment_on(a)}/chat/completions?api-version=2024-10-21"
    assert p.header("api-key") == UPSTREAM_KEY
    assert p.header("host") == a.host
    assert p.header("content-type") == "application/json"
    g.wait_for_metric(1, "spillway_probes_total", backend=f"a/{deployment_on(a)}", result="proven")
    assert g.metric("spillway_requests_total", client="app") == 1
    assert len(g.access_log()) == 1
    assert UPSTREAM_KEY not in g.log()
    moods.request = answer_chat


def test_probes_are_bounded_whoever_runs(gateway, a):
    Moods(a, fail, fail)
    g = gateway([a], {**settings(), "gateway": {"workers": 3}})
    assert g.chat().status == 503
    assert a.wait_for(lambda: len(probes_at(a)) >= 4, 10)
    at = [r.at for r in probes_at(a)]
    assert min(later - earlier for earlier, later in itertools.pairwise(at)) > 0.45
    assert len({r.connection for r in probes_at(a)}) == len(at), "each on a connection of its own"


def test_nobody_is_asked_while_all_is_well_or_only_throttled(gateway, a, b):
    Moods(b)
    a.default = lambda c, r: c.error(429, fields={"retry-after": "60"})
    g = gateway([a, b], settings())
    for _ in range(20):
        assert g.chat().json()["model"] == "b"
    assert a.wait_for(lambda: breaker(g) == "throttled", 3)
    assert not a.wait_for(lambda: probes_at(a) or probes_at(b), 1.7)


def test_what_was_misconfigured_is_used_again_without_a_request(gateway, a, b):
    def missing(c, r):
        c.error(404, "DeploymentNotFound", "The API deployment for this resource does not exist.")

    moods = Moods(a, missing, missing)
    Moods(b)
    g = gateway([a, b], settings(breaker={"open": "60s"}))
    assert g.chat().json()["model"] == "b"
    assert breaker(g) == "misconfigured"
    assert a.wait_for(lambda: probes_at(a), 5)
    assert breaker(g) == "misconfigured"
    moods.request, moods.probe = answer_chat, refuse_probe
    assert a.wait_for(lambda: breaker(g) == "closed", 4)
    assert g.chat().json()["model"] == "a"


def test_a_dead_instance_is_found_alive_by_a_connection(gateway, certs, upstream):
    port = free_port()
    a = upstream("a")
    there, a.port = a.port, port
    g = gateway([a], settings(probe={**PROBE, "how": "auto"}))
    for _ in range(6):
        assert g.chat().status in (502, 503)
    assert a.wait_for(lambda: not ready(g), 3)
    assert not a.wait_for(lambda: ready(g), 1.5), "its open time is over"
    back = upstream("a", port=port)
    assert back.wait_for(lambda: ready(g), 5)
    assert not back.requests, "a connection is enough"
    assert back.wait_for(lambda: g.chat().status == 200, 3)
    a.port = there


def test_probes_can_be_turned_off(gateway, a):
    Moods(a, fail)
    g = gateway([a], settings(probe={"how": "none"}))
    assert g.chat().status == 503
    assert not a.wait_for(lambda: probes_at(a), 1.7)
    assert not ready(g)


@pytest.mark.parametrize("fault", [{"fault": "status", "status": 500}, {"fault": "refuse_connection"},
                                   {"fault": "status", "status": 401}], ids=lambda f: str(f.get("status", "refused")))
def test_an_outage_of_azure_ends_by_a_probe_that_costs_no_token(gateway, simulator, a, fault):
    sim = simulator()
    backends = [{"instance": "a", "deployment": "gpt-4o-a", "type": "global_standard"}]
    g = gateway(sim.instances[:1], settings(breaker={"failures": 1, "open": "60s"}, backends=backends))
    sim.fault(**fault)
    assert a.wait_for(lambda: g.chat().status >= 500 and not ready(g), 8)
    sim.heal()
    assert a.wait_for(lambda: ready(g), 5)
    assert not any(e["prompt_tokens"] or e["completion_tokens"] for e in sim.usage())
    assert a.wait_for(lambda: g.chat().status == 200, 5)


# Suspicion


@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["plain", "stream"])
def test_who_waits_at_a_dead_backend_moves_on(gateway, a, b, body):
    Moods(a, hang, hang)
    Moods(b)
    g = gateway([a, b], settings(breaker={"failures": 100}))
    answer = g.chat(body)
    assert answer.json()["model"] == "b"
    assert b.requests[0].at - a.requests[0].at < 3, "long before the first-byte timeout"
    assert len(probes_at(a)) == 1
    g.wait_for_metric(1, "spillway_attempts_total", outcome="suspected")


def test_one_probe_asks_for_all_who_wait(gateway, a, b):
    Moods(a, hang, hang)
    g = gateway([a, b], settings(breaker={"failures": 100}, probe={**PROBE, "interval": "5s"}))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: g.chat(), range(8)))
    assert {x.json()["model"] for x in answers} == {"b"}
    assert len(probes_at(a)) == 1


def test_an_answer_to_the_probe_clears_who_only_thinks(gateway, a, b):
    done = threading.Event()

    def think(c, r):
        done.wait(10)
        answer_chat(c, r)

    Moods(a, think)
    g = gateway([a, b], settings())
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(g.chat)
        assert a.wait_for(lambda: len(probes_at(a)) >= 2, 8)
        done.set()
        assert answer.result().json()["model"] == "a"
    assert not b.requests
    assert len(a.requests) - len(probes_at(a)) == 1
    assert breaker(g) == "closed"


def test_a_connection_whose_answer_never_came_is_not_used_again(gateway, a, b):
    """The answer of the first attempt ended in step; that says nothing about the second one's connection."""
    left = []

    def late(c, r):
        left.append(c.wait_until_peer_leaves(5))

    a.then(fail)
    b.then(late)
    g = gateway([a, b], {"pools": {"main": {"timeouts": {"first_byte": "300ms"}, "probe": {"how": "none"}}}})
    assert g.chat().status >= 500
    assert b.wait_for(lambda: left, 6)
    assert left[0] is not None, "it lay among the idle ones, with somebody else's answer on its way"


# Routes


@pytest.fixture
def routed(gateway, a, b):
    """routed(require=...): a route `first` to pool `main` on a, and one without a name to pool `other` on b."""

    def make(**health):
        return gateway([a, b], {
            "pools": {"main": pool_of([a], **QUICK), "other": pool_of([b], **QUICK)},
            "routes": [{"name": "first", "clients": ["app"], "deployment": "gpt-4o", "pool": "main"},
                       {"clients": ["app"], "deployment": "other", "pool": "other"}],
            "health": health})

    Moods(a, fail, fail)
    Moods(b)
    return make


SECOND = "/health/routes/routes%5B1%5D"


def break_first(g, a):
    assert g.chat().status == 503
    assert a.wait_for(lambda: not ready(g, "/health/routes/first"), 3)


def test_each_route_has_a_health_of_its_own(routed, a):
    g = routed()
    assert ready(g, "/health/routes/first")
    assert ready(g, SECOND)
    break_first(g, a)
    assert ready(g, SECOND)
    assert ready(g), "one route that serves is enough"
    answer = g.ask("GET", "/health/routes/first", key=None)
    assert answer.body == b"unavailable\n"
    assert answer.header("cache-control") == "no-store"
    head = g.ask("HEAD", SECOND, key=None)
    assert (head.status, head.body) == (200, b"")
    assert [r["ready"] for r in g.status()["routes"]] == [False, True]


@pytest.mark.parametrize("path", ["/health/routes/third", "/health/routes/first/x",
                                  "/health/routes/" + "x" * 300])
def test_a_route_that_is_none_is_not_found(routed, path):
    assert routed().ask("GET", path, key=None).status == 404


def test_details_of_a_route_are_for_its_clients(routed, a):
    g = routed()
    break_first(g, a)
    told = g.ask("GET", "/health/routes/first", key=KEY)
    assert told.status == 503
    assert json.loads(told.body) == {"route": "first", "ready": False, "pools": [
        {"pool": "main", "usable": 0, "throttled": 0, "busy": 0, "down": 1}]}
    assert g.ask("GET", "/health/routes/first", key="a-wrong-key").status == 401
    assert g.ask("GET", "/health/routes/third", key=KEY).status == 404


@pytest.mark.parametrize("require, good", [("any", True), ("all", False), (["first"], False), (["routes[1]"], True),
                                           (["first", "routes[1]"], False)])
def test_which_routes_have_to_serve_is_configured(routed, a, require, good):
    g = routed(require=require)
    assert ready(g)
    break_first(g, a)
    assert a.wait_for(lambda: ready(g) == good, 2)
    assert ready(g) == good
