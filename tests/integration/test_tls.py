"""The listener's TLS, and listeners without."""

import socket
import ssl

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION
from support.wire import Wire, compose

V = ssl.TLSVersion


def context(certs, low, high):
    tls = certs.client_context()
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version, tls.maximum_version = low, high
    return tls


@pytest.mark.parametrize("version, name", [(V.TLSv1_2, "TLSv1.2"), (V.TLSv1_3, "TLSv1.3")])
def test_tls_1_2_and_1_3(one, certs, version, name):
    with one.connect(tls=context(certs, version, version)) as wire:
        assert wire.sock.version() == name
        assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [V.TLSv1, V.TLSv1_1])
def test_older_versions_are_refused(one, certs, version):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        one.connect(tls=context(certs, version, version))
    assert one.chat().status == 200


def test_tls_1_2_can_be_switched_off(gateway, certs, a):
    g = gateway([a], {"listeners": {"public": {"tls": {"min_version": "1.3"}}}})
    with pytest.raises((ssl.SSLError, ConnectionError)):
        g.connect(tls=context(certs, V.TLSv1_2, V.TLSv1_2))
    assert g.chat().status == 200


@pytest.mark.parametrize("offered, chosen", [(["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), ([], None)])
def test_alpn(one, certs, offered, chosen):
    tls = certs.client_context()
    if offered:
        tls.set_alpn_protocols(offered)
    with one.connect(tls=tls) as wire:
        assert wire.sock.selected_alpn_protocol() == chosen
        assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200


def test_sessions_are_resumed(one, certs):
    tls = context(certs, V.TLSv1_2, V.TLSv1_2)
    with one.connect(tls=tls) as wire:
        assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200
        session = wire.sock.session
    raw = socket.create_connection(("127.0.0.1", one.port))
    with tls.wrap_socket(raw, server_hostname="localhost", session=session) as again:
        assert again.session_reused
    one.wait_for_metric(1, "spillway_tls_resumed_total")


def test_http_2_preface_is_told_what_to_do(one):
    with one.connect() as wire:
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert wire.read_answer("GET").status in (400, 505)
        assert wire.closed_by_peer()


def test_plain_http_where_the_configuration_says_so(gateway, a):
    g = gateway([a], {"listeners": {"public": {"tls": None}}})
    assert g.url.startswith("http://")
    assert g.chat().status == 200
    with g.connect() as wire:
        wire.send(compose("POST", CHAT, {"api-key": KEY}, QUESTION) * 3)
        assert [wire.read_answer().status for _ in range(3)] == [200] * 3


def test_plain_http_to_the_tls_port_is_no_request(one, a):
    with Wire(one.port) as wire:
        wire.send(compose("POST", CHAT, {"api-key": KEY}, QUESTION))
        wire.closed_by_peer()
    assert not a.requests
    one.wait_for_metric(1, "spillway_tls_failures_total")


def test_broken_records_end_the_connection_and_nothing_else(one):
    raw = socket.socket(fileno=one.connect().sock.detach())
    raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    raw.settimeout(5)
    while raw.recv(4096):
        pass
    raw.close()
    assert one.chat().status == 200


def test_plain_upstream_where_the_configuration_says_so(gateway, upstream):
    a = upstream("a", tls=False)
    insecure = {"instances": {"a": {"endpoint": f"http://{a.host}", "ca_file": None, "insecure": True}}}
    assert gateway([a], insecure).chat().status == 200


def test_plain_upstream_is_refused_without_that_word(gateway, upstream):
    a = upstream("a", tls=False)
    g = gateway([a], {"instances": {"a": {"endpoint": f"http://{a.host}", "ca_file": None}}}, start=False)
    with pytest.raises(AssertionError, match="ended at once"):
        g.start()
    assert "instances.a.endpoint" in g.log()


def test_upstream_sessions_are_resumed(one, a):
    def last_of_its_connection(c, r):
        c.answer(200, {}, {"connection": "close"})
        c.close()
    a.default = last_of_its_connection
    for _ in range(3):
        assert one.chat().status == 200
    one.wait_for_metric(3, "spillway_upstream_connections_opened_total")
    one.wait_for_metric(2, "spillway_upstream_tls_resumed_total")


def test_upstream_sessions_outlive_servers_that_leave_without_a_goodbye(one, a):
    for _ in range(3):
        assert one.chat().status == 200
        a.connections[-1].hang_up()
        assert a.wait_for(lambda: not a.connections[-1].open)
    one.wait_for_metric(3, "spillway_upstream_connections_opened_total")
    one.wait_for_metric(2, "spillway_upstream_tls_resumed_total")
