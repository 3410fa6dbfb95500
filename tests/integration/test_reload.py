"""A configuration changes while requests run; one that is broken changes nothing."""

import os
import re
import socket
import ssl
import threading
import time

import pytest
from support.config import KEY, deployment_on, free_port, instance_for, key_hash, merge
from support.gateway import CHAT, QUESTION, SANITIZED, STREAM
from support.wire import Wire


def test_new_routes_and_clients_serve_at_once(one, a):
    assert one.chat(key="second").status == 401
    assert one.reload({"clients": {"other": {"keys": [key_hash("second")]}},
                       "routes": [{"clients": ["other"], "deployment": "*", "pool": "main"}]}).status == 200
    assert one.chat(key="second").status == 200
    assert one.chat().status == 404


def test_sighup_reloads(one):
    one.change({"clients": {"app": {"keys": [key_hash("rotated")]}}})
    one.hang_up()
    assert wait_for(lambda: one.chat(key="rotated").status == 200)
    assert one.chat().status == 401


def test_a_changed_file_is_noticed(one):
    one.change({"clients": {"app": {"keys": [key_hash("rotated")]}}})
    assert wait_for(lambda: one.chat(key="rotated").status == 200)


def test_a_swapped_symlink_is_noticed(gateway, a):
    """As a mounted ConfigMap changes: a link to a folder is replaced, the file's own path stays."""
    g = gateway([a], start=False)
    for name, key in (("..one", KEY), ("..two", "rotated")):
        (g.folder / name).mkdir()
        g.file = g.folder / name / "spillway.yaml"
        g.write(merge(g.config, {"clients": {"app": {"keys": [key_hash(key)]}}}))
    data = g.folder / "..data"
    data.symlink_to("..one")
    g.file = g.folder / "spillway.yaml"
    g.file.symlink_to("..data/spillway.yaml")
    g.write = lambda config: None
    g.start()
    assert g.chat().status == 200
    fresh = g.folder / "..fresh"
    fresh.symlink_to("..two")
    os.rename(fresh, data)
    assert wait_for(lambda: g.chat(key="rotated").status == 200)
    assert g.chat().status == 401


def wait_for(condition, seconds=5):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("spoil, place", [
    (lambda text: text.replace("pool: main", "pool: nowhere"), r"\d+:\d+"),
    (lambda text: text + "unknown_key: 1\n", r"\d+:1"),
    (lambda text: text.replace("version: 1", "version: [", 1), r"\d+:\d+"),
    (lambda text: text + "gateway: {workers: 2}\n", r"\d+:1"),
    (lambda text: text.replace("workers: 1", "workers: many"), r"\d+:\d+"),
    (lambda text: text.replace("instance: a", "instance: missing"), r"\d+:\d+"),
    (lambda text: "", r""),
], ids=["unknown pool", "unknown key", "broken YAML", "key twice", "no number", "unknown instance", "empty file"])
def test_bad_configuration_is_refused_and_the_old_one_stays(one, spoil, place):
    before = one.admin("GET", "/config").json()
    one.write(spoil(one.file.read_text()))
    answer = one.reload()
    assert 400 <= answer.status < 500
    assert re.search(rf"{re.escape(str(one.file))}:?{place}", answer.body.decode()), answer.body
    assert one.chat().status == 200
    after = one.admin("GET", "/config").json()
    assert after["hash"] == before["hash"]
    assert re.search(rf"{re.escape(str(one.file))}:?{place}", one.log())
    one.write(one.config)
    assert one.reload().status == 200
    assert one.chat().status == 200


def test_daemon_does_not_start_with_a_bad_configuration(gateway, a):
    g = gateway([a], {"pools": {"main": {"balance": "by_magic"}}}, start=False)
    with pytest.raises(AssertionError, match="ended at once"):
        g.start()
    assert g.process.returncode == 1
    assert re.search(r"spillway\.yaml:\d+:\d+: error: pools\.main\.balance", g.log())


def test_a_reload_keeps_breakers(pair, a, b):
    a.then(lambda c, r: c.error(429, fields={"retry-after": "60"}))
    assert pair.chat().json()["model"] == "b"
    assert pair.reload({"gateway": {"expose_headers": True}}).status == 200
    assert pair.chat().json()["model"] == "b"
    assert len(a.requests) == 1


def test_a_reload_keeps_warm_connections(one, a):
    one.chat()
    one.reload({"gateway": {"expose_headers": True}})
    one.chat()
    assert len(a.connections) == 1


def test_a_running_stream_keeps_the_configuration_that_it_began_with(pair, a, b):
    go = threading.Event()

    def held(c, r):
        c.stream_head()
        c.event({"n": 0})
        go.wait(10)
        c.event("[DONE]")
        c.last_chunk()
    a.then(held)
    with pair.connect() as wire:
        wire.request("POST", CHAT, {"api-key": KEY}, STREAM)
        answer = wire.read_head()
        only_b = {"instances": {"a": None}, "pools": {"main": {"backends": [
            {"instance": "b", "deployment": deployment_on(b), "type": "global_standard"}]}}}
        assert pair.reload(only_b).status == 200
        assert pair.chat().json()["model"] == "b"
        go.set()
        assert wire.read_body(answer).body.endswith(b"data: [DONE]\n\n")
        assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).json()["model"] == "b"


def ask_plain(port):
    with Wire(port, timeout=2) as wire:
        return wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status


def listens(port):
    try:
        Wire(port, timeout=2).close()
        return True
    except OSError:
        return False


def test_listeners_come_and_go(one):
    port = free_port()
    assert not listens(port)
    assert one.reload({"listeners": {"inside": {"address": f"127.0.0.1:{port}"}}}).status == 200
    assert wait_for(lambda: listens(port))
    assert ask_plain(port) == 200
    with Wire(port) as wire:
        assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200
        assert one.reload({"listeners": {"inside": None}}).status == 200
        assert wait_for(lambda: not listens(port))
        assert wire.closed_by_peer(), "a door that is gone is gone for those who have come by it, too"
    assert one.chat().status == 200


def test_address_in_use_refuses_the_reload(one, a):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        before = dict(one.config)
        assert one.reload({"listeners": {"more": {"address": f"127.0.0.1:{port}"}}}).status >= 400
        assert one.chat().status == 200
        one.write(before)


def serial_of(g):
    with g.connect() as wire:
        return ssl.DER_cert_to_PEM_cert(wire.sock.getpeercert(binary_form=True))


def test_certificate_rotates_without_a_restart(one, certs):
    """The files keep their names, as cert-manager and Key Vault's agent do it."""
    one.reload({"listeners": {"public": {"tls": copied(one, certs.gateway)}}})
    before = serial_of(one)
    with one.connect() as wire:
        copied(one, certs.make("rotated", ["localhost"], ["127.0.0.1"]))
        assert wait_for(lambda: serial_of(one) != before)
        assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200


def copied(g, pair):
    out = {}
    for kind, source in zip(("certificate", "key"), pair):
        target, fresh = g.folder / f"tls.{kind}", g.folder / f"fresh.{kind}"
        fresh.write_bytes(source.read_bytes())
        fresh.rename(target)
        out[kind] = str(target)
    return out


def test_certificate_that_does_not_fit_its_key_is_refused(one, certs):
    one.reload({"listeners": {"public": {"tls": copied(one, certs.gateway)}}})
    before = serial_of(one)
    copied(one, (certs.make("another", ["localhost"])[0], certs.gateway[1]))
    assert one.reload().status >= 400
    assert serial_of(one) == before


def test_instances_key_rotates_from_its_file(gateway, a):
    g = gateway([a], start=False)
    secret = g.folder / "azure.key"
    secret.write_text("first-secret\n")
    g.config["credentials"]["azure"] = {"api_key": f"file:{secret}"}
    g.start()
    g.chat()
    assert a.requests[-1].header("api-key") == "first-secret"
    secret.write_text("second-secret\n")
    assert wait_for(lambda: g.chat().status == 200 and a.requests[-1].header("api-key") == "second-secret")


@pytest.mark.multicore
def test_ten_thousand_requests_during_fifty_reloads_without_a_failure(gateway, certs, a, b):
    g = gateway([a, b], {"gateway": {"workers": 2}})
    wanted, reloads = (1000, 10) if SANITIZED else (10_000, 50)
    failures, done, stop = [], [0], threading.Event()

    def hammer():
        try:
            while not stop.is_set():
                with g.connect() as wire:
                    for _ in range(100):
                        answer = wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION)
                        if answer.status != 200:
                            failures.append((answer.status, answer.body))
                        done[0] += 1
                        if answer.header("connection") == "close" or stop.is_set():
                            break
        except Exception as e:  # noqa: BLE001: whatever it is, it is a failure
            failures.append(repr(e))

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for t in threads:
        t.start()
    for n in range(reloads):
        order = ("a", "b") if n % 2 else ("b", "a")
        backends = [{"instance": i, "deployment": f"gpt4o-{i}", "type": "global_standard", "priority": p}
                    for p, i in enumerate(order, 1)]
        change = {"pools": {"main": {"backends": backends}}, "instances": {"a": instance_for(certs, a)}}
        if n % 5 == 0:
            change["instances"]["a"]["connections"] = {"max_idle": 10 + n}
        assert g.reload(change).status == 200
        while done[0] < wanted * (n + 1) / reloads and not failures:
            time.sleep(0.005)
    stop.set()
    for t in threads:
        t.join(30)
    assert not failures, failures[:3]
    assert done[0] >= wanted
    assert a.requests and b.requests


@pytest.mark.multicore
def test_what_the_reload_has_answered_serves_on_every_core(gateway, a):
    g = gateway([a], {"gateway": {"workers": 4}})
    for i in range(20):
        assert g.reload({"clients": {"app": {"keys": [key_hash(f"key-number-{i}")]}}}).status == 200
        assert [g.ask("POST", CHAT, {}, QUESTION, key=f"key-number-{i}").status for _ in range(4)] == [200] * 4
