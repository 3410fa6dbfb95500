"""A tenant of the simulator, and gateways that trust it and are trusted by it."""

import time

from .config import merge
from .simulator import TENANT

APP = "51aa0000-0000-4000-8000-000000000001"
GATEWAY_APP = "6a7e0000-0000-4000-8000-000000000002"
MANAGED = "7d3c0000-0000-4000-8000-000000000003"
AUDIENCE = "api://spillway"


def identity_settings(over=None):
    return {"applications": [
        {"tenant": TENANT, "client_id": APP, "secret": "of-the-app", "roles": ["Spillway.Use"]},
        {"tenant": TENANT, "client_id": GATEWAY_APP, "secret": "of-the-gateway"}],
        "managed_identities": [{"client_id": MANAGED, "system": True}], **(over or {})}


def secret_of(sim, certs):
    return {"client_secret": {"tenant": TENANT, "client_id": GATEWAY_APP, "secret": "of-the-gateway",
                              "authority": sim.identity_url, "ca_file": str(certs.ca)}}


def imds(sim):
    return {"managed_identity": {"client_id": MANAGED, "endpoint": "imds", "url": sim.managed_identity_url}}


def trusting_config(sim, certs, credential=None, provider=None):
    """No Azure key is in it: clients bring tokens, the gateway gets its own."""
    return merge(sim.gateway_config(), {
        "token_providers": {"contoso": {"tenant": TENANT, "authority": sim.identity_url, "audiences": [AUDIENCE],
                                        "ca_file": str(certs.ca), **(provider or {})}},
        "credentials": {"azure": None, "own": credential(sim) if credential else secret_of(sim, certs)},
        "instances": {i.name: {"credential": "own"} for i in sim.instances},
        "clients": {"app": {"entra": {"tenant": TENANT, "application": APP}}},
    })


def until(holds, seconds=10, message="it never came true"):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, message
        time.sleep(0.02)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def token_of(sim, claims=(), **wanted):
    return sim.mint(claims={"azp": APP, "appid": APP, **dict(claims)}, **wanted)


def wait_for_refusal(g, why):
    """The access log is written behind the requests."""
    until(lambda: why in [line.get("refused") for line in g.access_log()], 5, f"nobody was refused for {why}")
