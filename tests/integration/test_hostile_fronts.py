"""What only a front may say - who the client is, where it is, which door it came through - said by somebody else."""

import contextlib
import hashlib
import json
import os
import socket
import ssl
import urllib.parse

import pytest
from support.config import KEY, free_port
from support.gateway import QUESTION
from support.hostile import CHAT, FRONT_DOOR, House, at
from support.identity import until
from support.wire import Wire

XFCC, ARR = "X-Forwarded-Client-Cert", "X-ARR-ClientCert"


class Holder:
    """Somebody with a certificate: of our authority for a name, or of their own making."""

    def __init__(self, certs, folder, name, host, trusted=True):
        if trusted:
            self.pem = certs.make(name, [host])[0].read_text()
        else:
            from support.certs import openssl
            key, cert = folder / f"{name}.key", folder / f"{name}.crt"
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 3,
                    "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-keyout", key, "-out", cert)
            self.pem = cert.read_text()
        self.der = ssl.PEM_cert_to_DER_cert(self.pem)
        self.base64 = "".join(line for line in self.pem.splitlines() if "-----" not in line)
        self.quoted = urllib.parse.quote(self.pem)
        self.hash = hashlib.sha256(self.der).hexdigest()


class People:
    def __init__(self, certs, folder):
        self.shop = Holder(certs, folder, "shop", "shop.internal")
        self.stranger = Holder(certs, folder, "stranger", "stranger.internal")
        self.forger = Holder(certs, folder, "forger", "shop.internal", trusted=False)
        self.pinned = Holder(certs, folder, "pinned", "pinned.internal", trusted=False)

    def fill(self, value):
        """`{shop}` and its like are quoted certificates, `{shop64}` plain, `{shophash}` fingerprints."""
        for name, who in vars(self).items():
            value = value.replace(f"{{{name}}}", who.quoted).replace(f"{{{name}64}}", who.base64)
            value = value.replace(f"{{{name}hash}}", who.hash)
        return value


@pytest.fixture(scope="module")
def house(certs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    people = People(certs, folder)
    near, far = ["127.0.0.1"], ["10.0.0.0/8"]
    tls = {"certificate": str(certs.gateway[0]), "key": str(certs.gateway[1])}
    door, ca = {"ids": [FRONT_DOOR]}, str(certs.ca)
    listeners = {
        "public": {"trusted_proxies": far, "forwarded_certificate": {"header": XFCC, "client_ca": ca}},
        "locked": {"front_door": door, "trusted_proxies": near}, "unproxied": {"front_door": door},
        "faraway": {"front_door": door, "trusted_proxies": far},
        "proxied": {"trusted_proxies": near, "forwarded_certificate": {"header": XFCC, "client_ca": ca}},
        "appservice": {"trusted_proxies": near, "forwarded_certificate": {"header": ARR}}, "closed": {"allow": far}}
    for name in [*listeners][1:]:
        listeners[name] |= {"address": f"127.0.0.1:{free_port()}", "tls": tls}
    h = House(certs, folder, {
        "listeners": listeners,
        "clients": {"shop": {"certificate": {"names": ["dns:shop.internal"]}},
                    "pinned": {"certificate": {"fingerprints": [f"sha256:{people.pinned.hash}"]}}},
        "routes": [{"clients": ["app", "shop", "pinned"], "deployment": "gpt-4o", "pool": "chat"},
                   {"clients": ["other"], "deployment": "secret-model", "pool": "chat"}]})
    h.people = people
    yield h
    h.close()


# Nobody stays nobody, whatever the headers say


@pytest.mark.parametrize("fields", [
    {"X-MS-CLIENT-PRINCIPAL": "eyJ1c2VySWQiOiJhcHAifQ=="}, {"X-MS-CLIENT-PRINCIPAL-NAME": "app"},
    {"X-MS-CLIENT-PRINCIPAL-ID": "app"}, {"X-MS-CLIENT-PRINCIPAL-IDP": "aad"}, {"X-MS-TOKEN-AAD-ACCESS-TOKEN": "TOKEN"},
    {"X-MS-TOKEN-AAD-ID-TOKEN": "TOKEN"}, {"X-Client": "app"}, {"X-User": "app"}, {"X-Spillway-Client": "app"},
    {"X-Azure-FDID": FRONT_DOOR}, {"Forwarded": "for=10.0.0.1;by=10.0.0.2"}, {"X-Forwarded-For": "10.0.0.1"},
    {"X-Azure-SocketIP": "10.0.0.1"}, {"X-Azure-ClientIP": "10.0.0.1"}, {"X-Real-IP": "10.0.0.1"},
    {"X-Original-URL": "/health/live"}, {"X-Rewrite-URL": "/health/live"}, {"X-HTTP-Method-Override": "GET"},
    {"X-Forwarded-Host": "localhost"}, {"X-Forwarded-User": "app"}, {"X-Remote-User": "app"}, {"Remote-User": "app"},
    {"X-Forwarded-Email": "app@contoso.example"}, {"X-Auth-Request-User": "app"}, {"X-SSL-Client-Verify": "SUCCESS"},
    {"X-SSL-Client-S-DN": "CN=shop.internal"}, {"SSL_CLIENT_CERT": "{shop}"}, {"X-Client-Cert": "{shop}"},
    {"Client-Cert": ":{shop64}:"}, {"X-Envoy-External-Address": "10.0.0.1"}, {"X-Amzn-Mtls-Clientcert": "{shop}"}])
@pytest.mark.parametrize("listener", ["public", "proxied"])
def test_forged_headers_make_nobody_somebody(house, listener, fields):
    filled = [(n, house.people.fill(v).replace("TOKEN", house.good)) for n, v in fields.items()]
    house.refused(at(listener, filled), 401, why="missing")


# Certificates that a proxy passes on


GOOD = [("proxied", XFCC, "{shop}"), ("proxied", XFCC, 'Hash=00;Cert="{shop}";Subject="CN=x"'), ("appservice", ARR,
    "{pinned64}"),
        ("proxied", XFCC, 'Cert="{forger}",By=x;Cert="{shop}"'), ("proxied", XFCC, "{pinned}")]


@pytest.mark.parametrize("listener, name, value", GOOD)
def test_the_forms_that_a_trusted_proxy_may_use(house, listener, name, value):
    house.accepted(at(listener, [(name, house.people.fill(value))]))


@pytest.mark.parametrize("name, value", [(name, value) for _, name, value in GOOD])
@pytest.mark.parametrize("listener", ["public"])
def test_the_same_from_anybody_else(house, listener, name, value):
    house.refused(at(listener, [(name, house.people.fill(value))]), 401, why="missing")


@pytest.mark.parametrize("value", [
    "", "x", "%", "%zz", "Cert=", 'Cert="', 'Cert=""', "MIIB", "{stranger}", "{forger}", 'Cert="{forger}"',
    "Hash={shophash}",
    "Hash={pinnedhash}", 'By=x;Hash={pinnedhash};Subject="CN=pinned.internal"', "sha256:{pinnedhash}", "{pinnedhash}",
    'Hash={pinnedhash};Cert="{forger}"', 'Cert="{shop}",Cert="{forger}"', 'Cert="{shop}",By=x;Hash=00',
    'Cert="{shop}",',
    'Cert="{shop}";x="', 'Cert="{shop}', "Subject=\"DNS:shop.internal\"", "DNS=shop.internal",
    "URI=dns:shop.internal;By=x",
    'Cert="{shop}" Cert="{forger}"', 'Cert="{shop}"{forger}', 'x="Cert=\\"{shop}\\""', 'x=";Cert={shop};y="',
    '"Cert={shop}"', 'Chain="{shop}"', 'Cert="{shop64}%00"', "{forger}{shop}", "{forger}%0A{shop}", "A" * 9000,
    'Cert="{shop}",Cert="{stranger}"', 'Cert="{pinned}",Cert="{forger}"', "-----BEGIN CERTIFICATE-----",
    "{shop},{forger}",
    "%2D" * 500, 'Cert="%00{shop}"', "Cert={shop};;", ";Cert={shop}", ",Cert={forger}"])
def test_certificates_that_are_none_of_a_client(house, value):
    house.refused(at("proxied", [(XFCC, house.people.fill(value))]), 401)


@pytest.mark.parametrize("fields", [
    [(XFCC, "{shop}"), (XFCC, "{shop}")], [(XFCC, "{shop}"), (XFCC, "{forger}")], [(XFCC, "{forger}"), (XFCC,
    "{shop}")],
    [(XFCC, ""), (XFCC, "{shop}")], [("x-forwarded-client-cert", "{shop}"), ("X-FORWARDED-CLIENT-CERT", "Hash=0")],
    [(ARR, "{shop64}")], [("X-Forwarded-Client-Cert-", "{shop}")], [("X_Forwarded_Client_Cert", "{shop}")]])
def test_certificates_brought_twice_or_elsewhere(house, fields):
    house.refused(at("proxied", [(n, house.people.fill(v)) for n, v in fields]), 401)


@pytest.mark.parametrize("value", ["{shop64}", "{forger64}", "{stranger}", "{pinnedhash}", "{pinned64}x",
    "{pinned64}{forger64}",
                                   "x{pinned64}", "{forger64}{pinned64}", "{pinned64},{pinned64}"])
def test_without_an_authority_only_the_fingerprint_counts(house, value):
    house.refused(at("appservice", [(ARR, house.people.fill(value))]), 401)


# Front Door's lock


IDS = [[], [""], [" "], ["6" + FRONT_DOOR[1:]], [FRONT_DOOR + "0"], [FRONT_DOOR[:-1]], [f"{FRONT_DOOR},{FRONT_DOOR}"],
       [f"{FRONT_DOOR}, x"], [f'"{FRONT_DOOR}"'], [f"{{{FRONT_DOOR}}}"], ["*"], [FRONT_DOOR.replace("-", "")], ["null"],
       [FRONT_DOOR, FRONT_DOOR], [FRONT_DOOR, "x"], ["x", FRONT_DOOR], ["", FRONT_DOOR], [FRONT_DOOR, ""],
       [FRONT_DOOR + ";x"], [FRONT_DOOR.replace("1", "\u00b9")], ["sha256:" + FRONT_DOOR], [FRONT_DOOR + "\u00a0"]]


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("listener", ["locked", "unproxied"])
def test_other_doors(house, listener, ids):
    send = at(listener, [("X-Azure-FDID", i) for i in ids], key=KEY)
    house.refused(send, 403, "FrontDoorRequired")


@pytest.mark.parametrize("fields", [
    [("X-Azure-FDID", FRONT_DOOR)], [("X-Azure-FDID", FRONT_DOOR), ("X-Forwarded-For", "10.0.0.1")],
    [("X-Azure-FDID", FRONT_DOOR), ("X-Azure-ClientIP", "10.0.0.1")],
    [("X-Azure-FDID", FRONT_DOOR), ("Forwarded", "for=10.0.0.1")], [("X-Azure-FDID", FRONT_DOOR), ("Via", "Azure")]])
def test_the_right_id_from_nobody_that_is_the_front(house, fields):
    house.refused(at("faraway", fields, key=KEY), 403, "FrontDoorRequired")


@pytest.mark.parametrize("name", ["X-Azure-FD-ID", "X_Azure_FDID", "Azure-FDID", "X-FDID", "X-Azure-FDID2",
    "X-Azure-Ref"])
def test_the_right_id_in_another_place(house, name):
    house.refused(at("locked", [(name, FRONT_DOOR)], key=KEY), 403, "FrontDoorRequired")
    house.refused(at("locked", target=f"{CHAT}&{name}={FRONT_DOOR}", key=KEY), 403, "FrontDoorRequired")


@pytest.mark.parametrize("target", ["/health/live/x", "/health/ready/../../openai/v1/models", "/health/live%2f",
    "/health//live",
                                    "/health/live;x", "/Health/Live", "/health/x", "/healthz/x", "/health;x"])
def test_the_lock_leaves_nothing_open_but_probes(house, target):
    ambiguous = any(s in target for s in ("..", "%2f", "//"))
    house.refused(at("locked", target=target, key=KEY), 400 if ambiguous else 403)


def test_the_lock_comes_before_the_key(house):
    house.refused(at("locked", key="nobody"), 403, "FrontDoorRequired")
    house.refused(at("locked", [("X-Azure-FDID", FRONT_DOOR)], key="nobody"), 401, why="key_unknown")


@pytest.mark.parametrize("listener", ["locked", "unproxied"])
@pytest.mark.parametrize("id_given", [FRONT_DOOR, FRONT_DOOR.upper(), f" {FRONT_DOOR} "])
def test_our_own_front_door(house, listener, id_given):
    house.accepted(at(listener, [("X-Azure-FDID", id_given)], key=KEY))


# Addresses


@pytest.mark.parametrize("fields", [
    [], [("X-Forwarded-For", "10.0.0.1")], [("X-Forwarded-For", "10.0.0.1, 10.0.0.2")], [("Forwarded", "for=10.0.0.1")],
    [("X-Azure-ClientIP", "10.0.0.1")], [("X-Azure-SocketIP", "10.0.0.1")], [("X-Real-IP", "10.0.0.1")],
    [("True-Client-IP", "10.0.0.1")], [("CF-Connecting-IP", "10.0.0.1")], [("X-Client-IP", "10.0.0.1")],
    [("X-Forwarded-For", "127.0.0.1")], [("Host", "10.0.0.1")]])
def test_networks_are_those_of_the_connection(house, fields):
    house.refused(at("closed", fields, key=KEY), 403, "AddressNotAllowed")


def peer_of(house, name, listener, fields):
    """Which address the access log has for a request of that id."""
    house.refused(at(listener, [*fields, ("x-request-id", name)], key="nobody"), 401, why="key_unknown")
    until(lambda: name in {line["request_id"] for line in house.gateway.access_log()})
    line = next(line for line in house.gateway.access_log() if line["request_id"] == name)
    return line["peer"], json.dumps(line)


ADDRESSES = ["X-Azure-ClientIP", "X-Azure-SocketIP", "X-Real-IP", "Forwarded", "True-Client-IP", "X-Client-IP",
             "CF-Connecting-IP"]


# A trusted proxy writes one of these headers, X-Forwarded-For; what else comes through it came from the client.
@pytest.mark.parametrize("listener, name", [("public", "X-Forwarded-For"), *(("public", n) for n in ADDRESSES),
                                            *(("proxied", n) for n in ADDRESSES)])
def test_a_forged_address_stays_out_of_the_log(house, listener, name):
    value = "for=203.0.113.77" if name == "Forwarded" else "203.0.113.77"
    peer, line = peer_of(house, f"{listener}-{name}", listener, [(name, value)])
    assert peer == "127.0.0.1" and "203.0.113" not in line


@pytest.mark.parametrize("case, said, peer", [
    ("rightmost", ["203.0.113.77, 198.51.100.9"], "198.51.100.9"), ("lines", ["203.0.113.77", "198.51.100.9"],
    "198.51.100.9"),
    ("words", ["203.0.113.77, unknown"], "127.0.0.1"), ("text", ["<script>"], "127.0.0.1"), ("empty", [""],
    "127.0.0.1"),
    ("own", ["203.0.113.77, 198.51.100.9, 127.0.0.1"], "198.51.100.9"), ("port", ["198.51.100.9:4711"], "198.51.100.9"),
    ("long", ["203.0.113.77, " + "9" * 300], "127.0.0.1"), ("octal", ["0313.0.0161.0115"], "127.0.0.1"),
    ("zone", ["fe80::1%eth0"], "127.0.0.1"), ("short", ["203.113"], "127.0.0.1"), ("number", ["3405803853"],
    "127.0.0.1")])
def test_a_trusted_proxy_is_believed_for_what_it_wrote_itself(house, case, said, peer):
    assert peer_of(house, f"chain-{case}", "proxied", [("X-Forwarded-For", s) for s in said])[0] == peer


# What a stranger gets wrong is the stranger's alone: one worker serves all of these connections in one thread


def requests_of_friends_stay_single(house, disturb):
    with house.gateway.connect() as friend:
        for _ in range(3):
            before = house.asked()
            disturb()
            assert friend.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200
            assert house.asked() == before + 1


@pytest.mark.parametrize("value", ["{forger}", "{stranger}", 'Cert="{forger}"', "MIIB", "MIIBAAAA", "{shop64}%00",
    "{forger64}AAAA",
                                   "-----BEGIN CERTIFICATE-----%0AAAAA%0A-----END CERTIFICATE-----", "{forger}{shop}"])
def test_a_bad_certificate_costs_the_next_request_nothing(house, value):
    with Wire(house.gateway.port_of("proxied"), house.gateway.tls) as stranger:
        requests_of_friends_stay_single(house, lambda: stranger.ask(
            "POST", CHAT, [(XFCC, house.people.fill(value))], QUESTION))


@pytest.mark.parametrize("hello", [
    b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"\0" * 400,
    b"\x15\x03\x03\x00\x02\x02\x28",
    b"\x80\x2e\x01\x00\x02", b"\0" * 64, b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"])
def test_a_bad_handshake_costs_the_next_request_nothing(house, hello):
    def disturb():
        with Wire(house.gateway.port, timeout=5) as stranger:
            stranger.send(hello)
            stranger.half_close()
            while stranger.recv():
                pass
    requests_of_friends_stay_single(house, disturb)


def test_a_session_that_ends_in_garbage_costs_the_next_request_nothing(house):
    """Bytes that are no record, behind a handshake that was good."""
    def disturb():
        with Wire(house.gateway.port, house.gateway.tls) as stranger:
            assert stranger.ask("GET", "/health/live").status == 200
            with socket.socket(fileno=os.dup(stranger.sock.fileno())) as tcp:
                tcp.settimeout(5)
                tcp.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
                with contextlib.suppress(ConnectionResetError):
                    while tcp.recv(4096):
                        pass
    requests_of_friends_stay_single(house, disturb)
