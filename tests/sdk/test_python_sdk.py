"""The OpenAI SDK for Python, as it comes from the package index."""

import asyncio
import time

import openai
import pytest
from support.simulator import MODELS

MESSAGES = [{"role": "user", "content": "Tell me of waterways."}]
CHAT = MODELS["chat"]


def text_of(stream):
    return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def test_chat(client):
    answer = client.chat.completions.create(model=CHAT, messages=MESSAGES)
    assert answer.choices[0].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id


def test_chat_stream_says_the_same_as_the_plain_answer(client):
    plain = client.chat.completions.create(model=CHAT, messages=MESSAGES)
    stream = client.chat.completions.create(model=CHAT, messages=MESSAGES, stream=True)
    assert text_of(stream) == plain.choices[0].message.content


def test_chat_stream_with_usage(client):
    chunks = list(client.chat.completions.create(model=CHAT, messages=MESSAGES, stream=True,
                                                 stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens > 0
    assert chunks[0].choices == []


def test_completions(client):
    assert client.completions.create(model=CHAT, prompt="Once").choices[0].text
    parts = [c.choices[0].text for c in client.completions.create(model=CHAT, prompt="Once", stream=True) if c.choices]
    assert "".join(parts)


def test_embeddings(client):
    answer = client.embeddings.create(model=MODELS["embeddings"], input=["one", "two"], dimensions=64)
    assert [len(d.embedding) for d in answer.data] == [64, 64]
    assert answer.data[0].embedding != answer.data[1].embedding


def test_images(client):
    answer = client.images.generate(model=MODELS["images"], prompt="a lock", response_format="b64_json")
    assert answer.data[0].b64_json


def test_speech(client, tmp_path):
    answer = client.audio.speech.create(model=MODELS["speech"], voice="alloy", input="Hello")
    with client.audio.speech.with_streaming_response.create(model=MODELS["speech"], voice="alloy", input="Hello") as s:
        s.stream_to_file(tmp_path / "hello.mp3")
    assert len(answer.content) > 1000
    assert (tmp_path / "hello.mp3").read_bytes() == answer.content


def test_models(client):
    assert {m.id for m in client.models.list()} == set(MODELS.values())
    assert client.models.retrieve(CHAT).id == CHAT


def test_responses(v1):
    answer = v1.responses.create(model=CHAT, input="Tell me of waterways.")
    assert answer.status == "completed"
    assert answer.output_text


def test_responses_stream(v1):
    plain = v1.responses.create(model=CHAT, input="Tell me of waterways.")
    events = list(v1.responses.create(model=CHAT, input="Tell me of waterways.", stream=True))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == plain.output_text
    with v1.responses.stream(model=CHAT, input="Tell me of waterways.") as stream:
        assert stream.get_final_response().output_text == plain.output_text


def test_wrong_key_is_an_authentication_error(make_client):
    with make_client(api_key="wrong") as client, pytest.raises(openai.AuthenticationError) as e:
        client.chat.completions.create(model=CHAT, messages=MESSAGES)
    assert e.value.status_code == 401
    assert e.value.body["message"]
    assert e.value.request_id


def test_unknown_deployment_is_a_not_found_error(client):
    with pytest.raises(openai.NotFoundError) as e:
        client.chat.completions.create(model="nowhere", messages=MESSAGES)
    assert e.value.code == "DeploymentNotFound"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nowhere")


def test_bad_request_of_the_backend_is_a_bad_request_error(client, healthy):
    healthy.fault(fault="status", status=400, code="content_filter", times=1)
    with pytest.raises(openai.BadRequestError) as e:
        client.chat.completions.create(model=CHAT, messages=MESSAGES)
    assert e.value.code == "content_filter"


def test_stored_things_are_a_bad_request_error(v1):
    with pytest.raises(openai.BadRequestError) as e:
        v1.responses.create(model=CHAT, input="x", previous_response_id="resp_1")
    assert e.value.code == "StatefulRequestNotSupported"


def test_throttling_on_one_backend_is_invisible(client, healthy):
    healthy.fault(instance="a", fault="status", status=429, retry_after_ms="300", times=1)
    assert client.chat.completions.create(model=CHAT, messages=MESSAGES).choices[0].message.content


def test_throttling_everywhere_is_a_rate_limit_error_with_the_wait(client, healthy):
    healthy.fault(fault="status", status=429, retry_after_ms="900", times=2)
    with pytest.raises(openai.RateLimitError) as e:
        client.chat.completions.create(model=CHAT, messages=MESSAGES)
    assert int(e.value.response.headers["retry-after"]) == 1
    assert 0 < int(e.value.response.headers["retry-after-ms"]) <= 900


def test_the_sdks_own_retry_waits_as_told_and_succeeds(make_client, healthy):
    with make_client(max_retries=2) as client:
        healthy.fault(fault="status", status=429, retry_after_ms="700", times=2)
        assert client.chat.completions.create(model=CHAT, messages=MESSAGES).choices[0].message.content


def test_stream_that_begins_with_an_error_is_served_elsewhere(client, healthy):
    healthy.fault(instance="a", fault="error_event", after_events=0, status=500, times=1)
    assert text_of(client.chat.completions.create(model=CHAT, messages=MESSAGES, stream=True))


@pytest.mark.parametrize("how", ["reset", "close"])
def test_broken_chat_stream_raises(client, healthy, how):
    healthy.fault(fault=how, after_events=3, times=1)
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model=CHAT, messages=MESSAGES, stream=True))


@pytest.mark.parametrize("how", ["reset", "close"])
def test_broken_responses_stream_is_told(v1, healthy, how):
    """Either an error is raised, or the last event says that the response failed: never a silent end."""
    healthy.fault(fault=how, after_events=4, times=1)
    events = []
    try:
        for e in v1.responses.create(model=CHAT, input="x", stream=True):
            events.append(e)
    except openai.APIError:
        return
    assert events[-1].type in ("response.failed", "error")
    assert [e.sequence_number for e in events] == list(range(len(events)))


def test_leaving_a_stream_cancels_it_at_the_backend(client, healthy):
    healthy.fault(fault="stall", after_events=2, times=1, **{"for": "20s"})
    stream = client.chat.completions.create(model=CHAT, messages=MESSAGES, stream=True)
    next(iter(stream))
    stream.close()
    client.close()

    def aborted():
        instances = healthy.state()["instances"].values()
        return sum(d["open_streams"] for i in instances for d in i["deployments"].values()) == 0
    for _ in range(100):
        if aborted():
            return
        time.sleep(0.02)
    raise AssertionError("the backend still works for nobody")


async def test_async_chat(async_client):
    answer = await async_client.chat.completions.create(model=CHAT, messages=MESSAGES)
    assert answer.choices[0].message.content


async def test_async_chat_stream(async_client):
    parts = []
    async for c in await async_client.chat.completions.create(model=CHAT, messages=MESSAGES, stream=True):
        parts += [c.choices[0].delta.content or ""] if c.choices else []
    assert "".join(parts)


async def test_async_embeddings_models_and_speech(async_client):
    embeddings, models, speech = await asyncio.gather(
        async_client.embeddings.create(model=MODELS["embeddings"], input="x"), async_client.models.list(),
        async_client.audio.speech.create(model=MODELS["speech"], voice="alloy", input="Hello"))
    assert embeddings.data[0].embedding
    assert {m.id for m in models.data} == set(MODELS.values())
    assert speech.content


async def test_async_errors(async_client):
    with pytest.raises(openai.NotFoundError):
        await async_client.chat.completions.create(model="nowhere", messages=MESSAGES)


async def test_fifty_at_once(async_client):
    answers = await asyncio.gather(*[
        async_client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": f"Number {n}"}])
        for n in range(50)])
    assert len({a.choices[0].message.content for a in answers}) > 1
