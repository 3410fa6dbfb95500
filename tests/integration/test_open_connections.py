"""Connections that are older than the configuration, and by which address their clients are known."""

import socket
import ssl
import subprocess

import pytest
from support.certs import Certificates
from support.config import KEY, free_port
from support.gateway import CHAT, QUESTION
from support.identity import until
from support.wire import Wire, compose


def asks(wire):
    return wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status


def test_an_open_connection_obeys_the_listener_as_it_is_now(one):
    with one.connect() as old:
        assert asks(old) == 200
        assert one.reload({"listeners": {"public": {"allow": ["10.0.0.0/8"]}}}).status == 200
        assert asks(old) == 403
        one.reload({"listeners": {"public": {"allow": ["127.0.0.0/8"], "base_path": "/ai"}}})
        assert old.ask("POST", "/ai" + CHAT, {"api-key": KEY}, QUESTION).status == 200
        one.reload({"listeners": {"public": {"limits": {"body": "1KiB"}}}})
        assert old.ask("POST", CHAT, {"api-key": KEY}, b" " * 2000).status == 413


def test_connections_of_a_listener_that_is_gone_end(gateway, a):
    g = gateway([a], {"listeners": {"second": {"address": f"127.0.0.1:{free_port()}"}}})
    with Wire(g.port_of("second")) as old, Wire(g.port_of("second")) as busy, g.connect() as other:
        assert asks(old) == 200
        assert asks(other) == 200
        # Amid a request: it is served, and then the connection ends.
        whole = compose("POST", CHAT, {"api-key": KEY}, QUESTION)
        busy.send(whole[:-5])
        until(lambda: g.metric("spillway_requests_active") == 1)
        assert g.reload({"listeners": {"second": None}}).status == 200
        assert old.closed_by_peer()
        answer = busy.send(whole[-5:]).read_answer()
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert busy.closed_by_peer()
        assert asks(other) == 200
    # One of the same name later has nothing to do with them.
    g.reload({"listeners": {"second": {"address": f"127.0.0.1:{free_port()}", "limits": {"connections": 1}}}})
    with Wire(g.port_of("second")) as fresh:
        assert asks(fresh) == 200


def client_certificate(authority, folder, name):
    key, request, made, names = (folder / f"{name}.{kind}" for kind in ("key", "csr", "crt", "ext"))
    authority._new_key(key)
    names.write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage=clientAuth\n")
    run = lambda *args: subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
    run("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
    run("x509", "-req", "-in", request, "-CA", authority.ca, "-CAkey", authority.ca_key, "-CAcreateserial", "-days", 5,
        "-extfile", names, "-out", made)
    return made, key


def test_an_authority_that_is_taken_away_takes_its_connections_along(gateway, a, certs, tmp_path):
    (tmp_path / "new").mkdir()
    other = Certificates(tmp_path / "new")
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(certs.ca.read_bytes())
    g = gateway([a], {"listeners": {"public": {"tls": {"client_ca": str(trusted)}}},
                      "clients": {"app": {"certificate": {"names": ["dns:batch.test"]}}}})
    mine = certs.client_context()
    mine.load_cert_chain(*map(str, client_certificate(certs, tmp_path, "batch.test")))
    ask = lambda wire: wire.ask("POST", CHAT, [], QUESTION).status
    with Wire(g.port, mine) as old:
        assert ask(old) == 200
        # A renewed certificate of the listener itself ends nothing.
        renewed = certs.make("renewed", ["localhost"])
        g.reload({"listeners": {"public": {"tls": {"certificate": str(renewed[0]), "key": str(renewed[1])}}}})
        assert ask(old) == 200
        trusted.write_bytes(other.ca.read_bytes())
        assert g.reload().status == 200
        assert old.closed_by_peer()
    with pytest.raises((ssl.SSLError, ConnectionError)), Wire(g.port, mine) as fresh:
        ask(fresh)


# Listeners of both families


def test_ipv4_clients_of_an_ipv6_listener_are_known_by_their_ipv4_address(gateway, a):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    g = gateway([a], {"listeners": {"both": {"address": f"[::]:{free_port()}", "allow": ["127.0.0.0/8"],
                                             "trusted_proxies": ["127.0.0.0/8"]}}})
    with Wire(g.port_of("both")) as wire:
        assert asks(wire) == 200
        assert wire.ask("POST", CHAT, {"api-key": KEY, "X-Forwarded-For": "::ffff:203.0.113.9"}, QUESTION).status == 200
    peers = [line["peer"] for line in g.wait_for_access_log(2)]
    assert peers == ["127.0.0.1", "203.0.113.9"]
