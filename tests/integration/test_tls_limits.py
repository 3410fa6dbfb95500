"""What a stranger may do to a TLS listener before and after the handshake, and which certificates a backend may not have."""

import socket
import ssl
import subprocess
import time

import pytest
from support.certs import openssl
from support.config import KEY
from support.gateway import CHAT, QUESTION

CLIENT_HELLO = bytes.fromhex("1603010200010001fc0303") + b"\x00" * 100  # half of one


def half_open(g, count, bytes_sent=CLIENT_HELLO):
    out = []
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", g.port), 10)
        if bytes_sent:
            sock.sendall(bytes_sent)
        out.append(sock)
    return out


def closed(sock):
    sock.settimeout(5)
    try:
        return sock.recv(100) == b""
    except ConnectionResetError:
        return True


def test_the_oldest_of_too_many_handshakes_ends(gateway, a):
    g = gateway([a], {"listeners": {"public": {"limits": {"handshakes": 20}}}})
    socks = half_open(g, 50)
    g.wait_for_metric(30, "spillway_limits_hit_total", limit="handshakes")
    assert all(closed(s) for s in socks[:30])
    for _ in range(3):
        assert g.chat().status == 200, "who shakes hands at once is served"
    assert closed(socks[30])
    for s in socks:
        s.close()
    g.wait_for_metric(0, "spillway_connections_open")


@pytest.mark.native_only
@pytest.mark.parametrize("what, each", [(b"", 5), (CLIENT_HELLO, 48)], ids=["silent", "half a hello"])
def test_half_handshakes_are_small(gateway, a, what, each):
    """KB of memory of each; the silent ones have no TLS yet."""
    g = gateway([a], {"listeners": {"public": {"limits": {"handshakes": 5000}}}})
    g.chat()
    before = g.resident_bytes()
    socks = half_open(g, 800, what)
    until = time.monotonic() + 5
    while g.metric("spillway_connections_open") < 800 and time.monotonic() < until:
        time.sleep(0.02)
    grown = (g.resident_bytes() - before) / 800 / 1024
    print(f"{grown:.1f} KB each")
    assert grown < each
    assert g.chat().status == 200
    for s in socks:
        s.close()


def test_http_2_alone_is_refused_in_the_handshake(one, certs):
    tls = certs.client_context()
    tls.set_alpn_protocols(["h2"])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        one.connect(tls=tls)
    assert one.chat().status == 200


def test_no_server_name_is_needed(one, certs):
    tls = certs.client_context()
    tls.check_hostname = False
    with one.connect(tls=tls, name=None) as wire:
        assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200


def test_renegotiation_is_refused(one):
    asked = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{one.port}", "-tls1_2"], input=b"R\n",
                           capture_output=True, timeout=20)
    assert b"RENEGOTIATING" in asked.stdout + asked.stderr
    assert b"no renegotiation" in asked.stderr or asked.returncode != 0
    assert one.chat().status == 200


def test_early_data_is_not_offered(one, certs):
    tls = certs.client_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    with one.connect(tls=tls) as wire:
        assert wire.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200
        assert wire.sock.session.has_ticket
    told = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{one.port}", "-tls1_3"], input=b"Q\n",
                          capture_output=True, timeout=20).stdout
    assert b"Early data was not sent" in told or b"Max Early Data: 0" in told


def odd_certificate(certs, name, hosts=("*.openai.test",), days=30, begins=None, extra=()):
    key, request, certificate, extensions = (certs.folder / f"{name}.{kind}" for kind in ("key", "csr", "crt", "ext"))
    extensions.write_text("subjectAltName=" + ",".join(f"DNS:{h}" for h in hosts) + "\n" + "".join(extra))
    certs._new_key(key)
    openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
    times = ["-days", days] if begins is None else []
    if begins is None:
        openssl("x509", "-req", "-in", request, "-CA", certs.ca, "-CAkey", certs.ca_key, "-CAcreateserial", *times,
                "-extfile", extensions, "-out", certificate)
        return certificate, key
    database = certs.folder / f"{name}.db"
    database.mkdir(exist_ok=True)
    (database / "index").write_text("")
    config = database / "ca.cnf"
    config.write_text(f"[ca]\ndefault_ca=x\n[x]\ndatabase={database}/index\nnew_certs_dir={database}\nrand_serial=yes\n"
                      "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    openssl("ca", "-batch", "-config", config, "-cert", certs.ca, "-keyfile", certs.ca_key, "-in", request,
            "-startdate", begins[0], "-enddate", begins[1], "-extfile", extensions, "-out", certificate, "-notext")
    return certificate, key


@pytest.mark.parametrize("what, settings, reason", [
    ("wrong-name", {"hosts": ["other.test"]}, "ostname mismatch"),
    ("any-name", {"hosts": ["*"]}, "ostname mismatch"),
    ("any-two-names", {"hosts": ["*.*"]}, "ostname mismatch"),
    ("any-of-test", {"hosts": ["*.test"]}, "ostname mismatch"),
    ("ended", {"begins": ("20200101000000Z", "20200201000000Z")}, "expired"),
    ("not-yet", {"begins": ("20900101000000Z", "20910101000000Z")}, "not yet valid"),
    ("for-clients", {"extra": ["extendedKeyUsage=clientAuth\n"]}, "certificate purpose"),
])
def test_backends_with_other_certificates_are_not_asked(gateway, certs, upstream, b, what, settings, reason):
    bad = upstream("a", pair=odd_certificate(certs, what, **settings))
    g = gateway([bad, b])
    assert g.chat().json()["model"] == "b"
    assert not bad.requests
    assert reason in g.log()


def test_a_thousand_names_are_no_harm(gateway, certs, upstream):
    many = upstream("a", pair=odd_certificate(certs, "many", [f"n{i}.test" for i in range(1000)] + ["*.openai.test"]))
    assert gateway([many]).chat().status == 200
