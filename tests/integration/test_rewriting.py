"""What is changed on the way to a backend, and that nothing else is."""

import pytest
from support.config import KEY, UPSTREAM_KEY, merge, pool_of
from support.gateway import CHAT, QUESTION, STREAM, V1_CHAT

DEPLOYMENT = b"gpt4o-a"


def sent(one, a, body, target=V1_CHAT, fields=()):
    answer = one.chat(body, fields, target=target)
    assert answer.status == 200, answer.body
    return a.requests[-1]


@pytest.mark.parametrize("before, after", [
    (b'{"model":"gpt-4o","messages":[]}', b'{"model":"gpt4o-a","messages":[]}'),
    (b' \n{ "messages" : [ ] ,\t"model"\r\n:  "gpt-4o"  }\n ',
     b' \n{ "messages" : [ ] ,\t"model"\r\n:  "gpt4o-a"  }\n '),
    (b'{"tools":[{"model":"gpt-4o"}],"x":{"model":"m"},"model":"gpt-4o","y":"\\"model\\":\\"gpt-4o\\""}',
     b'{"tools":[{"model":"gpt-4o"}],"x":{"model":"m"},"model":"gpt4o-a","y":"\\"model\\":\\"gpt-4o\\""}'),
    (b'{"messages":[{"content":"\\u007b\\"model\\":1 \\\\"}],"model":"gpt-4o"}',
     b'{"messages":[{"content":"\\u007b\\"model\\":1 \\\\"}],"model":"gpt4o-a"}'),
    (b'{"model":"gpt\\u002d4o","temperature":1.50e-3,"big":12345678901234567890}',
     b'{"model":"gpt4o-a","temperature":1.50e-3,"big":12345678901234567890}'),
    (b'{"mo\\u0064el":"gpt-4o","a":1}', b'{"mo\\u0064el":"gpt4o-a","a":1}'),
    ('{"model":"gpt-4o","q":"Grüße 🙂 \u2028"}'.encode(), '{"model":"gpt4o-a","q":"Grüße 🙂 \u2028"}'.encode()),
], ids=["plain", "white space", "nested", "escapes around", "escapes inside", "escaped name", "utf-8"])
def test_only_the_top_level_model_is_replaced(one, a, before, after):
    assert sent(one, a, before).body == after


def test_dated_path_gets_the_backends_name_and_the_body_stays(one, a):
    body = b'{ "model": "gpt-4o", "messages":[ ] }'
    request = sent(one, a, body, CHAT)
    assert request.body == body
    assert request.target == "/openai/deployments/gpt4o-a/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize("name, spelled", [("my model", "my%20model"), ("gpt-4o:ft+1", "gpt-4o%3Aft%2B1"),
                                           ("grün", "gr%C3%BCn"), ("a_b.c~d", "a_b.c~d"), ("a?b#c", "a%3Fb%23c")])
def test_backends_name_is_escaped_in_the_path(gateway, a, name, spelled):
    pool = pool_of([a])
    pool["backends"][0]["deployment"] = name
    g = gateway([a], {"pools": {"main": pool}})
    assert sent(g, a, QUESTION, CHAT).target == f"/openai/deployments/{spelled}/chat/completions?api-version=2024-10-21"


def test_backends_name_is_escaped_in_the_body(gateway, a):
    pool = pool_of([a])
    pool["backends"][0]["deployment"] = 'a "quoted" \\ name'
    g = gateway([a], {"pools": {"main": pool}})
    assert sent(g, a, {"model": "x", "messages": []}).json()["model"] == 'a "quoted" \\ name'


def test_clients_name_is_unescaped_before_it_is_routed(gateway, a):
    g = gateway([a], {"routes": [{"clients": ["app"], "deployment": "my model", "pool": "main"}]})
    assert g.chat(target=CHAT.replace("gpt-4o", "my%20model")).status == 200
    assert g.chat(target=CHAT.replace("gpt-4o", "my+model")).status == 404


@pytest.mark.parametrize("target, path", [
    ("/openai/v1/chat/completions?api-version=preview", "/openai/v1/chat/completions?api-version=preview"),
    ("/v1/chat/completions", "/openai/v1/chat/completions")])
def test_v1_paths(one, a, target, path):
    assert sent(one, a, {"model": "m", **QUESTION}, target).target == path


def test_pinned_api_version_replaces_the_clients(gateway, a):
    g = gateway([a], {"instances": {"a": {"api_version": "2025-04-01-preview"}}})
    base = "/openai/deployments/gpt4o-a/chat/completions"
    for query in ("?api-version=2023-05-15", "", "?api%2Dversion=2023-05-15"):
        assert sent(g, a, QUESTION, CHAT.partition("?")[0] + query).target == f"{base}?api-version=2025-04-01-preview"
    assert sent(g, a, QUESTION, CHAT.partition("?")[0] + "?a=1&api-version=x&b=%20").target == \
        f"{base}?a=1&b=%20&api-version=2025-04-01-preview"
    assert sent(g, a, {"model": "m", **QUESTION}, V1_CHAT + "?api-version=v1").target == f"{V1_CHAT}?api-version=v1"


def test_endpoints_prefix_and_listeners_base_path(gateway, a):
    g = gateway([a], {"instances": {"a": {"endpoint": f"https://{a.host}/behind/apim"}},
                      "listeners": {"public": {"base_path": "/ai"}}})
    assert sent(g, a, QUESTION, "/ai" + CHAT).target.startswith("/behind/apim/openai/deployments/gpt4o-a/")


CLIENTS_OWN = {
    "Authorization": f"Bearer {KEY}", "Ocp-Apim-Subscription-Key": KEY, "Cookie": "session=1",
    "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "h", "Forwarded": "for=1.2.3.4", "X-Real-IP": "1.2.3.4", "X-Azure-FDID": "f",
    "X-Azure-ClientIP": "c", "X-ARR-ClientCert": "cert", "X-MS-Client-Principal": "p", "X-MS-Token-AAD-Access-Token": "t",
    "Proxy-Authorization": "x", "X-Api-Key": "k", "X-Unknown": "u", "Origin": "https://o", "Referer": "https://r",
    "OpenAI-Organization": "org",
    "X-Ms-Spillover-Deployment": "other", "x-ms-oai-image-generation-deployment": "other", "Upgrade": "websocket",
    "TE": "trailers", "Keep-Alive": "timeout=5", "Accept-Encoding": "gzip, br", "X-Stainless-Lang": "python",
}


def test_neither_credentials_nor_headers_of_the_front_reach_a_backend(one, a):
    request = sent(one, a, QUESTION, CHAT, CLIENTS_OWN)
    assert KEY.encode() not in request.raw
    got = {n for n, _ in request.fields}
    allowed_again = {"accept-encoding"}  # of our own making
    assert not got & ({n.lower() for n in CLIENTS_OWN} - allowed_again)
    assert request.header("api-key") == UPSTREAM_KEY
    assert request.header("host") == a.host
    assert request.header("accept-encoding") == "identity"


@pytest.mark.parametrize("name", ["api-key", "API%2DKEY", "subscription-key", "access_token"])
def test_keys_in_the_query_are_taken_out(one, a, name):
    target = sent(one, a, QUESTION, CHAT + f"&{name}={KEY}&z=1").target
    assert target == "/openai/deployments/gpt4o-a/chat/completions?api-version=2024-10-21&z=1"


def test_headers_named_by_connection_go_no_further(one, a):
    request = sent(one, a, QUESTION, CHAT, {"Connection": "x-ms-one", "x-ms-one": "1", "x-ms-two": "2"})
    assert request.header("x-ms-one") is None
    assert request.header("x-ms-two") == "2"


def test_headers_that_azure_knows_go_through(one, a):
    fields = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "probe/1", "traceparent": "00-1-2-00",
              "x-ms-client-request-id": "17", "OpenAI-Beta": "x=v1", "Accept": "application/json",
              "aoai-evals": "preview"}
    request = sent(one, a, QUESTION, CHAT, fields)
    assert {n: request.header(n) for n in map(str.lower, fields)} == {n.lower(): v for n, v in fields.items()}


def test_no_more_than_ten_custom_headers(one, a):
    request = sent(one, a, QUESTION, CHAT, {f"x-ms-extra-{n}": str(n) for n in range(30)})
    assert 1 <= sum(n.startswith("x-ms-extra-") for n, _ in request.fields) <= 10


def test_request_id_is_kept_or_made(one, a):
    assert one.chat(fields={"x-request-id": "mine-1"}).header("x-request-id") == "mine-1"
    made = one.chat().header("x-request-id")
    assert len(made) == 32
    assert a.requests[-1].header("x-ms-client-request-id") == made
    assert one.chat(fields={"x-request-id": "<script>"}).header("x-request-id") != "<script>"
    a.then(lambda c, r: c.answer(200, {}, {"x-request-id": "azures"}))
    assert one.chat().headers("x-request-id") == ["azures"]


def test_headers_of_an_answer(one, a):
    fields = [("x-ratelimit-remaining-tokens", "12"), ("x-ms-region", "Sweden Central"), ("apim-request-id", "1"),
              ("azureml-model-session", "d1"), ("set-cookie", "a=1"), ("alt-svc", 'h3=":443"'),
              ("x-spillway-pool", "liar"), ("connection", "x-internal"), ("x-internal", "1"), ("keep-alive", "timeout=9"),
              ("strict-transport-security", "m")]
    a.then(lambda c, r: c.answer(200, {}, fields))
    answer = one.chat()
    for name in ("x-ratelimit-remaining-tokens", "x-ms-region", "apim-request-id", "azureml-model-session"):
        assert answer.header(name) == dict(fields)[name]
    for name in ("alt-svc", "x-spillway-pool", "x-internal", "keep-alive", "set-cookie"):
        assert answer.header(name) is None, name


def test_who_served_is_told_only_when_the_configuration_says_so(gateway, a, b):
    a.default = lambda c, r: c.error(429, fields={"retry-after": "5"})
    g = gateway([a, b], {"instances": {"b": {"region": "swedencentral"}}})
    assert not [n for n, _ in g.chat().fields if n.startswith("x-spillway")]
    g.reload({"gateway": {"expose_headers": True}})
    answer = g.chat()
    assert answer.header("x-spillway-pool") == "main"
    assert answer.header("x-spillway-backend") == "b/gpt4o-b"
    assert answer.header("x-spillway-region") == "swedencentral"
    assert answer.header("x-spillway-attempts") == "1"


def test_stream_option_is_not_added_to_the_body(one, a):
    body = merge(STREAM, {"model": "m"})
    assert sent(one, a, body).json() == {**body, "model": "gpt4o-a"}
