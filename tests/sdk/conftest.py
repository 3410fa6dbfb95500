import time

import openai
import pytest
from support.config import KEY

API_VERSION = "2024-10-21"


@pytest.fixture
def healthy(house):
    """The simulator; afterwards without faults, and nobody is throttled any more."""
    g, sim = house
    yield sim
    sim.heal()
    until = time.monotonic() + 5
    while g.chat().header("x-sim-instance") != "a":
        assert time.monotonic() < until, "the first instance does not serve again"
        time.sleep(0.05)


def arguments(g, kind, asynchronous=False):
    """What the two kinds of client are made with: only the address, the key and whom to trust."""
    http = openai.DefaultAsyncHttpxClient if asynchronous else openai.DefaultHttpxClient
    common = {"api_key": KEY, "http_client": http(verify=g.certs.client_context()), "max_retries": 0}
    if kind == "azure":
        return {"azure_endpoint": g.url, "api_version": API_VERSION, **common}
    return {"base_url": f"{g.url}/openai/v1/", **common}


@pytest.fixture(params=["azure", "v1"])
def make_client(request, house):
    """make_client(...) gives an AzureOpenAI or an OpenAI, which are to behave alike."""
    def make(**over):
        kind = openai.AzureOpenAI if request.param == "azure" else openai.OpenAI
        return kind(**{**arguments(house[0], request.param), **over})
    return make


@pytest.fixture
def client(make_client):
    with make_client() as c:
        yield c


@pytest.fixture(params=["azure", "v1"])
async def async_client(request, house):
    kind = openai.AsyncAzureOpenAI if request.param == "azure" else openai.AsyncOpenAI
    async with kind(**arguments(house[0], request.param, True)) as c:
        yield c


@pytest.fixture
def v1(house):
    with openai.OpenAI(**arguments(house[0], "v1")) as c:
        yield c
