"""Requests that try to be somebody else, somewhere else, or for something else. None reaches an instance."""

import gzip
import json
import urllib.parse

import pytest
from support.config import KEY
from support.hostile import CHAT, V1, House, post, raw

DEPLOYMENTS = "/openai/deployments/{}/chat/completions?api-version=2024-10-21"


@pytest.fixture(scope="module")
def house(certs, tmp_path_factory):
    h = House(certs, tmp_path_factory.mktemp("hostile"), {"listeners": {"public": {"limits": {"body": "2MiB"}}}})
    yield h
    h.close()


def cases(groups):
    """Every case with what its group expects."""
    return [(*(wanted if isinstance(wanted, tuple) else (wanted,)), case) for wanted, all_of_them in groups.items()
            for case in all_of_them]


# Keys


@pytest.mark.parametrize("why, key", cases({"key_unknown": [
    "x", "key-of-the-app-4712", "KEY-OF-THE-APP-4711", "key-of-the-app-471", "key-of-the-app-47111",
    "sha256:" + "0" * 64,
    "*", "null", "[object Object]", "a" * 513, "a" * 8000, "key-of-the-app-4711\u00a0", "' OR '1'='1", "${KEY}",
    "0" * 64,
    "key-of-the-app-4711\u00ad", "key-of-the-app-4711;", '"key-of-the-app-4711"', "key-of-the-app-4711=",
    "%6bey-of-the-app-4711", "eyJ.eyJ.", "a" * 512, "\u00ff" * 40],
    "missing": ["", " ", "\t", "  \t "]}))
def test_keys_of_nobody(house, why, key):
    house.seen.add(key)
    house.refused(post(CHAT, {"api-key": key}, key=None), 401, why=why)


@pytest.mark.parametrize("status, fields", cases({
    400: [
        [("api-key", KEY), ("api-key", "other")], [("api-key", KEY), ("Authorization", "Bearer other")],
        [("api-key", KEY), ("Ocp-Apim-Subscription-Key", "other")], [("api-key", "other"), ("API-KEY", KEY)],
        [("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer other")],
        [("Authorization", f"Bearer {KEY}"), ("Authorization", "Basic b3RoZXI=")],
        [("Authorization", f"Bearer {KEY}"), ("Ocp-Apim-Subscription-Key", "other")],
        [("Authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {KEY}")],
        [("Ocp-Apim-Subscription-Key", "other"), ("api-key", ""), ("api-key", KEY)],
        [("api-key", KEY.upper()), ("Authorization", f"Bearer {KEY}")]],
    401: [
        [("api-key", f"{KEY}, {KEY}")], [("api-key", f"{KEY},other")], [("api-key", f"Bearer {KEY}")],
        [("Authorization", f"Basic {KEY}")], [("Authorization", KEY)], [("x-apikey", KEY)], [("apikey", KEY)],
        [("x-api-key", KEY), ("api-key", "other")], [("x-api-key", "other")],
        [("api_key", KEY)], [("Cookie", f"api-key={KEY}")], [("Proxy-Authorization", f"Bearer {KEY}")],
        [("X-Forwarded-Authorization", f"Bearer {KEY}")], [("X-Original-Authorization", f"Bearer {KEY}")],
        [("Authorization", f"Bearer{KEY}")], [("WWW-Authenticate", f"Bearer {KEY}")], [("Authorization",
        f"Bearer\t{KEY}")],
        [("Authorization", f"Bearer {KEY} {KEY}")], [("Authorization", f"Bearer {KEY},")], [("Authorization",
        f"Key {KEY}")],
        [("api-key.", KEY)], [("api--key", KEY)], [("X-HTTP-api-key", KEY)], [("aoai-key", KEY)]]}))
def test_doubled_and_misplaced_keys(house, status, fields):
    house.refused(post(CHAT, fields, key=None), status)


@pytest.mark.parametrize("name", ["api-key", "subscription-key", "api%2Dkey", "API-KEY", "key", "access_token",
    "api_key",
                                  "Ocp-Apim-Subscription-Key", "authorization", "sig", "code"])
def test_keys_in_the_query(house, name):
    house.refused(post(f"{CHAT}&{name}={KEY}", key=None), 401, why="missing")


@pytest.mark.parametrize("line", [
    b"api-key: KEY\r\n evil: folded", b"api-key: KEY\rX: y", b"api-key: KEY\nX: y", b"api-key : KEY", b" api-key: KEY",
    b"api-key\t: KEY", b"api-key: KE\x00Y", b"api\x00-key: KEY", b"api-key; KEY", b"api-key KEY", b": KEY",
    b"api-key: KEY\x7f", b"api-key: KEY\x01", b"\xc3\xa4pi-key: KEY", b"api-key\xc2\xa0: KEY", b"(api-key): KEY",
    b"x-request-id: a\rb\r\napi-key: KEY", b"api-key: KEY\r\nConnection: api-key, content-length",
    b"api-key:\r\n KEY", b"api-key:\r\n\tKEY", b"api-key: KEY\r\nx-request-id: a\r\n b", b"api-key: KEY\x0b",
    b"api-key: KEY\r\nx-request-id: a\0b", b"api-key: KEY\r\nx-request-id: a\nSet-Cookie: b", b"api-key: KEY\x1b[2J",
    b"api-key: KEY\r\nx-ms-client-request-id: a\rb", b"Authorization: Bearer KEY\r\n KEY", b'"api-key": KEY',
    b"api-key: KEY\r\nauthorization\x0b: Bearer x", b"\xef\xbb\xbfapi-key: KEY", b"api-key: KEY\r\nX[y]: z",
    b"api-key: KEY\r\nX/y: z", b"api-key: KEY\r\n\xe2\x80\x8bX: z", b"api-key: KEY\r\n\r: x",
    b"api-key: KEY\r\nX{}: z"])
def test_injected_lines(house, line):
    head = b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: x\r\n" + line + b"\r\nContent-Length: 2\r\n\r\n"
    house.refused(raw(head, b"{}"), 400, "BadRequest")


@pytest.mark.parametrize("value", ["a b", 'a"b', "a,b", "<script>", "../../etc/passwd", "x" * 65, "x" * 5000,
    "\u00e9", "{}",
                                   "a;b", "%0d%0aX: y", "$(id)", "'", "a\\n", "\x80"])
def test_request_ids_that_are_none(house, value):
    answer = house.refused(post(CHAT, {"x-request-id": value}, key="nobody"), 401)
    given = answer.header("x-request-id")
    assert value not in given and given.isalnum() and len(answer.headers("x-request-id")) == 1


# Paths


@pytest.mark.parametrize("status, code, name", cases({
    (404, "DeploymentNotFound"): [
        "secret-model", "secret%2Dmodel", "%73ecret-model", "gpt-4o-b", "gpt-4o%20", "%20gpt-4o", "gpt-4o.",
        "gpt-4o%2e",
        "GPT-4O", "Gpt-4o", "gpt-4%6F%20", "gpt%E2%80%914o", "gpt-4%D0%BE", "%EF%BD%87pt-4o", "gpt-4o%E2%80%8B",
        "gpt-4o%CC%81", "*", "%2a", "gpt-*", "gpt-4o;secret-model", "gpt-4o%3bsecret-model", "gpt-4o%23", "gpt-4o%3f",
        "%67%70%74-4p", "null", "undefined", "%53ecret-model", "SECRET-MODEL", "secret-model%20", "gpt-4o...", "...",
        "gpt-4o;v=1", "gpt-4o,secret-model", "gpt-4o%2csecret-model", "gpt-4o%3aSecret", "gpt-4o%40x", "gpt-4o%C2%A0",
        "gpt-4%C3%B3", "gpt-4o%CC%80", "gpt-4o%EF%BB%BF", "%E2%80%AEgpt-4o", "gpt%CB%974o", "gpt%EF%BC%8D4o", "ɡpt-4o",
        "gpt+4o", "gpt-4o+", "gpt-4o&x", "gpt-4o=", "$gpt-4o", "gpt-4o'", "gpt-4o%22", "gpt-4o%3Cx%3E",
        "gpt-4%EF%BD%8F"],
    (400, "BadRequest"): [
        "gpt-4o%00", "gpt-4o%00secret-model", "gpt-4o%0d%0a", "gpt-4o%C0%AE", "gpt-4o%ff", "", "gpt-4o%", "gpt-4o%2",
        "gpt-4o%2fchat%2fcompletions%2f..%2f..%2fsecret-model", "gpt-4o%252f..%252fsecret-model",
        "gpt-4o/../secret-model", "../deployments/secret-model", "%2e%2e/deployments/secret-model",
        "%2e%2e%2fdeployments%2fsecret-model", "gpt-4o%5c..%5csecret-model", "gpt-4o\\..\\secret-model", "gpt-4o//",
        "/gpt-4o", "./gpt-4o", "gpt-4o/.", "gpt-4o%u0041", "gpt-4o%zz", "..", "%2e%2e", ".", "g" * 300, ".%2e", "%2E.",
        "gpt-4o%E0%80%AF", "gpt-4o%F0%80%80%AF", "gpt-4o%ED%A0%80", "gpt-4o%F5%80%80%80", "gpt-4o%c3", "%fegpt-4o",
        "gpt-4o%2F", "%2Fgpt-4o", "gpt-4o%5C", "gpt-4o%25", "%2567pt-4o", "gpt-4o%7f", "gpt-4o%1b", "gpt-4o%09",
        "%67%7",
        "gpt-4o%0a", "gpt-4o/%2e%2e/secret-model", "gpt-4o/..%00/secret-model", "%252e%252e", "gpt-4o%%32"],
    (404, "NotFound"): ["gpt-4?", "a/gpt-4o", "gpt-4o/x", "gpt-4o/extensions"]}))
def test_names_in_the_path(house, status, code, name):
    target = DEPLOYMENTS.format(urllib.parse.quote(name, safe="".join(map(chr, range(33, 127)))))
    house.refused(post(target), status, code)


@pytest.mark.parametrize("status, code, target", cases({
    (404, "NotFound"): [
        "/", "/OpenAI/deployments/gpt-4o/chat/completions", "/openai/Deployments/gpt-4o/chat/completions",
        "/OPENAI/DEPLOYMENTS/gpt-4o/chat/completions", "/openai/deployments/gpt-4o/Chat/completions",
        "/openai/deployments/gpt-4o/chat/completions;v=1", "/openai/v2/chat/completions",
        "/openai/v1/v1/chat/completions",
        "/chat/completions", "/openai/deployments", "/openai/deployments/gpt-4o", "/openai/management", "/status",
        "/metrics", "/config", "/config/reload", "/admin", "/health/x", "/.env", "/openai/V1/chat/completions",
        "/openai/v1/CHAT/completions", "/openai;x/v1/chat/completions", "/openai/v1;x/chat/completions",
        "/openai%2ev1/chat/completions", "/openai/v1/chat%20completions", "/%6fpenai/v1/chat/completions",
        "/openai/v1/chat/completion%73", "/openai/%76%31/chat/completions", "/openai./v1/chat/completions",
        "/identity", "//evil.example/openai/v1/chat/completions"],
    (400, "BadRequest"): [
        "///openai/deployments/gpt-4o/chat/completions", "/openai//deployments/gpt-4o/chat/completions",
        "/openai/deployments/gpt-4o/chat//completions", "/openai/deployments/gpt-4o/chat%2fcompletions",
        "/openai/deployments/gpt-4o/chat/completions/../../../secret-model",
        "/openai/v1/../deployments/secret-model/chat/completions", "/health/live/../../metrics",
        "/health/ready%2f..%2fmetrics", "/openai/v1/chat/completions%00", "/\\openai/v1/chat/completions",
        "/health/live/%2e%2e/openai/v1/chat/completions", "/health/live/..;/openai/v1/files/%2e%2e", "/health/live%00",
        "/openai/v1/chat/./completions", "/openai/v1/chat/%2e/completions", "/openai/v1/chat%5ccompletions",
        "/%2e%2e/x",
        "/openai/v1/chat/completions//", "/openai/v1%2f%2e%2e%2fdeployments/x", "/openai/v1/chat%c0%afcompletions"],
    (400, "OperationNotSupported"): [
        "/openai/v1/chat/completions/x", "/openai/v1/assistants", "/openai/v1/fine_tuning/jobs", "/openai/v1/files",
        "/openai/realtime?deployment=secret-model", "/openai/v1/realtime?model=secret-model",
        "/openai/v1/responses/resp_1/cancel",
        "/openai/v1/threads/x/runs"]}))
def test_paths(house, status, code, target):
    house.refused(post(target, body={"model": "gpt-4o", "messages": []}), status, code)


@pytest.mark.parametrize("target", ["http://evil.example" + CHAT, "https://localhost:1" + CHAT, "*", "localhost:443",
                                    "openai/v1/chat/completions", "/openai/v1/chat/completions#x", "@evil.example" + V1,
                                    "/openai/v1/chat completions", "/openai/v1/ch\u00e4t", "?x", "file:///etc/passwd",
                                    "///evil.example" + V1, "https:" + V1, "/openai/v1/chat/completions\x7f",
                                    "/openai/v1/\tchat/completions"])
def test_forms_of_the_target(house, target):
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\napi-key: KEY\r\nContent-Length: 2\r\n\r\n".encode()
    house.refused(raw(head, b"{}"), 400, "BadRequest")


@pytest.mark.parametrize("status, code, method", cases({
    (405, "MethodNotAllowed"): ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "Post", "PROPFIND", "POSTS", "POS"],
    (501, "BadRequest"): ["TRACE", "CONNECT"], (400, "BadRequest"): ["P\u00d6ST", "", "PO,ST", "POST:", "PO\0ST"]}))
def test_methods(house, status, code, method):
    head = f"{method} {CHAT} HTTP/1.1\r\nHost: x\r\napi-key: KEY\r\nContent-Length: 0\r\n\r\n".encode()
    house.refused(raw(head), status, code)


def test_the_method_head(house):
    assert house.refused(lambda g: g.ask("HEAD", CHAT), 405).body == b""


@pytest.mark.parametrize("target", ["/openai/v1/models/secret-model",
    "/openai/models/secret-model?api-version=2024-10-21",
                                    "/openai/v1/models/secret%2dmodel", "/openai/v1/models/gpt-4o%20",
                                    "/v1/models/GPT-4O"])
def test_models_of_others(house, target):
    house.refused(lambda g: g.ask("GET", target), 404)
    assert "secret" not in house.gateway.ask("GET", "/openai/v1/models").body.decode()


@pytest.mark.parametrize("status, code, fields, target", [
    (414, "BadRequest", [], CHAT + "&x=" + "y" * 9000), (414, "BadRequest", [], DEPLOYMENTS.format("g" * 9000)),
    (431, "BadRequest", [("x-a", "y" * 40_000)], CHAT), (431, "BadRequest", [(f"x-{n}", "1") for n in range(300)],
    CHAT),
    (431, "BadRequest", [("x" * 40_000, "y")], CHAT), (431, "BadRequest", [("Cookie", "c" * 70_000)], CHAT),
    (413, "RequestTooLarge", [("Content-Length", str(2**21 + 1))], CHAT),
    (413, "RequestTooLarge", [("Content-Length", "9" * 18)], V1)])
def test_more_than_is_taken(house, status, code, fields, target):
    lines = "".join(f"{n}: {v}\r\n" for n, v in [("Host", "x"), ("api-key", KEY), *fields])
    house.refused(raw(f"POST {target} HTTP/1.1\r\n{lines}\r\n".encode()), status, code)


def test_more_than_is_taken_in_chunks(house):
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = f"POST {V1} HTTP/1.1\r\nHost: x\r\napi-key: KEY\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    house.refused(raw(head, chunk * 33), 413, "RequestTooLarge")


# Deployments that are named elsewhere


@pytest.mark.parametrize("field", [
    "x-ms-spillover-deployment", "X-MS-Spillover-Deployment", "x-ms-oai-image-generation-deployment",
    "x-ms-my-own-deployment", "x-ms-deployment-name", "x-ms-deployment", "x-ms-DEPLOYMENT-id",
    "x-ms-fallback-deployments"])
@pytest.mark.parametrize("value", ["secret-model", "gpt-4o-b", "", "*", "gpt-4o, secret-model", "gpt%2d4o", "GPT-4O",
    "\u00e9"])
def test_names_in_headers(house, field, value):
    house.refused(post(CHAT, {field: value}), 404, "DeploymentNotFound")
    house.refused(post(V1, {field: value}, {"model": "gpt-4o", "messages": []}), 404, "DeploymentNotFound")


@pytest.mark.parametrize("values", [("gpt-4o", "secret-model"), ("secret-model", "gpt-4o")])
def test_names_in_doubled_headers(house, values):
    fields = [("x-ms-spillover-deployment", v) for v in values]
    house.refused(post(CHAT, fields), 404, "DeploymentNotFound")
    fields = [(n, v) for n, v in zip(("x-ms-spillover-deployment", "x-ms-oai-image-generation-deployment"), values)]
    house.refused(post(CHAT, fields), 404, "DeploymentNotFound")


@pytest.mark.parametrize("query", [
    "deployment=secret-model", "model=secret-model", "deployment-id=secret-model", "DEPLOYMENT=secret-model",
    "dep%6Coyment=secret-model", "deployment=", "deployment=%73ecret-model",
    "deployment=gpt-4o&deployment=secret-model",
    "model=gpt-4o%00", "model=%2e%2e", "deployment=" + "x" * 300, "deployment", "model", "%6dodel=secret-model",
    "deployment%2did=secret-model", "%4D%4F%44%45%4C=secret-model", "deployment=secret-model&deployment=gpt-4o",
    "model=gpt-4o&deployment=secret-model", "deployment=gpt-4o+", "deployment=gpt-4o%20", "deployment=GPT-4O",
    "deployment=%", "deployment=%zz", "deployment=gpt-4o%2", "deployment=gpt-4o=secret-model",
    "&&deployment=secret-model",
    "x=1&&deployment=secret-model&y=2", "deployment=gpt-4o%26deployment%3dsecret-model",
    "deployment=gpt-4o;secret-model"])
def test_names_in_the_query(house, query):
    house.refused(post(f"{CHAT}&{query}"), 404, "DeploymentNotFound")
    house.refused(post(f"{V1}?{query}", body={"model": "gpt-4o", "messages": []}), 404, "DeploymentNotFound")


@pytest.mark.parametrize("status, code, body", cases({
    (404, "DeploymentNotFound"): [
        '{"model":"secret-model"}', '{"model":"secret\\u002dmodel"}', '{"mod\\u0065l":"secret-model"}',
        '{"model":" gpt-4o"}',
        '{"model":"gpt-4o "}', '{"model":"gpt-4o\\u0000"}', '{"model":"GPT-4O"}', '{"model":"gpt-4о"}', '{"model":"*"}',
        '{"pad":"' + "x" * 1_100_000 + '","model":"secret-model"}', '{"model":"gpt-4o\\n"}',
        '{"model":"gpt-4\\u006f\\u200b"}',
        '{"model":"gpt%2d4o"}', '{"model":"../gpt-4o"}',
        '{"x":"\\"","model":"secret-model"}', '{"x":"\\\\","model":"secret-model"}',
        '{"model":"gpt-4o/../secret-model"}',
        '{"x":{"model":"gpt-4o"},"model":"secret-model","y":{"model":"gpt-4o"}}',
        '\n\t {"model" : \r\n"secret-model" }\n',
        '{"":"gpt-4o","model":"secret-model"}', '{"model":"ｇpt-4o"}'],
    (400, "BadRequest"): [
        '{"MODEL":"gpt-4o","model":"secret-model"}',
        '{"model":"gpt-4o","model":"secret-model"}', '{"model":"secret-model","model":"gpt-4o"}',
        '{"model":["gpt-4o"]}',
        '{"model":"gpt-4o","mod\\u0065l":"secret-model"}', '{"model":{"name":"gpt-4o"}}', '{"model":null}',
        '{"model":1}',
        '{"model":true}', '{"model":""}', '{"Model":"gpt-4o"}', '{"nested":{"model":"gpt-4o"}}', '[{"model":"gpt-4o"}]',
        '{"a":' + "[" * 3000 + "]" * 3000 + ',"model":"gpt-4o"}', '"gpt-4o"', "model=gpt-4o", '{"model":"gpt-4o"',
        '{"model":"gpt-4o"}}', '{"model":"gpt-4o"}{}', '{"model":"gpt-4o",}',
        "{'model':'gpt-4o'}", '{model:"gpt-4o"}', '// x\n{"model":"gpt-4o"}', '{"model":"gpt-4o"/*x*/}',
        '\ufeff{"model":"gpt-4o"}', "", "{}", "null", '{"model":"gpt-4o\n"}', '{"model":"gpt-4o\\ud800"}',
        '{"model":"gpt-4o"}\0',
        '{"model":"gpt-4o"}\0{"model":"secret-model"}', '\0{"model":"gpt-4o"}', '{"model\0":"gpt-4o"}',
        '{"model":"gpt-4o"} x',
        '{"model\\u0000":"gpt-4o"}', '{"model":"gpt-4o","model":"gpt-4o"}', '{"model":"gpt-4o","model":null}',
        '{"model"}',
        '{"model":"gpt-4o" "x":1}', '{"model":"gpt-4o",,"x":1}', '{"model":gpt-4o}', '{"model":"gpt-4o\\x"}',
        '{"model":NaN}',
        '{"model":"gpt-4o\\u00g0"}', '{"model":"gpt-4o", "x":[1,]}', '[["model","gpt-4o"]]', '{"model":"gpt-4o]',
        "{" * 5000,
        '{"model":"gpt-4o\t"}', '{"\\u006d\\u006f\\u0064\\u0065\\u006c":"secret-model","model":"gpt-4o"}',
        '{"model":false}',
        '{"model":"gpt-4o"}]', '{"model":"gpt-4o\\', '\x0b{"model":"gpt-4o"}', '\u00a0{"model":"gpt-4o"}']}))
def test_names_in_the_body(house, status, code, body):
    house.refused(post(V1, {"Content-Type": "application/json"}, body.encode()), status, code)


@pytest.mark.parametrize("body", [
    b'{"model":"gpt-4\xed\xa0\xbd"}', b'{"model":"gpt-4o\xff"}', b'{"model":"gpt-4o\xc0\x80"}', b'{"model":"gpt-4o\x80"}',
    b'{"mod\xc1\xa5l":"gpt-4o"}', b'\xff\xfe{"model":"gpt-4o"}', b'{"model":"gpt-4o"}\xff', b"\x80", b"\x1f\x8b\x08"])
def test_bodies_that_are_no_text(house, body):
    house.refused(post(V1, {}, body), 400, "BadRequest")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037", "utf-8-sig"])
def test_bodies_in_other_alphabets(house, encoding):
    body = '{"model":"gpt-4o","messages":[]}'.encode(encoding)
    if encoding == "utf-7":
        body = b"+AHsAIg-model+ACIAOgAi-gpt-4o+ACIAfQ-"
    house.refused(post(V1, {"Content-Type": f"application/json; charset={encoding}"}, body), 415, "UnsupportedMediaType")
    house.refused(post(V1, {"Content-Type": "application/json"}, body), 400, "BadRequest")


@pytest.mark.parametrize("status, code, kind", cases({
    (415, "UnsupportedContentEncoding"): ["deflate", "br", "compress", "gzip, gzip", "identity, gzip"],
    (400, "BadRequest"): ["zstd", "identity"]}))
def test_bodies_that_cannot_be_read(house, status, code, kind):
    body = gzip.compress(json.dumps({"model": "secret-model"}).encode())
    house.refused(post(V1, {"Content-Encoding": kind}, body), status, code)
    house.refused(post(CHAT, {"Content-Encoding": kind}, body), status, code)


def test_bodies_that_are_read_once_decoded(house):
    body = gzip.compress(json.dumps({"model": "secret-model"}).encode())
    house.refused(post(V1, {"Content-Encoding": "gzip"}, body), 404, "DeploymentNotFound")


# And these are good


@pytest.mark.parametrize("target, body", [
    (DEPLOYMENTS.format("gpt%2D4o"), None), (DEPLOYMENTS.format("%67pt-4o"), None),
    (DEPLOYMENTS.format("gpt-4%6f"), None), (DEPLOYMENTS.format("%67%70%74%2d%34%6f"), None),
    (V1, '{"model":"gpt\\u002d4o","messages":[{"role":"user","content":"x"}]}'),
    (V1, '{"mod\\u0065l":"gpt-4o","messages":[{"role":"user","content":"x"}]}'),
    (V1, '{"x":{"model":"secret-model"},"model":"gpt-4o","messages":[{"role":"user","content":"model"}]}'),
    (V1, '{"model":"gpt-4o","messages":[{"role":"user","content":"\\"model\\":\\"secret-model\\""}]}'),
    (f"{CHAT}&deployment=gpt-4o", None), (f"{CHAT}&d%65ployment=gpt%2d4o", None),
    (f"{CHAT}&model=gpt-4o&deployment=gpt-4o", None)])
def test_other_spellings_of_what_is_allowed(house, target, body):
    house.accepted(post(target, {"Content-Type": "application/json"}, body.encode() if body else None))


@pytest.mark.parametrize("fields", [
    [("api-key", KEY), ("api-key", KEY)], [("api-key", KEY), ("Authorization", f"Bearer {KEY}")],
    [("Ocp-Apim-Subscription-Key", KEY)], [("API-Key", KEY)], [("Authorization", f"bEARER   {KEY}")],
    [("api-key", KEY), ("Authorization", "")], [("api-key", f"  {KEY}\t ")]])
def test_other_ways_to_bring_one_key(house, fields):
    house.accepted(post(CHAT, fields, key=None))


@pytest.mark.parametrize("field", ["x-ms-spillover-deployment", "x-ms-oai-image-generation-deployment",
    "x-ms-some-deployment"])
def test_names_in_headers_that_are_allowed_stay_here(house, field):
    house.accepted(post(CHAT, {field: "gpt-4o"}))
    assert field not in house.sim.requests()[-1]["headers"]


def test_credentials_of_the_query_stay_here(house):
    secrets = "api-key=x1&subscription-key=x2&a%63cess_token=x3&Authorization=x4"
    house.accepted(post(f"{CHAT}&{secrets}&deployment=gpt-4o&x=5"))
    assert house.sim.requests()[-1]["target"].endswith("?api-version=2024-10-21&x=5")


def test_what_only_the_gateway_may_say_stays_here(house):
    names = ["Cookie", "X-Forwarded-For", "X-Real-IP", "Forwarded", "X-MS-CLIENT-PRINCIPAL",
    "X-MS-CLIENT-PRINCIPAL-NAME",
             "X-Azure-FDID", "X-MS-TOKEN-AAD-ACCESS-TOKEN", "X-MS-TOKEN-AAD-ID-TOKEN", "Proxy-Authorization", "Via",
             "TE",
             "X-Forwarded-Client-Cert", "X-ARR-ClientCert", "X-Original-URL", "X-HTTP-Method-Override",
             "X-Forwarded-Host",
             "X-Forwarded-Access-Token", "azureml-model-deployment", "X-Azure-ClientIP", "X-Forwarded-Proto",
             "X-Client"]
    words = {name: "stays-here" for name in names}
    house.accepted(post(CHAT, words))
    assert "stays-here" not in json.dumps(house.sim.requests()[-1])
