"""Clients that were made for Azure, in front of a server of OpenAI's own API."""

import openai
import pytest
from support.config import KEY, deployment_on

MESSAGES = [{"role": "user", "content": "Tell me of waterways."}]


def answer(c, r):
    if r.target == "/v1/embeddings":
        return c.answer(200, {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0,
                                                                        "embedding": [0.5, 0.25]}],
                              "usage": {"prompt_tokens": 1, "total_tokens": 1}})
    if r.target == "/v1/audio/speech":
        return c.answer(200, b"sound", content_type="audio/mpeg")
    if r.target == "/v1/images/generations":
        return c.answer(200, {"created": 1, "data": [{"b64_json": "aGVsbG8="}]})
    if r.target != "/v1/chat/completions":
        return c.error(404, None, f"Invalid URL (POST {r.target})")
    if not r.json().get("stream"):
        return c.answer(200, {"id": "1", "object": "chat.completion", "created": 1, "model": r.json()["model"],
                              "choices": [{"index": 0, "finish_reason": "stop",
                                           "message": {"role": "assistant", "content": "They flow."}}],
                              "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}})
    c.stream_head()
    for text in ("They", " flow."):
        c.event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                 "choices": [{"index": 0, "delta": {"content": text}}]})
    c.event("[DONE]")
    return c.last_chunk()


@pytest.fixture
def server(upstream):
    return upstream("own", default=answer)


@pytest.fixture(params=["azure", "v1"])
def client(request, gateway, server):
    g = gateway([server], {"instances": {"own": {"kind": "openai", "endpoint": f"https://{server.host}/v1"}}})
    common = {"api_key": KEY, "max_retries": 0,
              "http_client": openai.DefaultHttpxClient(verify=g.certs.client_context())}
    if request.param == "azure":
        made = openai.AzureOpenAI(azure_endpoint=g.url, api_version="2024-10-21", **common)
    else:
        made = openai.OpenAI(base_url=f"{g.url}/openai/v1/", **common)
    with made as c:
        yield c


def test_chat(client, server):
    got = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert (got.choices[0].message.content, got.model) == ("They flow.", deployment_on(server))


def test_chat_stream(client):
    stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    assert "".join(c.choices[0].delta.content for c in stream) == "They flow."


def test_other_operations(client, server):
    assert client.embeddings.create(model="e", input="x", encoding_format="float").data[0].embedding == [0.5, 0.25]
    assert client.audio.speech.create(model="tts", voice="alloy", input="x").content == b"sound"
    assert client.images.generate(model="dall-e", prompt="x").data[0].b64_json == "aGVsbG8="
    assert {r.json()["model"] for r in server.requests} == {deployment_on(server)}
