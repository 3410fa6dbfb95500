"""Requests that try to be somebody else, somewhere else, or for something else. None reaches an instance."""

import json
import urllib.parse

import pytest
from support.config import KEY
from support.gateway import QUESTION
from support.hostile import CHAT, FRONT_DOOR, House

V1 = "/openai/v1/chat/completions"
DEPLOYMENTS = "/openai/deployments/{}/chat/completions?api-version=2024-10-21"


@pytest.fixture(scope="module")
def house(certs, tmp_path_factory):
    h = House(certs, tmp_path_factory.mktemp("hostile"), {"listeners": {"public": {
        "trusted_proxies": ["10.0.0.0/8"], "forwarded_certificate": {"header": "X-Forwarded-Client-Cert"}}}})
    yield h
    h.still_serves()
    assert not h.leaks()
    h.close()


def post(target, fields=(), body=None, key=KEY):
    return lambda g: g.ask("POST", target, fields, QUESTION if body is None else body, key=key)


def raw(head, body=b""):
    """The very bytes, behind a host and a key."""
    def send(g):
        with g.connect() as wire:
            wire.send(head.replace(b"KEY", KEY.encode()) + body)
            return wire.read_answer()
    return send


# Keys


@pytest.mark.parametrize("key", ["", " ", "x", "key-of-the-app-4712", "KEY-OF-THE-APP-4711", "key-of-the-app-471",
                                 "key-of-the-app-47111", "sha256:" + "0" * 64, "*", "null", "undefined", "a" * 513,
                                 "a" * 8000, "key-of-the-app-4711\u00a0", "' OR '1'='1", "${KEY}", "0" * 64])
def test_keys_of_nobody(house, key):
    house.refused(post(CHAT, {"api-key": key}, key=None), (400, 401))


@pytest.mark.parametrize("fields", [
    [("api-key", KEY), ("api-key", "other")], [("api-key", KEY), ("Authorization", "Bearer other")],
    [("api-key", KEY), ("Ocp-Apim-Subscription-Key", "other")],
    [("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer other")],
    [("Authorization", f"Bearer {KEY}"), ("Authorization", "Basic b3RoZXI=")],
    [("api-key", "other"), ("API-KEY", KEY)], [("api-key", f"{KEY}, {KEY}")], [("api-key", f"{KEY},other")],
    [("Authorization", f"Basic {KEY}")], [("Authorization", KEY)], [("x-api-key", KEY)], [("apikey", KEY)],
    [("api_key", KEY)], [("Cookie", f"api-key={KEY}")], [("Proxy-Authorization", f"Bearer {KEY}")],
    [("X-Forwarded-Authorization", f"Bearer {KEY}")], [("X-Original-Authorization", f"Bearer {KEY}")],
    [("Authorization", f"Bearer{KEY}")], [("WWW-Authenticate", f"Bearer {KEY}")]])
def test_doubled_and_misplaced_keys(house, fields):
    house.refused(post(CHAT, fields, key=None), (400, 401))


@pytest.mark.parametrize("name", ["api-key", "subscription-key", "api%2Dkey", "API-KEY", "key", "access_token"])
def test_keys_in_the_query(house, name):
    house.refused(post(f"{CHAT}&{name}={KEY}", key=None), 401)


@pytest.mark.parametrize("line", [
    b"api-key: KEY\r\n evil: folded", b"api-key: KEY\rX: y", b"api-key: KEY\nX: y", b"api-key : KEY", b" api-key: KEY",
    b"api-key\t: KEY", b"api-key: KE\x00Y", b"api\x00-key: KEY", b"api-key; KEY", b"api-key KEY", b": KEY",
    b"api-key: KEY\x7f", b"api-key: KEY\x01", b"\xc3\xa4pi-key: KEY", b"api-key\xc2\xa0: KEY", b"(api-key): KEY",
    b"x-request-id: a\rb\r\napi-key: KEY", b"api-key: KEY\r\nConnection: api-key, content-length"])
def test_injected_lines(house, line):
    head = b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: x\r\n" + line + b"\r\nContent-Length: 2\r\n\r\n"
    house.refused(raw(head, b"{}"), (400, 401))


# Paths


@pytest.mark.parametrize("name", [
    "secret-model", "secret%2Dmodel", "%73ecret-model", "gpt-4o-b", "gpt-4o%00", "gpt-4o%00secret-model",
    "gpt-4o%0d%0a",
    "gpt-4o%20", "%20gpt-4o", "gpt-4o.", "gpt-4o%2e", "GPT-4O", "Gpt-4o", "gpt-4%6F%20", "gpt%E2%80%914o",
    "gpt-4%D0%BE",
    "%EF%BD%87pt-4o", "gpt-4o%E2%80%8B", "gpt-4o%CC%81", "gpt-4o%C0%AE", "gpt-4o%ff", "*", "%2a", "gpt-*", "gpt-4?", "",
    "gpt-4o%2fchat%2fcompletions%2f..%2f..%2fsecret-model", "gpt-4o%252f..%252fsecret-model", "gpt-4o/../secret-model",
    "../deployments/secret-model", "%2e%2e/deployments/secret-model", "%2e%2e%2fdeployments%2fsecret-model",
    "gpt-4o%5c..%5csecret-model", "gpt-4o\\..\\secret-model", "gpt-4o;secret-model", "gpt-4o%3bsecret-model",
    "gpt-4o%23", "gpt-4o%3f", "gpt-4o//", "/gpt-4o", "./gpt-4o", "gpt-4o/.", "gpt-4o/extensions", "g" * 300,
    "%67%70%74-4p", "gpt-4o%u0041", "gpt-4o%", "gpt-4o%2", "gpt-4o%zz", "null", "undefined", "..", "%2e%2e", "."])
def test_names_in_the_path(house, name):
    house.refused(post(DEPLOYMENTS.format(name)), (400, 404))


@pytest.mark.parametrize("target", [
    "/", "//openai/deployments/gpt-4o/chat/completions", "/openai//deployments/gpt-4o/chat/completions",
    "/openai/deployments/gpt-4o/chat//completions", "/openai/deployments/gpt-4o/chat/completions/",
    "/openai/deployments/gpt-4o/chat%2fcompletions", "/OpenAI/deployments/gpt-4o/chat/completions",
    "/openai/Deployments/gpt-4o/chat/completions", "/openai/deployments/gpt-4o/Chat/completions",
    "/openai/deployments/gpt-4o/chat/completions;v=1",
    "/openai/deployments/gpt-4o/chat/completions/../../../secret-model",
    "/openai/v1/../deployments/secret-model/chat/completions", "/openai/v2/chat/completions",
    "/openai/v1/v1/chat/completions",
    "/chat/completions", "/openai/v1/chat/completions/x", "/openai/v1/assistants",
    "/openai/v1/fine_tuning/jobs", "/openai/v1/files", "/openai/deployments", "/openai/management", "/status",
    "/metrics",
    "/config", "/config/reload", "/admin", "/health", "/health/live/../../metrics", "/health/ready%2f..%2fmetrics",
    "/.env", "/openai/v1/chat/completions%00", "/openai/realtime?deployment=secret-model",
    "/openai/v1/realtime?model=secret-model", "/\\openai/v1/chat/completions"])
def test_paths(house, target):
    house.refused(post(target, body={"model": "gpt-4o", "messages": []}), (400, 404, 405))


@pytest.mark.parametrize("target", ["http://evil.example" + CHAT, "https://localhost:1" + CHAT, "*", "localhost:443",
                                    "openai/v1/chat/completions", "/openai/v1/chat/completions#x",
                                    "/openai/v1/chat completions", "/openai/v1/ch\u00e4t"])
def test_forms_of_the_target(house, target):
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\napi-key: KEY\r\nContent-Length: 2\r\n\r\n".encode()
    house.refused(raw(head, b"{}"), (400, 404))


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "post", "TRACE", "CONNECT",
                                    "PROPFIND", "P\u00d6ST"])
def test_methods(house, method):
    head = f"{method} {CHAT} HTTP/1.1\r\nHost: x\r\napi-key: KEY\r\nContent-Length: 0\r\n\r\n".encode()
    house.refused(lambda g: raw(head)(g) if method != "HEAD" else g.ask("HEAD", CHAT), (400, 404, 405, 501))


# Deployments that are named elsewhere


@pytest.mark.parametrize("field", [
    "x-ms-spillover-deployment", "X-MS-Spillover-Deployment", "x-ms-oai-image-generation-deployment",
    "x-ms-my-own-deployment", "x-ms-deployment-name", "x-ms-deployment"])
@pytest.mark.parametrize("value", ["secret-model", "gpt-4o-b", "", "*", "gpt-4o, secret-model"])
def test_names_in_headers(house, field, value):
    house.refused(post(CHAT, {field: value}), 404)
    house.refused(post(V1, {field: value}, {"model": "gpt-4o", "messages": []}), 404)


@pytest.mark.parametrize("query", ["deployment=secret-model", "model=secret-model", "deployment-id=secret-model",
                                   "DEPLOYMENT=secret-model", "dep%6Coyment=secret-model", "deployment=",
                                   "deployment=%73ecret-model", "deployment=gpt-4o&deployment=secret-model",
                                   "model=gpt-4o%00", "model=%2e%2e", "deployment=" + "x" * 300])
def test_names_in_the_query(house, query):
    house.refused(post(f"{CHAT}&{query}"), 404)
    house.refused(post(f"{V1}?{query}", body={"model": "gpt-4o", "messages": []}), 404)


@pytest.mark.parametrize("body", [
    '{"model":"secret-model"}', '{"model":"secret\\u002dmodel"}', '{"mod\\u0065l":"secret-model"}',
    '{"model":"gpt-4o","model":"secret-model"}', '{"model":"secret-model","model":"gpt-4o"}',
    '{"model":"gpt-4o","mod\\u0065l":"secret-model"}', '{"model":["gpt-4o"]}', '{"model":{"name":"gpt-4o"}}',
    '{"model":null}', '{"model":1}', '{"model":true}', '{"model":""}', '{"model":" gpt-4o"}', '{"model":"gpt-4o "}',
    '{"model":"gpt-4o\\u0000"}', '{"model":"GPT-4O"}', '{"Model":"gpt-4o"}', '{"nested":{"model":"gpt-4o"}}',
    '[{"model":"gpt-4o"}]', '"gpt-4o"', "model=gpt-4o", '{"model":"gpt-4o"', '{"model":"gpt-4o"}}',
    '{"model":"gpt-4o"}{}',
    '{"model":"gpt-4o",}', "{'model':'gpt-4o'}", '{model:"gpt-4o"}', '// x\n{"model":"gpt-4o"}',
    '{"model":"gpt-4o"/*x*/}',
    '\ufeff{"model":"gpt-4o"}', '{"model":"gpt-4\ud83d"}', "", "{}", "null",
    '{"pad":"' + "x" * 1_100_000 + '","model":"secret-model"}',
    '{"a":' + "[" * 3000 + "]" * 3000 + ',"model":"secret-model"}',
    '{"model":"gpt-4o\n"}', '{"model":"gpt-4o\\ud800"}', '{"model":"gpt-4о"}'])
def test_names_in_the_body(house, body):
    house.refused(post(V1, {"Content-Type": "application/json"}, body.encode("utf-8", "surrogatepass")), (400, 404,
    413))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7", "cp037"])
def test_bodies_in_other_alphabets(house, encoding):
    body = '{"model":"gpt-4o","messages":[]}'.encode(encoding)
    if encoding == "utf-7":
        body = b'+AHsAIg-model+ACIAOgAi-gpt-4o+ACIAfQ-'
    house.refused(post(V1, {"Content-Type": f"application/json; charset={encoding}"}, body), (400, 404))


@pytest.mark.parametrize("kind", ["gzip", "deflate", "br", "compress"])
def test_bodies_that_cannot_be_read(house, kind):
    import gzip
    body = gzip.compress(json.dumps({"model": "secret-model"}).encode())
    house.refused(post(V1, {"Content-Encoding": kind}, body), (400, 404, 415))


# What only fronts may say


@pytest.mark.parametrize("fields", [
    {"X-Forwarded-Client-Cert": 'Hash=00;Cert="MIIB"'}, {"X-Forwarded-Client-Cert": "x" * 5000},
    {"X-MS-CLIENT-PRINCIPAL": "eyJ1c2VySWQiOiJhcHAifQ=="}, {"X-MS-CLIENT-PRINCIPAL-NAME": "app"},
    {"X-ARR-ClientCert": "MIIB"}, {"X-Client": "app"}, {"X-User": "app"}, {"X-Spillway-Client": "app"},
    {"X-Azure-FDID": FRONT_DOOR}, {"Forwarded": "for=10.0.0.1;by=10.0.0.2"}, {"X-Forwarded-For": "10.0.0.1"},
    {"X-Azure-SocketIP": "10.0.0.1"}, {"X-Original-URL": "/health/live"}, {"X-Rewrite-URL": "/health/live"},
    {"X-HTTP-Method-Override": "GET"}, {"X-Forwarded-Host": "localhost"}])
def test_forged_front_headers_make_nobody_somebody(house, fields):
    house.refused(post(CHAT, fields, key=None), 401)


def test_a_forged_address_stays_out_of_the_log(house):
    house.gateway.ask("POST", CHAT, {"X-Forwarded-For": "203.0.113.77", "X-Azure-ClientIP": "203.0.113.78",
                                     "X-Real-IP": "203.0.113.79"}, QUESTION, key="nobody")
    lines = house.gateway.wait_for_access_log(1)
    assert not [line for line in lines if "203.0.113" in json.dumps(line)]


# And these are good


@pytest.mark.parametrize("target, body", [
    (DEPLOYMENTS.format("gpt%2D4o"), None), (DEPLOYMENTS.format("%67pt-4o"), None), (DEPLOYMENTS.format("gpt-4%6f"),
    None),
    (V1, '{"model":"gpt\\u002d4o","messages":[{"role":"user","content":"x"}]}'),
    (V1, '{"mod\\u0065l":"gpt-4o","messages":[{"role":"user","content":"x"}]}'),
    (f"{CHAT}&deployment=gpt-4o", None), (f"{CHAT}&{urllib.parse.quote('deployment')}=gpt%2d4o", None)])
def test_other_spellings_of_what_is_allowed(house, target, body):
    before = house.asked()
    answer = post(target, {"Content-Type": "application/json"}, body.encode() if body else None)(house.gateway)
    assert answer.status == 200, answer.body
    assert house.asked() == before + 1
