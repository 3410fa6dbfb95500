"""A house to break into: one gateway that trusts one tenant, two instances, one deployment that the client may use."""

import base64
import json
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from support import gateway as gateways

from .config import KEY, merge
from .gateway import QUESTION
from .identity import APP, AUDIENCE, identity_settings, trusting_config, until
from .simulator import TENANT, Simulator
from .upstream import Upstream
from .wire import Wire

OTHER_TENANT = "99999999-0000-4000-8000-000000000009"
FRONT_DOOR = "11111111-2222-3333-4444-555555555555"


class Issuer:
    """A provider whose private key the test holds: only so a token can be signed as it should be and still be wrong."""

    def __init__(self, certs):
        self.key, self.stranger, self.short = (rsa.generate_private_key(65537, size) for size in (2048, 2048, 1024))
        self.server = Upstream(certs, "issuer", default=self._answer)
        self.url = f"https://127.0.0.1:{self.server.port}"

    def _answer(self, c, r):
        if r.target == "/.well-known/openid-configuration":
            return c.answer(200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys"})
        return c.answer(200, {"keys": [
            self.published(self.stranger, "of-encryption", use="enc"),
            self.published(self.stranger, "of-PS256", alg="PS256"),
            self.published(self.short, "short"), {"kty": "oct", "kid": "shared", "k": b64(b"x" * 32), "alg": "HS256"},
            {**self.published(self.stranger, ""), "kid": None}, self.published(self.key, "main", use="sig")]})

    @staticmethod
    def published(key, kid, **more):
        numbers = key.public_key().public_numbers()
        n = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
        return {"kty": "RSA", "kid": kid, "n": b64(n), "e": "AQAB", **more}

    def claims(self, **more):
        return {"iss": self.url, "aud": AUDIENCE, "sub": "partner", "exp": int(time.time()) + 3600, **more}

    def header(self, **more):
        return {"alg": "RS256", "kid": "main", "typ": "JWT", **more}

    def sign(self, header=None, payload=None, key=None, pad=None, digest=None):
        """Parts are dictionaries or the very bytes."""
        return self.sign_text(b64(as_bytes(self.header() if header is None else header)) + "."
                              + b64(as_bytes(self.claims() if payload is None else payload)), key, pad, digest)

    def sign_text(self, text, key=None, pad=None, digest=None):
        made = (key or self.key).sign(text.encode(), pad or padding.PKCS1v15(), digest or hashes.SHA256())
        return f"{text}.{b64(made)}"

    def close(self):
        self.server.close()


class House:
    """`with_issuer`: the client `partner` brings tokens of a provider whose key is ours."""

    def __init__(self, certs, folder, over=None, with_issuer=False):
        self.issuer = Issuer(certs) if with_issuer else None
        self.sim = Simulator(folder, certs, ("a", "b"), deterministic=True,
                             identity=identity_settings({"tenants": [TENANT, OTHER_TENANT]})).start()
        config = merge(trusting_config(self.sim, certs, provider={"unknown_key": "24h"}), {
            "slow_down": {"failures": 100000},
            "clients": {"other": {"keys": ["sha256:" + "0" * 64]}}})
        if self.issuer:
            config = merge(config, {
                "token_providers": {"own": {"issuer": self.issuer.url, "audiences": [AUDIENCE],
                "ca_file": str(certs.ca),
                                            "unknown_key": "24h"}},
                "clients": {"partner": {"openid": {"provider": "own", "subject": "partner"}}}})
        allowed = ["app", "partner"] if self.issuer else ["app"]
        # The application may use one deployment; a second one exists for somebody else.
        config["routes"] = [{"clients": allowed, "deployment": "gpt-4o", "pool": "chat"},
                            {"clients": ["other"], "deployment": "secret-model", "pool": "chat"}]
        self.gateway = gateways.build(folder, certs, self.sim.instances, merge(config, over or {})).start()
        until(lambda: self.gateway.ask("GET", "/health/ready", key=None).status == 200)
        until(lambda: all(p["keys"] for p in self.gateway.status()["token_providers"]))
        self.seen = set()  # what must not turn up in any log
        self.good = self.mint()

    def close(self):
        """The end of a file of tests: it still serves, and nobody has written down a secret."""
        try:
            self.still_serves()
            self.gateway.stop()  # only now everything is in the logs
            assert not self.leaks()
            assert not self.told_instances()
        finally:
            self.gateway.stop()
            self.sim.stop()
            if self.issuer:
                self.issuer.close()

    def mint(self, claims=(), **wanted):
        token = self.sim.mint(claims={"azp": APP, "appid": APP, **dict(claims)}, **wanted)
        self.seen.add(token)
        return token

    def asked(self):
        """How many requests the instances have seen."""
        state = self.sim.state()["instances"].values()
        return sum(count(i) for i in state)

    def authentications(self):
        return {labels: value for (name, labels), value in self.gateway.metrics().items()
                if name == "spillway_authentications_total"}

    def refused(self, send, status, code=None, why=None):
        """`send(gateway)` is refused in Azure's shape, for that reason of the log, and no instance hears of it."""
        before, known = self.asked(), self.authentications() if why else {}
        answer = send(self.gateway)
        assert answer.status == status, (answer.status, answer.body[:300])
        if answer.header("content-length") != "0" and (answer.body or code):
            error = answer.json()["error"]
            assert error["code"] and error["message"]
            assert code in (None, error["code"])
            assert KEY not in answer.body.decode()
        if why:
            now = self.authentications()
            assert {dict(labels)["result"] for labels in now if now[labels] != known.get(labels, 0)} == {why}
        assert self.asked() == before
        return answer

    def accepted(self, send):
        before = self.asked()
        answer = send(self.gateway)
        assert answer.status == 200, (answer.status, answer.body[:300])
        assert self.asked() == before + 1
        return answer

    def still_serves(self):
        for fields, key in (({"Authorization": f"Bearer {self.good}"}, None), ({}, KEY)):
            answer = self.gateway.ask("POST", CHAT, fields, QUESTION, key=key)
            assert answer.status == 200, answer.body

    def leaks(self):
        """Secrets in the logs: whole, or the part of a token that makes it one."""
        text = self.gateway.output.read_text(errors="replace")
        written = Path(self.gateway.config["log"]["access"]["file"]).read_text(errors="replace")
        assert written
        text += written
        secrets = {*self.seen, KEY, *(s.rpartition(".")[2] for s in self.seen if s.count(".") == 2)}
        return [s[:40] for s in secrets if len(s) > 8 and s in text]

    def told_instances(self):
        """What of a client's secrets the last requests of the instances carried."""
        text = json.dumps(self.sim.requests())
        assert text != "[]"
        return [s[:40] for s in (KEY, self.good) if s in text]


def post(target, fields=(), body=None, key=KEY):
    return lambda g: g.ask("POST", target, fields, QUESTION if body is None else body, key=key)


def raw(head, body=b""):
    """The very bytes, with a key where one belongs."""
    def send(g):
        with g.connect() as wire:
            wire.send(head.replace(b"KEY", KEY.encode()) + body)
            return wire.read_answer()
    return send


def at(listener, fields=(), target=None, key=None, body=None):
    """A question to another listener."""
    def send(g):
        more = [("api-key", key)] if key else []
        with Wire(g.port_of(listener), g.tls) as wire:
            return wire.ask("POST", target or CHAT, [*fields, *more], QUESTION if body is None else body)
    return send


CHAT = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
V1 = "/openai/v1/chat/completions"


def count(tree):
    if isinstance(tree, dict):
        return tree.get("requests", 0) * (not isinstance(tree.get("requests"), dict)) + sum(
            count(v) for v in tree.values() if isinstance(v, (dict, list)))
    return sum(count(v) for v in tree) if isinstance(tree, list) else 0


def as_bytes(data):
    data = json.dumps(data) if isinstance(data, (dict, list)) else data
    return data if isinstance(data, bytes) else data.encode()


def b64(data):
    return base64.urlsafe_b64encode(as_bytes(data)).rstrip(b"=").decode()


def parts(token):
    return token.split(".")


def rewritten(token, header=None, payload=None, signature=None):
    """The token with other parts, its signature as it was."""
    h, p, s = parts(token)
    return ".".join([h if header is None else b64(header), p if payload is None else b64(payload),
                     s if signature is None else signature])


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


__all__ = ["APP", "AUDIENCE", "CHAT", "FRONT_DOOR", "House", "Issuer", "OTHER_TENANT", "TENANT", "V1", "at", "b64",
           "decoded", "parts", "post", "raw", "rewritten"]
