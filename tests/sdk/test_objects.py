"""The tests of test_simulator.py once more, through a gateway in front of two instances: what an SDK sees of files,
responses, threads and the rest is the same, and each object stays on the instance that made it."""

import httpx
import openai
import pytest
from support import gateway as gateways
from support.config import KEY, UPSTREAM_KEY, key_hash
from support.simulator import Simulator
from test_simulator import *  # noqa: F401,F403  the tests themselves
from test_simulator import MODELS

OTHER = "key-of-the-other-0815"
TAG_KEYS = [{"number": 1, "secret": "a-secret-for-tags-of-32-characters"}]


@pytest.fixture(scope="module")
def azure(certs, tmp_path_factory):
    sim = Simulator(tmp_path_factory.mktemp("simulator"), certs, ("a", "b"), deterministic=False)
    for instance in sim.settings["instances"].values():
        instance.update(job_time="30ms", deployments={
            m: {"first_token": "1ms", "per_token": "0", "reasoning_tokens": 5 if m == "gpt-4o" else 0} for m in MODELS})
    sim.start()
    yield sim
    sim.stop()


def pools():
    return {m.replace(".", ""): {"model": m, "version": "1", "backends": [
        {"instance": i, "deployment": m, "type": "global_standard"} for i in ("a", "b")]} for m in MODELS}


@pytest.fixture(scope="module")
def house(azure, certs, tmp_path_factory):
    over = {"pools": {"main": None, **pools()},
            "affinity": {"keys": TAG_KEYS},
            "clients": {"other": {"keys": [key_hash(OTHER)]}},
            "routes": [{"clients": ["*"], "deployment": m, "pool": m.replace(".", "")} for m in MODELS]}
    g = gateways.build(tmp_path_factory.mktemp("gateway"), certs, azure.instances, over)
    g.start()
    yield g
    g.stop()


def arguments(g, key):
    return {"api_key": key, "max_retries": 0, "http_client": httpx.Client(verify=g.certs.client_context())}


def v1(g, key=KEY, **more):
    return openai.OpenAI(base_url=g.url + "/openai/v1/", **arguments(g, key), **more)


@pytest.fixture(params=["v1", "dated"])
def client(request, house):
    strict = {"_strict_response_validation": True}
    if request.param == "v1":
        made = v1(house, **strict)
    else:
        made = openai.AzureOpenAI(azure_endpoint=house.url, api_version="2025-04-01-preview", **arguments(house, KEY), **strict)
    with made as c:
        yield c


@pytest.fixture
def other(house):
    """Another client of the same gateway."""
    with v1(house, OTHER) as c:
        yield c
