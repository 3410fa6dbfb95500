"""SDKs that bring Entra tokens, got by Azure's own identity libraries where those let themselves be pointed elsewhere."""

import time

import openai
import pytest
from azure.identity import ClientSecretCredential, get_bearer_token_provider
from support import gateway as gateways
from support.identity import APP, AUDIENCE, identity_settings, trusting_config
from support.node import run_node_tests
from support.simulator import MODELS, TENANT, Simulator

CHAT = MODELS["chat"]
MESSAGES = [{"role": "user", "content": "Tell me of waterways."}]
SCOPE = f"{AUDIENCE}/.default"


@pytest.fixture(scope="module")
def tenant(certs, tmp_path_factory):
    """(gateway, simulator) without a single Azure key between them."""
    folder = tmp_path_factory.mktemp("tenant")
    sim = Simulator(folder, certs, ("a", "b"), deterministic=True, identity=identity_settings()).start()
    config = trusting_config(sim, certs)
    config["clients"]["app"]["keys"] = None
    g = gateways.build(folder, certs, sim.instances, config).start()
    until = time.monotonic() + 10
    while g.ask("GET", "/health/ready", key=None).status != 200:
        assert time.monotonic() < until, g.log()
        time.sleep(0.02)
    yield g, sim
    g.stop()
    sim.stop()


def credential(sim, certs):
    return ClientSecretCredential(TENANT, APP, "of-the-app", authority=sim.identity_url,
                                  disable_instance_discovery=True, connection_verify=str(certs.ca))


def arguments(g, http=openai.DefaultHttpxClient):
    return {"azure_endpoint": g.url, "api_version": "2024-10-21", "max_retries": 0,
            "http_client": http(verify=g.certs.client_context())}


def test_azure_identity_and_the_python_sdk(tenant, certs):
    g, sim = tenant
    provider = get_bearer_token_provider(credential(sim, certs), SCOPE)
    with openai.AzureOpenAI(azure_ad_token_provider=provider, **arguments(g)) as client:
        plain = client.chat.completions.create(model=CHAT, messages=MESSAGES)
        stream = client.chat.completions.create(model=CHAT, messages=MESSAGES, stream=True)
        text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
        assert text == plain.choices[0].message.content
        assert len(client.embeddings.create(model=MODELS["embeddings"], input="x").data) == 1


async def test_azure_identity_and_the_asynchronous_sdk(tenant, certs):
    g, sim = tenant
    token = credential(sim, certs).get_token(SCOPE).token

    async def provider():
        return token
    async with openai.AsyncAzureOpenAI(azure_ad_token_provider=provider,
                                       **arguments(g, openai.DefaultAsyncHttpxClient)) as client:
        assert (await client.chat.completions.create(model=CHAT, messages=MESSAGES)).choices


def test_a_plain_client_brings_its_token_as_the_key(tenant, certs):
    g, sim = tenant
    with openai.OpenAI(base_url=f"{g.url}/openai/v1/", api_key=credential(sim, certs).get_token(SCOPE).token,
                       max_retries=0, http_client=openai.DefaultHttpxClient(verify=certs.client_context())) as client:
        assert client.chat.completions.create(model=CHAT, messages=MESSAGES).choices


def test_the_sdk_understands_a_refused_token(tenant, certs):
    g, sim = tenant
    old = sim.mint(claims={"azp": APP, "exp": int(time.time()) - 3600})
    with openai.AzureOpenAI(azure_ad_token_provider=lambda: old, **arguments(g)) as client:
        with pytest.raises(openai.AuthenticationError, match="expired"):
            client.chat.completions.create(model=CHAT, messages=MESSAGES)


def test_node_with_azure_identity(tenant):
    g, sim = tenant
    passed = run_node_tests("tokens.test.mjs", GATEWAY_URL=g.url, NODE_EXTRA_CA_CERTS=str(g.certs.ca), TENANT=TENANT,
                            CLIENT_ID=APP, CLIENT_SECRET="of-the-app", AUTHORITY=sim.identity_url, SCOPE=SCOPE)
    assert passed == 3
