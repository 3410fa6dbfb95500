"""Names that do not resolve cost themselves alone; and whoever does not answer never holds up the end."""

import os
import socket
import threading
import time

import pytest
from support.config import KEY, deployment_on, merge
from support.dns import Dns
from support.gateway import CHAT, QUESTION

QUICK = {"shutdown": {"pre_drain": "0s", "drain": "2s"}}
LATEST = 3.9  # drain, a second, and what a busy machine adds


@pytest.fixture
def dns():
    """dns({"good.test": "127.0.0.1"}): a running name server."""
    made = []

    def make(names=None, **how):
        made.append(Dns(names, **how))
        return made[-1]

    yield make
    for d in made:
        d.close()


@pytest.fixture
def plain(upstream):
    return upstream("a", tls=False)


def soon(holds, seconds=15):
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)
    return found


def named(u, host, **more):
    """The upstream by a name; the only backend, unless others are added."""
    return {"instances": {u.name: {"endpoint": f"http://{host}:{u.port}", "address": None, "ca_file": None,
                                   "insecure": True, "dns_refresh": "1s", **more}}}


def asking(server):
    return {"net": {"dns": {"servers": [server.address]}}}


def with_dead_names(u, count):
    dead = [f"dead{n:03}" for n in range(count)]
    return {
        "instances": {d: {"endpoint": f"http://a{d}.test:1", "insecure": True, "credential": "azure",
                          "dns_refresh": "1s"} for d in dead},
        "pools": {"main": {"backends": [{"instance": n, "deployment": deployment_on(u),
                                         "priority": 1 if n == u.name else 2} for n in (u.name, *dead)]}},
    }


def names_of(g):
    return {n["name"]: n for n in g.status()["names"]}


@pytest.mark.parametrize("dead", [4, 40])
def test_dead_names_do_not_starve_a_good_one(gateway, plain, dns, dead):
    server = dns({"z.good.test": "127.0.0.1"})
    began = time.monotonic()
    g = gateway([plain], merge(named(plain, "z.good.test"), merge(with_dead_names(plain, dead), asking(server))))
    assert [g.chat().status for _ in range(3)] == [200] * 3
    assert time.monotonic() - began < 10, "asked at once, and not after all the others"
    soon(lambda: server.asked.count("z.good.test") >= 4)
    assert g.chat().status == 200


def test_a_name_that_fails_keeps_its_addresses_and_is_looked_up_again(gateway, plain, dns):
    server = dns({"moves.test": "127.0.0.1"})
    g = gateway([plain], merge(named(plain, "moves.test"), asking(server)))
    assert g.chat().status == 200
    server.names["moves.test"] = None
    soon(lambda: names_of(g)["moves.test"]["failures_in_a_row"] >= 3)
    now = names_of(g)["moves.test"]
    assert now["addresses"] == ["127.0.0.1"] and now["last_error"]
    assert any("moves.test does not resolve" in line for line in g.status()["attention"])
    assert g.metric("spillway_dns_failing_names") == 1
    assert g.metric("spillway_dns_lookups_total", result="none") >= 3
    assert g.metric("spillway_dns_lookups_total", result="found") >= 1
    assert g.chat().status == 200
    server.names["moves.test"] = "127.0.0.2"
    soon(lambda: names_of(g)["moves.test"]["addresses"] == ["127.0.0.2"])
    assert g.metric("spillway_dns_failing_names") == 0
    assert not [line for line in g.status()["attention"] if "moves.test" in line]


def test_other_name_servers_by_reload(gateway, plain, dns):
    silent, good = dns(), dns({"x.test": "127.0.0.1"})
    g = gateway([plain], merge(named(plain, "x.test"), asking(silent)))
    soon(lambda: silent.asked)
    assert g.reload(asking(good)).status == 200
    soon(lambda: g.chat().status == 200)
    assert g.reload({"net": {"dns": {"servers": ["dns.test"]}}}).status != 200


# The end

class Mute:
    """Takes connections and never says a word."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        self.taken = []
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self):
        try:
            while True:
                self.taken.append(self.socket.accept()[0])
        except OSError:
            pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for c in self.taken:
            c.close()


@pytest.fixture
def mute():
    m = Mute()
    yield m
    m.close()


def ends_in_time(g):
    began = time.monotonic()
    g.terminate()
    assert g.wait() == 0
    took = time.monotonic() - began
    assert took < LATEST, f"{took:.1f} s:\n{g.log()}"
    return took


def test_the_end_waits_for_no_name(gateway, a, dns):
    """Of an instance, a token endpoint, an identity provider and a collector, all under way."""
    server = dns()
    over = {
        "instances": {"far": {"endpoint": "http://far.test:1", "insecure": True, "credential": "token"}},
        "credentials": {"token": {"managed_identity": {"url": "http://token.test:1", "endpoint": "imds"}}},
        "token_providers": {"p": {"issuer": "http://issuer.test", "insecure": True, "audiences": ["api://s"]}},
        "tracing": {"endpoint": "http://collector.test:4318", "sample": 1.0},
        "pools": {"main": {"backends": [{"instance": "a", "deployment": deployment_on(a)},
                                        {"instance": "far", "deployment": "x", "priority": 2}]}},
    }
    g = gateway([a], merge(merge(QUICK, asking(server)), over))
    assert g.chat().status == 200
    soon(lambda: {"far.test", "token.test", "issuer.test", "collector.test"} <= set(server.asked))
    assert ends_in_time(g) < 3


def test_the_end_waits_for_no_database(gateway, a, mute, tmp_path):
    usage = {"usage": {"spool": str(tmp_path / "spool"), "store": f"postgresql://me@127.0.0.1:{mute.port}/db"}}
    g = gateway([a], merge(QUICK, usage))
    assert g.chat().status == 200
    soon(lambda: mute.taken)
    ends_in_time(g)
    assert "ended without the usage ledger's store" in g.log()
    assert "ended\n" in g.log()


def test_what_a_mute_database_did_not_take_is_carried_by_the_next_start(gateway, a, mute, tmp_path):
    usage = {"usage": {"spool": str(tmp_path / "spool"), "store": f"postgresql://me@127.0.0.1:{mute.port}/db"}}
    g = gateway([a], merge(QUICK, usage))
    for _ in range(5):
        assert g.chat().status == 200
    soon(lambda: mute.taken)
    ends_in_time(g)
    g.change({"usage": {"store": f"sqlite:{tmp_path}/usage.db"}})
    g.start()
    soon(lambda: g.metric("spillway_ledger_written_total") == 5)


def test_the_end_waits_for_no_redis(gateway, a, mute):
    quotas = {"quotas": {"store": f"redis://127.0.0.1:{mute.port}"},
              "clients": {"app": {"quota": {"requests_per_minute": 1000}}}}
    g = gateway([a], merge(QUICK, quotas))
    assert g.chat().status == 200
    soon(lambda: mute.taken)
    ends_in_time(g)


def test_the_end_waits_for_no_pipe(gateway, a, tmp_path):
    """Access log and captured texts go to pipes whose readers stopped."""
    pipes = {name: tmp_path / name for name in ("access", "capture")}
    readers = []
    for p in pipes.values():
        os.mkfifo(p)
        readers.append(os.open(p, os.O_RDONLY | os.O_NONBLOCK))
    over = {"log": {"access": {"file": str(pipes["access"])}, "capture": {"file": str(pipes["capture"])}},
            "routes": [{"clients": ["app"], "deployment": "*", "pool": "main", "capture": "both"}]}
    g = gateway([a], merge(QUICK, over))
    big = {"messages": [{"role": "user", "content": "x" * 20000}]}
    with g.connect() as wire:
        for _ in range(10):
            assert wire.ask("POST", CHAT, {"api-key": KEY}, big).status == 200
        for _ in range(300):
            assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200
    ends_in_time(g)
    for r in readers:
        os.close(r)


def test_the_end_waits_for_all_of_them_at_once(gateway, a, mute, dns, tmp_path):
    server = dns()
    over = {
        "usage": {"spool": str(tmp_path / "spool"), "store": f"postgresql://me@127.0.0.1:{mute.port}/db"},
        "quotas": {"store": f"redis://127.0.0.1:{mute.port}"},
        "clients": {"app": {"quota": {"requests_per_minute": 1000}}},
        "tracing": {"endpoint": f"http://127.0.0.1:{mute.port}", "sample": 1.0},
        "instances": {"far": {"endpoint": "http://far.test:1", "insecure": True, "credential": "azure"}},
        "pools": {"main": {"backends": [{"instance": "a", "deployment": deployment_on(a)},
                                        {"instance": "far", "deployment": "x", "priority": 2}]}},
    }
    g = gateway([a], merge(merge(QUICK, asking(server)), over))
    assert g.chat().status == 200
    soon(lambda: len(mute.taken) >= 3 and server.asked)
    ends_in_time(g)
