"""A house to break into: one gateway that trusts one tenant, two instances, one deployment that the client may use."""

import base64
import json

from support import gateway as gateways

from .config import KEY, merge
from .gateway import QUESTION
from .identity import APP, AUDIENCE, identity_settings, trusting_config, until
from .simulator import TENANT, Simulator

OTHER_TENANT = "99999999-0000-4000-8000-000000000009"
FRONT_DOOR = "11111111-2222-3333-4444-555555555555"


class House:
    def __init__(self, certs, folder, over=None):
        self.sim = Simulator(folder, certs, ("a", "b"), deterministic=True,
                             identity=identity_settings({"tenants": [TENANT, OTHER_TENANT]})).start()
        config = merge(trusting_config(self.sim, certs, provider={"unknown_key": "24h"}), {
            "slow_down": {"failures": 100000},
            "clients": {"other": {"keys": ["sha256:" + "0" * 64]}}})
        # The application may use one deployment; a second one exists for somebody else.
        config["routes"] = [{"clients": ["app"], "deployment": "gpt-4o", "pool": "chat"},
                            {"clients": ["other"], "deployment": "secret-model", "pool": "chat"}]
        self.gateway = gateways.build(folder, certs, self.sim.instances, merge(config, over or {})).start()
        until(lambda: self.gateway.ask("GET", "/health/ready", key=None).status == 200)
        until(lambda: all(p["keys"] for p in self.gateway.status()["token_providers"]))
        self.seen = set()  # what must not turn up in any log
        self.good = self.mint()

    def close(self):
        self.gateway.stop()
        self.sim.stop()

    def mint(self, claims=(), **wanted):
        token = self.sim.mint(claims={"azp": APP, "appid": APP, **dict(claims)}, **wanted)
        self.seen.add(token)
        return token

    def asked(self):
        """How many requests the instances have seen."""
        state = self.sim.state()["instances"].values()
        return sum(count(i) for i in state)

    def refused(self, send, statuses):
        """`send(gateway)` gets one of these answers, in Azure's shape, and no instance hears of it."""
        before = self.asked()
        answer = send(self.gateway)
        allowed = statuses if isinstance(statuses, tuple) else (statuses,)
        assert answer.status in allowed, (answer.status, answer.body[:300])
        if answer.body:
            error = answer.json()["error"]
            assert error["code"] and error["message"]
        assert self.asked() == before
        return answer

    def still_serves(self):
        for fields, key in (({"Authorization": f"Bearer {self.good}"}, None), ({}, KEY)):
            answer = self.gateway.ask("POST", CHAT, fields, QUESTION, key=key)
            assert answer.status == 200, answer.body

    def leaks(self):
        from pathlib import Path
        text = self.gateway.output.read_text(errors="replace")
        text += Path(self.gateway.config["log"]["access"]["file"]).read_text(errors="replace")
        return [s[:40] for s in {*self.seen, KEY} if len(s) > 8 and s in text]


CHAT = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"


def count(tree):
    if isinstance(tree, dict):
        return tree.get("requests", 0) * (not isinstance(tree.get("requests"), dict)) + sum(
            count(v) for v in tree.values() if isinstance(v, (dict, list)))
    return sum(count(v) for v in tree) if isinstance(tree, list) else 0


def b64(data):
    data = data if isinstance(data, bytes) else data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token):
    return token.split(".")


def rewritten(token, header=None, payload=None, signature=None):
    """The token with other parts, its signature as it was."""
    h, p, s = parts(token)
    return ".".join([h if header is None else b64(header), p if payload is None else b64(payload),
                     s if signature is None else signature])


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


__all__ = ["APP", "AUDIENCE", "CHAT", "FRONT_DOOR", "House", "OTHER_TENANT", "TENANT", "b64", "decoded", "parts",
           "rewritten"]
