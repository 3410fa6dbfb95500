"""What a client meets at the edge: paths, methods, names, ids, browsers, and what the log tells of a refusal."""

import json

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION, V1_CHAT

V1_MODELS = "/openai/v1/models"
AZURE_KEY = "3Jk9QxZ7bV2mT5nR8wL1pY4sD6fG0hAaSdFgHjKlQwErTyUiOpZxCvBnM1A2B3C4D5E6F7G8AACOGabcd"
BODY = {"model": "gpt-4o", **QUESTION}


def code_of(answer):
    return answer.error["code"]


# Methods


@pytest.mark.parametrize("target, allow", [(CHAT, "POST"), (V1_CHAT, "GET, POST"), ("/openai/v1/responses", "POST"),
                                           (V1_MODELS, "GET, HEAD"), ("/openai/models/x?api-version=1", "GET, HEAD"),
                                           ("/health/ready", "GET, HEAD"), ("/healthz", "GET, HEAD")])
def test_405_tells_the_methods_that_are_served(one, a, target, allow):
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = one.ask(method, target)
        assert (answer.status, answer.headers("allow")) == (405, [allow]), method
    assert not a.requests


def test_head_is_answered_where_get_is(one, a):
    with one.connect() as wire:
        for target in (V1_MODELS, "/openai/models?api-version=2024-10-21", V1_MODELS + "/gpt-4o"):
            whole = wire.ask("GET", target, {"api-key": KEY})
            head = wire.ask("HEAD", target, {"api-key": KEY})
            assert (head.status, head.body) == (200, b"")
            assert head.header("content-length") == whole.header("content-length") == str(len(whole.body))
        assert wire.ask("HEAD", V1_MODELS).status == 401
        assert wire.ask("HEAD", V1_MODELS + "/x" * 130, {"api-key": KEY}).status == 404
    assert not a.requests


# Slashes


@pytest.mark.parametrize("target", [
    "/" + CHAT, CHAT.replace("completions?", "completions/?"), "/" + V1_CHAT, V1_CHAT + "/", "//v1/chat/completions/"])
def test_a_slash_of_a_copied_endpoint_is_forgiven(one, a, target):
    assert one.chat(BODY, target=target).status == 200
    assert a.requests[0].target.startswith("/openai/") and "//" not in a.requests[0].target
    assert "completions/" not in a.requests[0].target


@pytest.mark.parametrize("target", ["//ai/openai/v1/chat/completions", "/ai//openai/v1/chat/completions",
                                    "/ai/openai/v1/chat/completions/"])
def test_the_same_below_a_base_path(gateway, a, target):
    g = gateway([a], {"listeners": {"public": {"base_path": "/ai"}}})
    assert g.chat(BODY, target=target).status == 200
    assert a.requests[0].target == V1_CHAT


@pytest.mark.parametrize("target", ["///openai/v1/chat/completions", "/openai//v1/chat/completions",
                                    "/openai/v1//chat/completions", "/openai/v1/chat/completions//"])
def test_every_other_doubled_slash_is_refused(one, a, target):
    answer = one.chat(BODY, target=target)
    assert (answer.status, code_of(answer)) == (400, "BadRequest")
    assert not a.requests


@pytest.mark.parametrize("target", ["/healthz", "/health", "/status-0123456789abcdef", "/health/ready", "/health/live",
                                    "//healthz", "/healthz/"])
def test_probes_under_the_names_that_people_try(one, target):
    assert one.ask("GET", target, key=None).status == one.ask("HEAD", target, key=None).status == 200


# Names


SLASHED = {"routes": [{"clients": ["app"], "deployment": "openai/gpt-4o", "pool": "main"},
                      {"clients": ["app"], "deployment": "gpt-5*", "pool": "main"}]}


def test_every_name_of_the_list_can_be_fetched_and_used(gateway, a):
    g = gateway([a], SLASHED)
    for base in ("/openai/v1/models", "/v1/models", "/openai/models"):
        names = [m["id"] for m in g.ask("GET", base).json()["data"]]
        assert names == ["gpt-5", "openai/gpt-4o"]
        for name in names:
            for spelled in (name, name.replace("/", "%2F"), name.replace("/", "%2f")):
                answer = g.ask("GET", f"{base}/{spelled}")
                assert (answer.status, answer.json()["id"]) == (200, name)
            dated = f"/openai/deployments/{name.replace('/', '%2F')}/chat/completions?api-version=2024-10-21"
            assert g.chat(target=dated).status == 200
            assert g.chat({**BODY, "model": name}, target=V1_CHAT).status == 200
    assert {r.target.split("/")[3] for r in a.requests if "/deployments/" in r.target} == {"gpt4o-a"}
    # A name that only a pattern leads to is in no list, and can be used all the same.
    assert g.ask("GET", V1_MODELS + "/gpt-5-codex").json()["id"] == "gpt-5-codex"
    assert code_of(g.ask("GET", V1_MODELS + "/openai/other")) == "ModelNotFound"


@pytest.mark.parametrize("status, name", [
    (404, "openai%2Fother"), (404, "openai%2Fgpt-4o%2Fx"), (404, "openai/gpt-4o"), (400, "openai%2F..%2Fgpt-4o"),
    (400, "%2Fgpt-4o"), (400, "openai%2F%2Fgpt-4o"), (400, "openai%252Fgpt-4o"), (400, "openai%5Cgpt-4o")])
def test_an_escaped_slash_opens_no_other_way(gateway, a, status, name):
    g = gateway([a], SLASHED)
    assert g.chat(target=f"/openai/deployments/{name}/chat/completions?api-version=2024-10-21").status == status
    assert g.chat(target="/openai/deployments/openai%2Fgpt-4o/chat%2Fcompletions").status == 400
    assert not a.requests


# Not served, and where what is served is


@pytest.mark.parametrize("method, target, status, code, words", [
    ("POST", "/openai/chat/completions?api-version=2025-01-01-preview", 404, "NotFound", "/openai/deployments/{deploy"),
    ("POST", "/openai/deployments/d/responses?api-version=x", 404, "NotFound", "/openai/v1/responses"),
    ("POST", "/openai/embeddings", 404, "NotFound", "/openai/v1/embeddings"),
    ("GET", "/openai/v1/chat/completions", 400, "OperationNotSupported", "not served"),
    ("GET", "/openai/chat/completions", 400, "OperationNotSupported", "not served"),
    ("GET", "/openai/v1/responses", 405, "MethodNotAllowed", "POST"),
    ("GET", "/openai/v1/responses/resp_1", 400, "OperationNotSupported", "not served"),
    ("POST", "/openai/v1/files", 400, "OperationNotSupported", "not served"),
    ("DELETE", "/openai/v1/chat/completions/chatcmpl-1", 400, "OperationNotSupported", "not served")])
def test_what_a_refused_path_is_told(one, a, method, target, status, code, words):
    answer = one.ask(method, target, body=BODY if method == "POST" else None)
    assert (answer.status, code_of(answer)) == (status, code)
    assert words in answer.error["message"]
    assert not a.requests


# Ids and the log


def send_raw(g, data):
    with g.connect() as wire:
        wire.send(data)
        return wire.read_answer()


@pytest.mark.parametrize("status, data", [
    (431, b"POST %s HTTP/1.1\r\nHost: x\r\nx-large: %s\r\n\r\n" % (CHAT.encode(), b"k" * 40000)),
    (414, b"GET /openai/v1/%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 9000)),
    (414, b"GET /openai/v1/%s" % (b"a" * 40000)),
    (400, b"GET /openai/v1/models HTTP/1.1\r\n\r\n"),
    (400, b"GET /openai/v1/models HTTP/1.1\nHost: x\n\n"),
    (417, b"POST /openai/v1/models HTTP/1.1\r\nHost: x\r\nExpect: x\r\nContent-Length: 1\r\n\r\n"),
    (501, b"TRACE /openai/v1/models HTTP/1.1\r\nHost: x\r\n\r\n"),
    (505, b"GET /openai/v1/models HTTP/3.0\r\nHost: x\r\n\r\n"),
    (400, b"\x16\x03\x01 \xff HTTP/1.1\r\nHost: x\r\n\r\n"),
    (408, b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: x\r\n")])
def test_every_refused_head_has_an_id_that_is_in_the_log(gateway, a, status, data):
    g = gateway([a], {"listeners": {"public": {"limits": {"head_timeout": "300ms"}}}})
    answer = send_raw(g, data)
    assert answer.status == status
    [given] = answer.headers("x-request-id")
    assert len(given) == 32 and given.isalnum()
    line = g.wait_for_access_log(1)[-1]
    assert (line["status"], line["request_id"]) == (status, given)
    if data[:1].isalpha():
        assert line["method"] == data.split(b" ")[0].decode()
        assert line["path"].startswith("/openai/") and len(line["path"]) < 210


def test_a_refusal_in_the_log_tells_what_was_asked_for(one):
    fields = {"User-Agent": "OpenAI/Python 3.57.0", "api-key": KEY}
    with one.connect() as wire:
        wire.ask("POST", "/openai/v1/files?api-version=preview&sig=geheim", fields, {})
        wire.ask("GET", "/openai/v1/nothing/" + "n" * 500, {**fields, "User-Agent": "u" * 500})
        wire.ask("POST", CHAT, {"api-key": "wrong"}, QUESTION)
        wire.ask("POST", CHAT + "&api-key=another-secret", {}, QUESTION)
        wire.ask("POST", CHAT.replace("2024-10-21", AZURE_KEY), {"api-key": "wrong"}, QUESTION)
        wire.ask("POST", CHAT, fields, QUESTION)
    served, unsupported, unknown, refused, query, version = sorted(
        one.wait_for_access_log(6), key=lambda line: (line["status"] != 200, line["time"]))
    assert unsupported["method"] == "POST" and unsupported["path"] == "/openai/v1/files"
    assert unsupported["api_version"] == "preview" and unsupported["user_agent"] == "OpenAI/Python 3.57.0"
    assert unknown["path"].startswith("/openai/v1/nothing/nnn") and len(unknown["path"]) < 210
    assert len(unknown["user_agent"]) <= 120
    assert refused["path"] == query["path"] == version["path"] == CHAT.partition("?")[0]
    assert refused["api_version"] == "2024-10-21" and version["api_version"] == "?"
    assert "path" not in served and "user_agent" not in served
    text = json.dumps(one.access_log())
    assert "geheim" not in text and "another-secret" not in text and AZURE_KEY not in text


@pytest.mark.parametrize("key", [KEY, AZURE_KEY, "spw_kQ3vX9tLmN2pR7sY4wZ1aB6cD8eF0gHiJkLmNoPqRs"])
def test_a_key_in_the_place_of_a_name_is_in_no_log(gateway, a, key):
    g = gateway([a], {"routes": [{"clients": ["app"], "deployment": "gpt-4o", "pool": "main"}]})
    assert g.chat(target=CHAT.replace("gpt-4o", key)).status == 404
    assert g.chat(target=CHAT.replace("gpt-4o", key), key="wrong").status == 401
    assert g.chat({**BODY, "model": key}, target=V1_CHAT).status == 404
    assert g.ask("GET", f"{V1_MODELS}/{key}").status == 404
    assert g.ask("GET", f"/openai/v1/{key}/x").status == 404
    assert g.ask("GET", f"/{key}", key=None).status == 401
    lines = g.wait_for_access_log(6)
    assert key not in json.dumps(lines) and key not in g.log()
    assert lines[2]["deployment"] == "(looks like a key)" and "(looks like a key)" in lines[0]["path"]


def test_nor_where_a_pattern_lets_it_through(gateway, a):
    g = gateway([a])
    assert g.chat(target=CHAT.replace("gpt-4o", AZURE_KEY)).status == 200
    assert g.wait_for_access_log(1)[0]["deployment"] == "(looks like a key)"


def test_names_that_no_route_knows_are_bounded_in_the_log(gateway, a):
    g = gateway([a], {"routes": [{"clients": ["app"], "deployment": "gpt-4o", "pool": "main"}]})
    assert g.chat({**BODY, "model": "m" * 250}, target=V1_CHAT).status == 404
    assert g.wait_for_access_log(1)[0]["deployment"] == "m" * 64 + "..."


def test_no_region_no_header(gateway, a):
    g = gateway([a], {"gateway": {"expose_headers": True}})
    answer = g.chat()
    assert answer.header("x-spillway-backend") == "a/gpt4o-a"
    assert answer.header("x-spillway-region") is None


# Keys


def test_x_api_key_counts_where_no_other_key_is(one):
    assert one.chat(key=None, fields={"x-api-key": KEY}).status == 200
    assert one.chat(key=None, fields={"x-api-key": "wrong"}).status == 401
    # Some gateway in front may have a use of its own for it.
    assert one.chat(fields={"x-api-key": "of-another-gateway"}).status == 200
    assert one.chat(key="wrong", fields={"x-api-key": KEY}).status == 401


# Browsers

PAGE = "https://app.example.com"
CORS = {"listeners": {"public": {"cors": {"origins": [PAGE, "https://*.contoso.com"], "max_age": "5m"}}},
        "slow_down": {"failures": 2, "window": "1m", "max_delay": "5s"}}
ASKS = {"Origin": PAGE, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "api-key,content-type,x-stainless-lang"}


@pytest.fixture
def for_pages(gateway, a):
    return gateway([a], CORS)


def cors_fields(answer):
    return {n: v for n, v in answer.fields if n.startswith("access-control-")}


def authentications(g):
    return sum(v for (name, _), v in g.metrics().items() if name == "spillway_authentications_total")


def test_a_preflight_needs_no_key_and_is_no_failed_login(for_pages, a):
    for target in (CHAT, V1_CHAT, V1_MODELS, "/openai/v1/files"):
        for _ in range(3):
            answer = for_pages.ask("OPTIONS", target, ASKS, key=None)
            assert (answer.status, answer.body, answer.header("content-length")) == (204, b"", None)
    assert answer.header("access-control-allow-origin") == PAGE
    assert "POST" in answer.header("access-control-allow-methods")
    assert answer.header("access-control-allow-headers") == "api-key,content-type,x-stainless-lang"
    assert answer.header("access-control-max-age") == "300"
    assert answer.header("access-control-allow-credentials") is None
    assert answer.header("vary") == "Origin" and answer.header("x-request-id")
    assert authentications(for_pages) == 0 and for_pages.metric("spillway_slowed_down_total") == 0
    assert for_pages.chat().status == 200
    assert len(a.requests) == 1


def test_answers_name_a_listed_origin(for_pages, a):
    a.then(lambda c, r: c.answer(200, {"ok": 1}, fields={"Access-Control-Allow-Origin": "*", "Vary": "Accept"}))
    relayed = for_pages.chat(fields={"Origin": "https://shop.contoso.com"})
    local = for_pages.ask("GET", V1_MODELS, {"Origin": "https://shop.contoso.com"})
    refused = for_pages.chat(fields={"Origin": "https://shop.contoso.com"}, key="wrong")
    assert [x.status for x in (relayed, local, refused)] == [200, 200, 401]
    for answer in (relayed, local, refused):
        assert answer.headers("access-control-allow-origin") == ["https://shop.contoso.com"]
        assert "x-request-id" in answer.header("access-control-expose-headers")
        assert "Origin" in answer.headers("vary")
    assert relayed.headers("vary") == ["Accept", "Origin"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.com.evil.example",
                                    "http://app.example.com", "https://contoso.com"])
def test_other_origins_hear_nothing(for_pages, a, origin):
    preflight = for_pages.ask("OPTIONS", CHAT, {**ASKS, "Origin": origin}, key=None)
    assert (preflight.status, code_of(preflight)) == (403, "OriginNotAllowed")
    served = for_pages.chat(fields={"Origin": origin})
    assert served.status == 200, "a key is a key: the origin is no proof of anything"
    assert cors_fields(preflight) == cors_fields(served) == {}
    assert authentications(for_pages) == 1


def test_any_origin_and_credentials(gateway, a):
    g = gateway([a], {"listeners": {"public": {"cors": {"origins": ["*"]}}}})
    answer = g.chat(fields={"Origin": "https://whoever.example"})
    assert answer.header("access-control-allow-origin") == "*" and answer.header("vary") is None
    g.reload({"listeners": {"public": {"cors": {"origins": [PAGE], "credentials": True}}}})
    answer = g.chat(fields={"Origin": PAGE})
    assert answer.header("access-control-allow-origin") == PAGE
    assert answer.header("access-control-allow-credentials") == "true"


def test_without_the_section_there_is_nothing_for_browsers(gateway, a):
    g = gateway([a], {"slow_down": {"failures": 2, "window": "1m", "max_delay": "5s"}})
    a.default = lambda c, r: c.answer(200, {}, fields={"Access-Control-Allow-Origin": "*"})
    for _ in range(8):
        answer = g.ask("OPTIONS", CHAT, ASKS, key=None)
        assert (answer.status, answer.header("allow")) == (405, "POST")
        assert cors_fields(answer) == {}
    assert g.ask("OPTIONS", "/nothing", ASKS, key=None).status == 404
    assert authentications(g) == 0 and g.metric("spillway_slowed_down_total") == 0
    assert cors_fields(g.chat(fields={"Origin": PAGE})) == {}


def test_the_door_comes_before_the_preflight(gateway, a):
    g = gateway([a], {"listeners": {"public": {**CORS["listeners"]["public"], "allow": ["10.0.0.0/8"]}}}, start=True)
    answer = g.ask("OPTIONS", CHAT, ASKS, key=None)
    assert (answer.status, code_of(answer)) == (403, "AddressNotAllowed")
