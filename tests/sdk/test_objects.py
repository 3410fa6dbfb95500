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


# What lists all objects of a kind is served where one instance keeps the objects of one owner. And these fill memory.
ALONE = {"test_stored_chats", "test_files", "test_batches", "test_assistants", "test_vector_stores", "test_evals",
         "test_videos"}
# A fine-tuned model's checkpoints are names of models, no objects with a tag.
NOT_SERVED = {"test_fine_tuning"}


def pool(model, instances):
    return {"model": model, "version": "1", "backends": [
        {"instance": i, "deployment": model, "type": "global_standard"} for i in instances]}


def house_of(azure, certs, folder, instances, clients):
    over = {"pools": {"main": None, **{m.replace(".", ""): pool(m, instances) for m in MODELS}},
            "affinity": {"keys": TAG_KEYS}, "clients": clients,
            "routes": [{"clients": ["*"], "deployment": m, "pool": m.replace(".", "")} for m in MODELS]}
    g = gateways.build(folder, certs, azure.instances, over)
    g.start()
    return g


@pytest.fixture(scope="module")
def shared(azure, certs, tmp_path_factory):
    g = house_of(azure, certs, tmp_path_factory.mktemp("shared"), ("a", "b"), {"other": {"keys": [key_hash(OTHER)]}})
    yield g
    g.stop()


@pytest.fixture(scope="module")
def alone(azure, certs, tmp_path_factory):
    g = house_of(azure, certs, tmp_path_factory.mktemp("alone"), ("a",), {})
    yield g
    g.stop()


@pytest.fixture
def house(request, shared, alone):
    if request.node.originalname in NOT_SERVED:
        pytest.skip("not served by the gateway, as docs/objects.md says")
    return alone if request.node.originalname in ALONE else shared


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
def other(house, shared, azure, certs):
    """Another client of the same gateway; beside the lonely one a client of the instance that it does not use."""
    if house is shared:
        made = v1(house, OTHER)
    else:
        made = openai.OpenAI(base_url=f"https://127.0.0.1:{azure.instances[1].port}/openai/v1/", api_key=UPSTREAM_KEY,
                             max_retries=0, http_client=httpx.Client(verify=False))
    with made as c:
        yield c
