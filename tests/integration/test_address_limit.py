"""How many connections one client address may have open on a listener."""

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION
from support.wire import Wire

KEYED = {"api-key": KEY}


def limited(gateway, a, limit, workers=1, **listener):
    g = gateway([a], {"gateway": {"workers": workers},
                      "listeners": {"public": {"limits": {"connections_per_address": limit}, **listener}}})
    g.wait_for_metric(0, "spillway_connections_open")  # the one that asked whether the gateway lives is gone
    return g


def is_let_in(wire):
    return wire.ask("POST", CHAT, KEYED, QUESTION).status == 200


def refused_at_once(g):
    """Closed by the gateway before it read a byte, so there was no handshake."""
    with Wire(g.port) as wire:
        return wire.closed_by_peer(3)


def held(g, count):
    wires = [g.connect() for _ in range(count)]
    assert all(is_let_in(w) for w in wires)
    return wires


def room_again(g, a):
    def look():
        try:
            return g.chat().status == 200
        except OSError:
            return False
    return a.wait_for(look)


@pytest.mark.parametrize("workers, accept", [(1, "reuse_port"), (2, "reuse_port"), (2, "least_sessions")])
def test_one_address_over_all_workers(gateway, a, workers, accept):
    g = limited(gateway, a, 4, workers, accept=accept)
    wires = held(g, 4)
    for _ in range(6):
        assert refused_at_once(g)
    assert is_let_in(wires[0]), "who is in stays in"
    assert g.metric("spillway_connections_refused_by_address_total") >= 6
    assert g.metric("spillway_connections_refused_total") == 0
    handshakes = g.metric("spillway_tls_handshakes_total") + g.metric("spillway_tls_failures_total")
    assert handshakes == 4 + 1, "the four, and the one that asked whether the gateway lives"
    wires.pop().close()
    assert room_again(g, a)
    for w in wires:
        w.close()


def test_proxies_that_are_trusted_speak_for_many(gateway, a):
    g = limited(gateway, a, 1, trusted_proxies=["127.0.0.0/8"])
    for w in held(g, 5):
        w.close()


def test_without_the_limit_nothing_is_counted(gateway, a):
    g = gateway([a])
    for w in held(g, 20):
        w.close()
    assert g.metric("spillway_connections_refused_by_address_total") == 0


def test_the_limit_follows_a_reload(gateway, a):
    g = limited(gateway, a, 2)
    wires = held(g, 2)
    assert refused_at_once(g)
    assert g.reload({"listeners": {"public": {"limits": {"connections_per_address": 3}}}}).status == 200
    wires += held(g, 1)
    assert refused_at_once(g)
    assert g.reload({"listeners": {"public": {"limits": {"connections_per_address": 0}}}}).status == 200
    wires += held(g, 3)
    for w in wires:
        w.close()


def test_another_address_is_not_concerned(gateway, a):
    g = limited(gateway, a, 1)
    wires = held(g, 1)
    assert refused_at_once(g)
    with g.connect(source="127.0.0.2") as other:
        assert is_let_in(other)
    wires[0].close()
