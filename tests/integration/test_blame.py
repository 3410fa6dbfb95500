"""A backend answers only for what others do better: what clients see while backends fail, in real time."""

import random
import threading
import time

import pytest
from support.config import KEY, free_port, key_hash, merge
from support.gateway import CHAT, QUESTION
from support.upstream import answer_chat

BAD_KEY = "key-of-the-poisoner"
POISON = {"messages": [{"role": "user", "content": "poison"}]}


def equal(upstreams, **pool):
    """The upstreams side by side, and a second client."""
    backends = [{"instance": u.name, "deployment": f"gpt4o-{u.name}", "type": "global_standard"} for u in upstreams]
    return {"pools": {"main": merge({"backends": backends}, pool)},
            "clients": {"bad": {"keys": [key_hash(BAD_KEY)]}},
            "routes": [{"clients": ["app", "bad"], "deployment": "*", "pool": "main"}]}


@pytest.fixture
def three(upstream):
    return [upstream(n) for n in "abc"]


def statuses(g, count, threads=4, key=KEY, body=None):
    """What `count` requests of a client got, side by side on kept connections."""
    out, lock = [], threading.Lock()

    def some():
        with g.connect() as wire:
            for _ in range(count // threads):
                answer = wire.ask("POST", CHAT, {"api-key": key}, body or QUESTION)
                with lock:
                    out.append(answer.status)

    workers = [threading.Thread(target=some) for _ in range(threads)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    return out


def breakers(g):
    now = g.status()
    states = [b["breaker"]["state"] for p in now["pools"] for b in p["backends"]]
    return states + [i["breaker"]["state"] for i in now["instances"]]


def opened(g):
    return sum(g.metric("spillway_backend_opened_total", pool="main", backend=f"{n}/gpt4o-{n}") for n in "abc")


def now_and_then(share, seed):
    chance = random.Random(seed)
    return lambda c, r: c.error(500) if chance.random() < share else answer_chat(c, r)


def test_one_failure_in_fifty_shuts_nothing_and_no_client_sees_it(gateway, three):
    for seed, u in enumerate(three):
        u.default = now_and_then(0.02, seed)
    g = gateway(three, equal(three))
    assert statuses(g, 800) == [200] * 800
    assert opened(g) == 0


def test_a_backend_that_fails_one_in_ten_costs_no_client_anything(gateway, three):
    three[1].default = now_and_then(0.1, 1)
    g = gateway(three, equal(three))
    assert statuses(g, 600) == [200] * 600
    assert opened(g) == 0


def event_error(code, status):
    def script(c, r):
        c.stream_head()
        c.event({"error": {"code": code, "message": "no", "status": status}})
        c.last_chunk()
    return script


def nothing(c, r):
    c.answer(200, b"", content_type="text/event-stream")


@pytest.mark.parametrize("kind, script", [
    ("500", lambda c, r: c.error(500, "model_error", "The model produced invalid content.")),
    ("503", lambda c, r: c.error(503)),
    ("529", lambda c, r: c.error(529)),
    ("401", lambda c, r: c.error(401, "401", "Access denied")),
    ("403", lambda c, r: c.error(403, "Forbidden", "the search key is refused")),
    ("307", lambda c, r: c.answer(307, b"", {"location": "https://elsewhere.test/"})),
    ("reset", lambda c, r: c.reset()),
    ("no HTTP", lambda c, r: c.send("nonsense\r\n\r\n")),
    ("filtered", event_error("content_filter", 400)),
    ("failing stream", event_error("server_error", 500)),
    ("nothing", nothing),
])
def test_one_clients_poison_costs_no_other_client_anything(gateway, three, kind, script):
    for u in three:
        u.default = lambda c, r: script(c, r) if b"poison" in r.body else answer_chat(c, r)
    g = gateway(three, equal(three))
    good, done = [], threading.Event()

    def everybody_else():
        while not done.is_set():
            good.extend(statuses(g, 4, threads=1))

    other = threading.Thread(target=everybody_else)
    other.start()
    for _ in range(15):
        g.ask("POST", CHAT, {"api-key": BAD_KEY}, merge(POISON, {"stream": True}), key=None)
    done.set()
    other.join()
    good += statuses(g, 8)
    assert good == [200] * len(good)
    assert set(breakers(g)) == {"closed"}


@pytest.mark.parametrize("how", [lambda c, r: c.reset(), lambda c, r: c.error(500), lambda c, r: c.error(401)])
def test_all_down_and_back_is_served_again_within_a_second_and_a_half(gateway, three, how):
    g = gateway(three, equal(three))
    assert statuses(g, 8) == [200] * 8
    for u in three:
        u.default = how
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        answer = g.chat()
        assert answer.status in (502, 503)
        if answer.error["code"] == "NoBackendAvailable":
            assert 0 < int(answer.header("retry-after-ms")) <= 1000
    three[2].default = answer_chat
    back = time.monotonic()
    assert three[2].wait_for(lambda: g.chat().status == 200, 5)
    assert time.monotonic() - back < 1.5
    # And it stays so, although two are still down.
    settled = time.monotonic() + 1.5
    while time.monotonic() < settled:
        g.chat()
    assert statuses(g, 40) == [200] * 40


def test_one_dead_backend_of_three_costs_a_handful_of_requests_a_second_try(gateway, three):
    three[0].port = free_port()
    g = gateway(three, equal(three))
    assert statuses(g, 200) == [200] * 200
    tried = g.metric("spillway_attempts_total", pool="main", backend="a/gpt4o-a", outcome="connect_failed")
    assert tried <= 10


def test_every_backend_is_asked_before_a_client_sees_a_429(gateway, upstream):
    all_of_them = [upstream(n, default=lambda c, r: c.error(429, "429", "slow down", {"retry-after-ms": "60000"}))
                   for n in "abcdefg"]
    all_of_them[-1].default = answer_chat
    g = gateway(all_of_them)
    assert g.chat().json()["model"] == "g"
    assert [len(u.requests) for u in all_of_them] == [1] * 7
    assert g.chat().json()["model"] == "g"
    assert [len(u.requests) for u in all_of_them] == [1] * 6 + [2]


def test_a_429_that_all_give_is_shown_in_the_backends_words_with_the_shortest_wait(pair, a, b):
    a.then(lambda c, r: c.error(429, "429", "of a", {"retry-after-ms": "9000"}))
    b.then(lambda c, r: c.error(429, "insufficient_quota", "of b", {"retry-after": "60", "x-should-retry": "false"}))
    answer = pair.chat()
    assert answer.status == 429
    assert answer.error["code"] == "insufficient_quota"
    assert 7000 < int(answer.header("retry-after-ms")) <= 9000
    assert answer.header("retry-after") in ("8", "9")
    assert answer.header("x-should-retry") == "true"
    assert [n for n, _ in answer.fields if n.lower() == "retry-after"] == ["retry-after"]


@pytest.mark.parametrize("status", [520, 522, 524, 529, 530])
def test_errors_of_an_edge_in_front_of_a_backend_go_elsewhere(pair, a, status):
    a.then(lambda c, r: c.answer(status, b"error", content_type="text/plain"))
    assert pair.chat().json()["model"] == "b"


def test_a_redirect_goes_elsewhere_and_is_never_shown(pair, a, b):
    script = lambda c, r: c.answer(307, b"", {"location": "https://elsewhere.test/steal"})
    a.default = script
    assert pair.chat().json()["model"] == "b"
    b.default = script
    answer = pair.chat()
    assert (answer.status, answer.error["code"]) == (502, "BackendRedirects")
    assert answer.header("location") is None
    assert b"elsewhere" not in answer.body


def test_a_plain_answer_that_is_late_is_not_paid_for_twice(gateway, a, b):
    g = gateway([a, b], {"pools": {"main": {"timeouts": {"first_byte": "300ms"}}}})
    a.then(lambda c, r: c.wait_until_peer_leaves(5))
    answer = g.chat()
    assert (answer.status, answer.error["code"]) == (504, "RequestTimeout")
    assert not b.requests
    assert set(breakers(g)) == {"closed"}


def test_the_sdks_own_timeout_bounds_the_request(one, a):
    a.then(lambda c, r: c.wait_until_peer_leaves(5))
    began = time.monotonic()
    assert one.chat(fields={"x-stainless-read-timeout": "0.4"}).status == 504
    assert 0.3 < time.monotonic() - began < 2
