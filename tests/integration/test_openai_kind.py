"""Instances of kind openai: OpenAI itself, vLLM, Ollama and other clouds, alone and beside Azure's."""

import json
import subprocess

import pytest
from support.config import KEY, UPSTREAM_KEY, deployment_on, merge
from support.gateway import CHAT, QUESTION, STREAM, V1_CHAT, binary
from support.identity import until
from support.usage import ledger_config, wait_for_records

OPENAI = {"kind": "openai"}


def of_kind_openai(*upstreams, **more):
    return {"instances": {u.name: {**OPENAI, "endpoint": f"https://{u.host}/v1", **more} for u in upstreams}}


@pytest.fixture
def alone(gateway, a):
    return gateway([a], of_kind_openai(a))


def dated(operation):
    return f"/openai/deployments/gpt-4o/{operation}?api-version=2024-10-21"


@pytest.mark.parametrize("operation", ["chat/completions", "completions", "embeddings", "images/generations",
                                       "audio/speech"])
def test_dated_requests_become_those_of_v1(alone, a, operation):
    assert alone.chat({"input": "x"}, target=dated(operation)).status == 200
    got = a.requests[-1]
    assert (got.method, got.target) == ("POST", f"/v1/{operation}")
    assert got.json() == {"model": deployment_on(a), "input": "x"}
    assert int(got.header("content-length")) == len(got.body)


def test_other_parameters_stay(alone, a):
    alone.chat(target=CHAT + "&x=1")
    assert a.requests[-1].target == "/v1/chat/completions?x=1"


@pytest.mark.parametrize("body, sent", [
    (b'{"messages":[]}', b'{"model":"%s","messages":[]}'),
    (b' { "messages" : [ ] } ', b' {"model":"%s", "messages" : [ ] } '),
    (b'{}', b'{"model":"%s"}'),
    (b'{ }', b'{"model":"%s" }'),
    (b'{"a":1,"model":"of the SDK","b":[{"model":"inner"}]}', b'{"a":1,"model":"%s","b":[{"model":"inner"}]}'),
    (b'{"mod\\u0065l":null,"a":1}', b'{"mod\\u0065l":"%s","a":1}'),
    (b'{"model":{"x":[1]}}', b'{"model":"%s"}'),
])
def test_the_body_names_the_backends_model_and_is_else_the_clients(alone, a, body, sent):
    assert alone.chat(body).status == 200
    assert a.requests[-1].body == sent.replace(b"%s", deployment_on(a).encode())


def test_requests_of_v1_have_the_model_replaced(alone, a):
    for target in (V1_CHAT, V1_CHAT + "?api-version=preview", "/v1/responses", "/openai/v1/responses"):
        assert alone.chat({"model": "gpt-4o", "input": "x"}, target=target).status == 200
        assert a.requests[-1].target == "/v1/" + target.partition("v1/")[2].partition("?")[0]
        assert a.requests[-1].json() == {"model": deployment_on(a), "input": "x"}


@pytest.mark.parametrize("target", [CHAT, V1_CHAT])
def test_a_second_model_in_other_letters_is_refused(alone, a, target):
    """Some servers read names in any case of letters, and the last one wins."""
    refused = alone.chat({"model": "gpt-4o", "messages": [], "MODEL": "the-expensive-one"}, target=target)
    assert refused.status == 400
    assert refused.error["code"] == "BadRequest"
    assert a.requests == []


def test_it_gets_a_bearer_key_and_nothing_of_azures(gateway, a):
    g = gateway([a], of_kind_openai(a, organization="org-7", project="proj-8"))
    a.then(lambda c, r: c.answer(200, {}, {"openai-organization": "org-7", "openai-version": "2020-10-01"}))
    answer = g.chat(fields={"x-ms-client-request-id": "mine", "x-ms-feature": "x", "aoai-evals": "x",
                            "OpenAI-Organization": "of-the-client", "OpenAI-Beta": "b", "x-request-id": "line-1"})
    got = a.requests[-1]
    assert got.header("authorization") == f"Bearer {UPSTREAM_KEY}"
    assert [v for n, v in got.fields if n == "openai-organization"] == ["org-7"]
    assert got.header("openai-project") == "proj-8"
    assert got.header("openai-beta") == "b"
    assert got.header("x-client-request-id") == "line-1"
    assert not [n for n, _ in got.fields if n.startswith(("x-ms-", "aoai-")) or n == "api-key"]
    assert KEY not in got.raw.decode("latin-1")
    assert answer.header("openai-version") == "2020-10-01"
    assert answer.header("openai-organization") is None


def test_a_server_of_ones_own_without_tls_and_key(gateway, upstream):
    vllm = upstream("vllm", tls=False)
    g = gateway([vllm], {"instances": {"vllm": {**OPENAI, "endpoint": f"http://127.0.0.1:{vllm.port}/v1",
                                                "insecure": True, "address": None, "ca_file": None,
                                                "credential": None}}})
    assert g.chat().status == 200
    assert vllm.requests[-1].target == "/v1/chat/completions"
    assert vllm.requests[-1].header("host") == f"127.0.0.1:{vllm.port}"
    assert vllm.requests[-1].header("authorization") is None


def refuse(c, r):
    c.error(429, "429", fields={"retry-after": "30"})


@pytest.mark.parametrize("target", [CHAT, V1_CHAT])
@pytest.mark.parametrize("openai_first", [True, False])
def test_both_kinds_stand_in_one_pool(gateway, a, b, target, openai_first):
    own, azure = (a, b) if openai_first else (b, a)
    g = gateway([a, b], of_kind_openai(own))
    a.then(refuse)
    assert g.chat({"model": "gpt-4o", **QUESTION}, target=target).json()["model"] == "b"
    for u in (own, azure):
        got = u.requests[-1]
        if u is own:
            assert (got.target, got.json()["model"]) == ("/v1/chat/completions", deployment_on(u))
            assert got.header("api-key") is None
        else:
            assert got.target == target.replace("gpt-4o", deployment_on(u))
            assert got.json()["model"] == ("gpt-4o" if target is CHAT else deployment_on(u))
            assert got.header("api-key") == UPSTREAM_KEY
            assert got.header("authorization") is None


@pytest.mark.parametrize("target", [CHAT, CHAT.replace("2024-10-21", "2023-05-15"), V1_CHAT])
def test_streams_are_asked_for_their_usage_and_clients_see_none_of_it(gateway, a, tmp_path, target):
    def script(c, r):
        wants = (r.json().get("stream_options") or {}).get("include_usage", False)
        c.stream_head()
        for word in ("Hel", "lo"):
            c.event({"id": "1", "object": "chat.completion.chunk", "model": "m",
                     "choices": [{"index": 0, "delta": {"content": word}}]})
        if wants:
            c.event({"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [],
                     "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}})
        c.event("[DONE]")
        c.last_chunk()

    a.default = script
    g = gateway([a], merge(of_kind_openai(a), ledger_config(tmp_path)))
    answer = g.chat({"model": "gpt-4o", **STREAM}, target=target)
    assert b"usage" not in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")
    sent = a.requests[-1].json()
    assert sent == {"model": deployment_on(a), **STREAM, "stream_options": {"include_usage": True}}
    g.chat(STREAM)
    assert a.requests[-1].json() == sent
    r = wait_for_records(tmp_path, 2)[0]
    assert (r["prompt_tokens"], r["completion_tokens"]) == (7, 2)


@pytest.mark.parametrize("body, chunked", [
    ({"error": {"message": "The model `x` does not exist.", "type": "invalid_request_error", "param": None,
                "code": "model_not_found"}}, False),
    ({"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}, True),
    ({"detail": "Not Found"}, False),
])
def test_a_model_that_is_missing_is_the_backends_fault(gateway, a, b, body, chunked):
    def script(c, r):
        if not chunked:
            return c.answer(404, body)
        c.head(404, {"content-type": "application/json", "transfer-encoding": "chunked"})
        c.chunk(json.dumps(body)[:9])
        c.chunk(json.dumps(body)[9:])
        return c.last_chunk()

    g = gateway([a, b], of_kind_openai(a, b))
    a.default = script
    for _ in range(2):
        assert g.chat().json()["model"] == "b"
    assert len(a.requests) == 1, "it is left alone afterwards"
    assert g.status()["pools"][0]["backends"][0]["breaker"]["state"] == "misconfigured"
    until(lambda: "does not know this deployment" in g.log())


def test_other_404s_are_the_clients(gateway, a, b):
    g = gateway([a, b], of_kind_openai(a, b))
    a.then(lambda c, r: c.error(404, "prompt_not_found", "No prompt with id 'p'"))
    assert g.chat().status == 404
    assert b.requests == []


def test_status_and_explain_tell_the_kind(alone):
    assert alone.status()["pools"][0]["backends"][0]["kind"] == "openai"
    done = subprocess.run([binary("SPILLWAY_BIN", "spillway"), "explain", "-c", str(alone.file), "--client", "app",
                           "--deployment", "gpt-4o"], text=True, capture_output=True, timeout=30, check=False)
    assert "kind openai" in done.stdout
