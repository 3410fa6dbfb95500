"""Token endpoints, metadata services and OpenID providers that answer what they should not: the gateway's credential
fails alone, keys that are known serve on, and nobody but the configuration decides whom the gateway asks."""

import hashlib
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from support import gateway as gateways
from support.gateway import QUESTION
from support.hostile import Issuer, b64
from support.identity import until
from support.upstream import Upstream

AUDIENCE = "api://spillway"


def chat_at(name):
    return f"/openai/deployments/{name}/chat/completions?api-version=2024-10-21"


def text(status=200, body=b"", fields=(), content_type="application/json"):
    return lambda c: c.answer(status, body, fields, content_type)


def raw(data):
    return lambda c: c.send(data)


def token(value, **more):
    return text(body={"access_token": value, "token_type": "Bearer", "expires_in": "3600", **more})


def life(value):
    return text(body=json.dumps({"access_token": "good", "expires_in": value}))


def endless(head, piece):
    """Sends without end, until the gateway has had enough."""
    def send(c):
        c.send(head)
        for _ in range(2000):
            c.send(piece * 64)
    return send


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ENDLESS = {
    "endless body": endless(CHUNKED, b"400\r\n" + b" " * 1024 + b"\r\n"),
    "endless extensions": endless(CHUNKED, b"1;" + b"e" * 250 + b"\r\n \r\n"),
    "endless trailers": endless(CHUNKED + b"0\r\n", b"x: " + b"t" * 1000 + b"\r\n"),
    "endless interim": endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "endless head": endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
}
DEEP = b"[" * 400_000 + b"]" * 400_000
REDIRECT = [("location", "http://127.0.0.1:1/")]

# Answers of a metadata service, and the token that is used then; None: none is, and the second backend serves.
TOKENS = {
    "good": (token("good"), "good"), "padded": (token("a-._~+/b=="), "a-._~+/b=="),
    **{name: (token(f"a{bad}b"), None) for name, bad in {
        "crlf": "\r\nx-evil: 1\r\n", "lf": "\n", "cr": "\r", "tab": "\t", "blank": " ", "nul": "\0", "ctrl": "\x01",
        "vt": "\x0b", "esc": "\x1b[31m", "del": "\x7f", "nel": "\x85", "latin": "é", "emoji": "\U0001F600",
        "comma": ",", "quote": '"'}.items()},
    "16 KiB": (token("t" * 16384), "t" * 16384), "more than 16 KiB": (token("t" * 16385), None), "empty": (token(""), None),
    "number": (text(body={"access_token": 5, "expires_in": 3600}), None), "list": (text(body=[1]), None),
    "html": (text(body="<html>login</html>", content_type="text/html"), None),
    "odd content type": (text(body={"access_token": "good", "expires_in": 3600}, content_type="text/html"), "good"),
    "302": (text(302, fields=REDIRECT), None), "500": (text(500, "x"), None),
    "429 for a day": (text(429, fields=[("retry-after", "86400")]), None),
    "204": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), None),
    "utf-16": (text(body=json.dumps({"access_token": "good", "expires_in": 3600}).encode("utf-16")), None),
    "deep": (text(body=b'{"access_token":"good","expires_in":3600,"x":' + DEEP + b"}"), "good"),
    "3 MB": (text(body=b'{"access_token":"good","expires_in":3600,"x":"' + b"a" * 3_000_000 + b'"}'), None),
    "far": (text(body={"access_token": "good", "expires_on": "99999999999"}), "good"),
    "past": (text(body={"access_token": "good", "expires_on": "5"}), None),
    "no date": (text(body={"access_token": "good", "expires_on": "13/45/2999 99:99:99 +00:00"}), None),
    "no life": (text(body={"access_token": "good"}), None), "renewed at once": (token("good", refresh_in=0), "good"),
    **{f"life {value!r}": (life(value), used) for value, used in [
        (-1, None), (0, None), ("-1", None), ("0", None), ("1e3", None), ("abc", None), (10**18, "good"),
        (2**64 - 1, "good"), ("99999999999999999999", None), (3599.5, None), (None, None), (True, None), ([], None),
        ({}, None)]},
    **{name: (how, None) for name, how in ENDLESS.items()},
}


@pytest.fixture(scope="module")
def metadata(certs, tmp_path_factory):
    """(gateway, first, second): a credential, an instance and a deployment for each answer of the metadata service;
    behind each instance stands one with a key."""
    folder = tmp_path_factory.mktemp("metadata")
    cases = list(TOKENS)

    def answer(c, r):
        TOKENS[cases[int(r.target.split("/")[1])]][0](c)
        c.close()
    service = Upstream(certs, "service", tls=False, default=answer)
    first, second = Upstream(certs, "first"), Upstream(certs, "second")
    over = {"credentials": {}, "instances": {"first": None}, "pools": {"main": None}, "routes": []}
    base = gateways.build(folder, certs, [first, second]).config
    for n, _ in enumerate(cases):
        over["credentials"][f"c{n}"] = {"managed_identity": {"url": f"http://127.0.0.1:{service.port}/{n}",
                                                             "endpoint": "imds"}}
        over["instances"][f"i{n}"] = {**base["instances"]["first"], "credential": f"c{n}"}
        over["pools"][f"p{n}"] = {"model": "gpt-4o", "version": "2024-11-20", "backends": [
            {"instance": f"i{n}", "deployment": "x", "type": "global_standard", "priority": 1},
            {"instance": "second", "deployment": "x", "type": "global_standard", "priority": 2}]}
        over["routes"].append({"clients": ["app"], "deployment": f"d{n}", "pool": f"p{n}"})
    g = gateways.build(folder, certs, [first, second], over).start()
    until(lambda: all(t["refreshes"] + t["failures"] > 0 for t in g.status()["credentials"]), 20)
    yield g, first, second
    g.stop()
    for u in (service, first, second):
        u.close()


@pytest.mark.parametrize("case", TOKENS)
def test_a_token_that_is_none_is_a_failure_of_its_credential_alone(metadata, case):
    g, first, second = metadata
    used = TOKENS[case][1]
    before = len(first.requests), len(second.requests)
    for _ in range(2):
        assert g.ask("POST", chat_at(f"d{list(TOKENS).index(case)}"), {}, QUESTION).status == 200
    served = len(first.requests) - before[0], len(second.requests) - before[1]
    assert served == ((2, 0) if used else (0, 2))
    if used:
        assert first.requests[-1].header("authorization") == f"Bearer {used}"
    assert not any(r.header("x-evil") for r in (*first.requests, *second.requests))


def test_nobody_asks_a_lying_service_again_and_again(metadata):
    g, _, _ = metadata
    assert max(t["refreshes"] + t["failures"] for t in g.status()["credentials"]) < 30
    failed = {t["last_error"] for t in g.status()["credentials"] if not t["usable"]}
    assert any("answered what is no token" in f for f in failed)


# OpenID providers


class Providers:
    """Many providers on one port, each below a path of its own; what they answer can be changed by name."""

    def __init__(self, certs, **how):
        self.key = rsa.generate_private_key(65537, 2048)
        self.other = rsa.generate_private_key(65537, 2048)
        self.server = Upstream(certs, "providers", tls=False, default=self._answer, **how)
        self.discovery, self.keys, self.read = {}, {}, {}

    def url(self, name):
        return f"http://127.0.0.1:{self.server.port}/{name}"

    def jwks(self, *keys):
        return {"keys": list(keys) or [Issuer.published(self.key, "a", use="sig")]}

    def _answer(self, c, r):
        name = r.target.split("/")[1]
        if "well-known" in r.target:
            found = self.discovery.get(name, {"jwks_uri": f"{self.url(name)}/keys"})
            c.answer(200, {"issuer": self.url(name), **found})
            return
        found = self.keys.get(name) or self.jwks()
        try:
            found(c) if callable(found) else c.answer(200, found)
        finally:
            self.read[name] = self.read.get(name, 0) + 1
        if callable(found):
            c.close()

    def token(self, name, key=None, kid="a", **more):
        signer = object.__new__(Issuer)
        signer.url, signer.key = self.url(name), key or self.key
        claims = {"iss": signer.url, "aud": AUDIENCE, "sub": "s", "exp": int(time.time()) + 600, **more}
        return signer.sign({"alg": "RS256", "typ": "JWT", "kid": kid}, claims)

    def config(self, names, **more):
        """A client for each of them."""
        return {"token_providers": {f"p{n}": {"issuer": self.url(name), "insecure": True, "audiences": [AUDIENCE],
                                              **more} for n, name in enumerate(names)},
                "clients": {f"c{n}": {"openid": {"provider": f"p{n}", "subject": "s"}} for n, _ in enumerate(names)},
                "slow_down": {"failures": 100_000},
                "routes": [{"clients": [f"c{n}" for n, _ in enumerate(names)], "deployment": "*", "pool": "main"}]}


def ask(g, bearer):
    return g.ask("POST", chat_at("gpt-4o"), {"Authorization": f"Bearer {bearer}"}, QUESTION, key=None).status


DISCOVERIES = {
    "line ends": "http://127.0.0.1:PORT/x HTTP/1.1\r\nX-Evil: 1\r\n\r\nPOST /config/reload HTTP/1.1\r\nX: ",
    "line ends of the own host": "OWN/x HTTP/1.1\r\nX-Evil: 1\r\n\r\nDELETE /everything",
    "line end in the query": "OWN/keys?a\nb", "blank": "OWN/a b", "control": "OWN/a\x01", "beyond ASCII": "OWN/ä",
    "another port of the host": "http://127.0.0.1:PORT/config", "another host": "http://localhost:PORT/keys",
    "metadata service": "http://169.254.169.254/metadata/identity/oauth2/token?resource=x",
    "user": "http://user:pw@127.0.0.1:PORT/", "port 0": "http://127.0.0.1:0/", "file": "file:///etc/passwd",
    "long": "OWN/" + "a" * 200_000, "number": 5, "none": None}


@pytest.fixture(scope="module")
def discovering(certs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("discovering")
    target, backend = Upstream(certs, "target", tls=False), Upstream(certs, "a")
    providers = Providers(certs)
    for n, (_, uri) in enumerate(DISCOVERIES.items()):
        text_of = uri.replace("PORT", str(target.port)).replace("OWN", providers.url(n)) if isinstance(uri, str) else uri
        providers.discovery[str(n)] = {"jwks_uri": text_of}
    names = [str(n) for n, _ in enumerate(DISCOVERIES)]
    providers.discovery["issuer"] = {"issuer": "https://evil.example"}
    providers.discovery["redirected"] = {"jwks_uri": providers.url("redirected") + "/keys"}
    providers.keys["redirected"] = text(302, fields=[("location", f"http://127.0.0.1:{target.port}/")])
    providers.discovery["listed"] = {"jwks_uri": f"http://localhost:{providers.server.port}/listed/keys"}
    names += ["issuer", "redirected", "listed"]
    over = providers.config(names, refresh="24h")
    over["token_providers"][f"p{len(names) - 1}"]["jwks_hosts"] = [f"localhost:{providers.server.port}"]
    g = gateways.build(folder, certs, [backend], over).start()
    until(lambda: all(p["refreshes"] + p["failures"] > 0 for p in g.status()["token_providers"]))
    yield g, providers, target, names
    g.stop()
    for u in (target, backend, providers.server):
        u.close()


@pytest.mark.parametrize("case", [*DISCOVERIES, "issuer", "redirected"])
def test_a_discovery_document_does_not_choose_whom_the_gateway_asks(discovering, case):
    g, providers, target, names = discovering
    name = str(list(DISCOVERIES).index(case)) if case in DISCOVERIES else case
    assert ask(g, providers.token(name)) == 503  # its keys are missing
    assert target.requests == []
    assert not any(b"X-Evil" in r.raw or "evil" in r.target for r in providers.server.requests)
    provider = next(p for p in g.status()["token_providers"] if p["name"] == f"p{names.index(name)}")
    assert provider["keys"] == 0
    assert any(why in provider["last_error"] for why in (
        "names no usable jwks_uri", "on another host", "names another issuer", "answered 302"))


def test_hosts_that_the_configuration_lists_may_publish_keys(discovering):
    g, providers, _, _ = discovering
    assert ask(g, providers.token("listed")) == 200
    assert "reload (admin)" not in g.log()


def odd_key(n=None, **more):
    return {"kty": "RSA", "kid": "a", "n": n or b64(b"\xff" * 256), "e": "AQAB", **more}


def with_bytes(kid):
    return text(body=b'{"keys":[{"kty":"RSA","kid":"' + kid + b'","n":"AQAB","e":"AQAB"}]}')


KEYS = {
    "50 MB": endless(b"HTTP/1.1 200 OK\r\ncontent-length: 52428800\r\n\r\n", b" " * 1024), **ENDLESS,
    "html": text(body="<html/>", content_type="text/html"), "302": text(302, fields=REDIRECT), "500": text(500, "x"),
    "204": raw(b"HTTP/1.1 204 No Content\r\n\r\n"), "empty": text(body={"keys": []}), "no list": text(body={"keys": {}}),
    "480 000 bits": text(body={"keys": [odd_key(b64(b"\xff" * 60_000))]}),
    "even modulus": text(body={"keys": [odd_key(b64(b"\xff" * 255 + b"\0"))]}),
    "exponent 0": text(body={"keys": [odd_key(e="AA")]}), "exponent 1": text(body={"keys": [odd_key(e="AQ")]}),
    "exponent 3": text(body={"keys": [odd_key(e="Aw")]}),
    "long exponent": text(body={"keys": [odd_key(e=b64(b"\xff" * 250))]}),
    "no base64": text(body={"keys": [odd_key(n="***")]}), "bad UTF-8": with_bytes(b"\xff\xfe"),
    "surrogate": with_bytes(b"\\ud800"), "nul": with_bytes(b"a\\u0000b"), "deep": text(body=b'{"keys":' + DEEP + b"}"),
    "other kinds": text(body={"keys": [{"kty": "EC", "kid": "a", "crv": "P-256", "x": "AA", "y": "AA"},
                                       {"kty": "oct", "kid": "a", "k": "AAAA"}, 5, None, [], "x"]}),
}


@pytest.fixture(scope="module")
def publishing(certs, tmp_path_factory):
    """All providers have published a good key, and then publish what they should not."""
    folder = tmp_path_factory.mktemp("publishing")
    backend, providers = Upstream(certs, "a"), Providers(certs)
    names = [str(n) for n, _ in enumerate(KEYS)]
    g = gateways.build(folder, certs, [backend], providers.config(names, refresh="1s")).start()
    until(lambda: all(p["keys"] for p in g.status()["token_providers"]))
    providers.keys.update(zip(names, KEYS.values(), strict=True))
    before = dict(providers.read)
    until(lambda: all(providers.read.get(n, 0) > before.get(n, 0) for n in names)
          and all(p["failures"] for p in g.status()["token_providers"]), 20)
    yield g, providers
    g.stop()
    for u in (backend, providers.server):
        u.close()


@pytest.mark.parametrize("case", KEYS)
def test_known_keys_serve_while_the_provider_publishes_rubbish(publishing, case):
    g, providers = publishing
    assert ask(g, providers.token(str(list(KEYS).index(case)))) == 200
    assert g.resident_bytes() < 400 << 20


def forged(providers, name):
    """A signature that needs no key: with the exponent 1 it is the padded digest itself."""
    head = b64({"alg": "RS256", "typ": "JWT", "kid": "weak"})
    claims = b64({"iss": providers.url(name), "aud": AUDIENCE, "sub": "s", "exp": int(time.time()) + 600})
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(f"{head}.{claims}".encode()).digest()
    return f"{head}.{claims}." + b64(b"\0\1" + b"\xff" * (256 - len(digest) - 3) + b"\0" + digest)


def test_keys_that_prove_nothing_are_passed_over_and_told(certs, gateway, a):
    providers = Providers(certs)
    rubbish = [Issuer.published(providers.other, f"j{n}") for n in range(200)]
    providers.keys["x"] = providers.jwks({**Issuer.published(providers.other, "weak"), "e": "AQ"}, *rubbish,
                                         Issuer.published(providers.key, "a", use="sig"))
    g = gateway([a], providers.config(["x"]))
    until(lambda: g.status()["token_providers"][0]["keys"])
    assert ask(g, forged(providers, "x")) == 401
    assert ask(g, providers.token("x")) == 200
    provider = g.status()["token_providers"][0]
    assert provider["keys"] == 64 and provider["keys_left_out"] == 138
    assert "1 of its keys may not be used" in g.log() and "137 keys more than the 64 that are kept" in g.log()
    assert any("more keys than are kept" in line for line in g.status()["attention"])
    providers.server.close()


def test_another_key_under_the_same_id_is_taken_and_forgeries_cost_one_reading(certs, gateway, a):
    providers = Providers(certs)
    g = gateway([a], providers.config(["x"], refresh="24h", unknown_key="24h"))
    until(lambda: g.status()["token_providers"][0]["keys"])
    assert ask(g, providers.token("x")) == 200
    providers.keys["x"] = providers.jwks(Issuer.published(providers.other, "a", use="sig"))
    assert ask(g, providers.token("x", providers.other)) == 200
    assert ask(g, providers.token("x", jti="2")) == 401
    for n in range(20):
        assert ask(g, providers.token("x", jti=str(n))) == 401
        assert ask(g, providers.token("x", kid=f"made-up-{n}")) == 401
    assert providers.read["x"] == 2
    providers.server.close()
