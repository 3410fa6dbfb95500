"""What a request may bring along: other people's deployments and data, objects of one instance, bodies that two readers
read differently, and codings."""

import gzip
import json
import zlib

import pytest
from support import gateway as gateways
from support.config import KEY, key_hash, pool_of
from support.gateway import CHAT, QUESTION, V1_CHAT
from support.upstream import Upstream

RESPONSES = "/openai/v1/responses"
MIB = 1 << 20


def dated(name, operation="chat/completions"):
    return f"/openai/deployments/{name}/{operation}?api-version=2024-10-21"


@pytest.fixture(scope="module")
def front(certs, tmp_path_factory):
    """A gateway with two instances; the client has a route to each name but `secret`, which is somebody else's."""
    up = {name: Upstream(certs, name) for name in ("a", "b")}
    both, single = pool_of(up.values()), pool_of([up["a"]])
    route = {"clients": ["app"], "pool": "both"}
    g = gateways.build(tmp_path_factory.mktemp("doors"), certs, up.values(), {
        "pools": {"main": None, "both": both, "single": single},
        "listeners": {"public": {"limits": {"body": "4MiB"}}},
        "clients": {"other": {"keys": [key_hash("key-of-the-other")]}},
        "routes": [{**route, "deployment": "own-data", "on_your_data": True},
                   {**route, "deployment": "alone", "pool": "single"},
                   {**route, "deployment": "halves", "pool": None, "split": {"both": 1, "single": 1}},
                   {**route, "deployment": "vectors", "operations": ["embeddings"]},
                   {**route, "deployment": "pictures", "operations": ["images"]},
                   {**route, "deployment": "gpt-4o"},
                   {"clients": ["other"], "deployment": "secret", "pool": "both"}]})
    for r in g.config["routes"]:
        if r.get("pool", "") is None:
            del r["pool"]
    g.up = up
    g.start()
    yield g
    g.stop()
    for u in up.values():
        u.close()


def seen(front):
    return [r for u in front.up.values() for r in u.requests]


def refused(front, status, code, target, body, fields=()):
    before = len(seen(front))
    answer = front.ask("POST", target, fields, body)
    assert (answer.status, answer.error["code"]) == (status, code), answer.body
    assert len(seen(front)) == before
    return answer


def served(front, target, body, fields=()):
    """What the instance saw."""
    before = len(front.up["a"].requests)
    answer = front.ask("POST", target, fields, body)
    assert answer.status == 200, answer.body
    assert len(front.up["a"].requests) == before + 1
    return front.up["a"].requests[-1]


# Data and deployments that a body names


def own_data(deployment=None, member="data_sources"):
    dependency = {"embedding_dependency": {"type": "deployment_name", "deployment_name": deployment}} if deployment else {}
    return {**QUESTION, member: [{"type": "azure_search", "parameters": {
        "endpoint": "https://search.test", "index_name": "i",
        "authentication": {"type": "system_assigned_managed_identity"}, **dependency}}]}


@pytest.mark.parametrize("member", ["data_sources", "dataSources", "data\\u005fsources"])
def test_no_data_of_the_instance_without_leave(front, member):
    body = json.dumps(own_data()).replace("data_sources", member).encode()
    for target, name in ((dated("gpt-4o"), {}), (V1_CHAT, {"model": "gpt-4o"})):
        answer = refused(front, 403, "OwnDataNotAllowed", target, json.dumps({**json.loads(body), **name}).encode())
    assert "on_your_data" in answer.error["message"]
    # In a text or in metadata the word means nothing.
    served(front, dated("gpt-4o"), {"messages": [{"role": "user", "content": "data_sources"}], "metadata": own_data()})


@pytest.mark.parametrize("name", ["Data_Sources", "DATASOURCES", "data sources", "data_sources\\u0000"])
def test_data_that_only_some_readers_see(front, name):
    body = json.dumps(own_data()).replace("data_sources", name).encode()
    for deployment in ("gpt-4o", "own-data"):
        refused(front, 400, "BadRequest", dated(deployment), body)


def test_data_of_the_instance_with_leave_and_the_deployments_that_it_would_use(front):
    served(front, dated("own-data"), own_data())
    served(front, dated("own-data"), own_data("vectors"))
    served(front, dated("own-data"), own_data("gpt-4o", "dataSources"))
    for name in ("secret", "nowhere", "vectors ", "pictures"):
        refused(front, 404, "DeploymentNotFound", dated("own-data"), own_data(name))
    older = {**QUESTION, "dataSources": [{"parameters": {"embeddingDeploymentName": "secret"}}]}
    refused(front, 404, "DeploymentNotFound", dated("own-data"), older)


def test_tools_that_use_the_instances_connections(front):
    body = {"model": "gpt-4o", "input": "x", "tools": [{"type": "azure_ai_search", "azure_ai_search": {"indexes": [
        {"project_connection_id": "c", "index_name": "i"}]}}]}
    refused(front, 403, "OwnDataNotAllowed", RESPONSES, body)
    served(front, RESPONSES, {**body, "model": "own-data"})


def test_the_deployment_of_an_image_tool_needs_a_route(front):
    body = {"model": "gpt-4o", "input": "x", "tools": [{"type": "image_generation", "model": "pictures"}]}
    served(front, RESPONSES, body)
    body["tools"][0]["model"] = "secret"
    refused(front, 404, "DeploymentNotFound", RESPONSES, body)


@pytest.mark.parametrize("member", ["engine", "deployment", "deployment_id", "deployment_name"])
def test_names_beside_the_model(front, member):
    refused(front, 404, "DeploymentNotFound", V1_CHAT, {"model": "gpt-4o", member: "secret", **QUESTION})
    served(front, V1_CHAT, {"model": "gpt-4o", member: "gpt-4o", **QUESTION})


@pytest.mark.parametrize("field", ["aoai-deployment", "x-ms-oai-model", "X-MS-Engine", "AOAI-Model-Name"])
def test_names_in_headers_are_looked_at_and_stay_here(front, field):
    refused(front, 404, "DeploymentNotFound", CHAT, QUESTION, {field: "secret"})
    assert served(front, CHAT, QUESTION, {field: "gpt-4o"}).header(field) is None


@pytest.mark.parametrize("parameter", ["deployment_id", "deploymentName", "engine", "x-ms-oai-model", "ENGINE%5Fid"])
def test_names_in_the_query_are_looked_at_and_stay_here(front, parameter):
    refused(front, 404, "DeploymentNotFound", f"{CHAT}&{parameter}=secret&x=1", QUESTION)
    assert served(front, f"{CHAT}&{parameter}=gpt-4o&x=1", QUESTION).target.endswith("?api-version=2024-10-21&x=1")


# Bodies that two readers read differently


@pytest.mark.parametrize("body", [
    b'{"model":"gpt-4o","Model":"secret"}', b'{"MODEL":"secret","model":"gpt-4o"}',
    b'{"model":"gpt-4o","mo\\u0044el":"secret"}', b'{"model":"gpt-4o","model ":"secret"}',
    b'{"model":"gpt-4o","model\\u0000":"secret"}', '{"model":"gpt-4o","ｍｏｄｅｌ":"secret"}'.encode(),
    b'{"model":"gpt-4o","mo\\ud800del":"secret"}', b'{"model":"gpt-4o","\\uFEFFmodel":"secret"}',
    b'{"model":"gpt-4o","\xc1\xadodel":"secret"}', b'{"model":"gpt-4o","x":"\xff"}', b'{"model":"gpt-4o","x":"\xc3"}',
    b'{"model":"gpt-4o","x":"\xed\xa0\x80"}'])
def test_names_that_only_some_readers_see_and_bytes_that_are_no_text(front, body):
    refused(front, 400, "BadRequest", V1_CHAT, body)
    # The backend has the name from the path there; another server behind it may look at the body.
    refused(front, 400, "BadRequest", CHAT, body)


def test_bytes_that_are_no_text_on_dated_paths_too(front):
    refused(front, 400, "BadRequest", CHAT, b'{"messages":[{"role":"user","content":"\xff"}]}')
    text = "Grüße, 你好, 😀, \u2028"
    body = json.dumps({"messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode()
    assert served(front, CHAT, body).body == body


@pytest.mark.parametrize("kind", [
    "application/json; charset=utf-7", "application/json; charset=utf-16", "application/json; charset=shift_jis",
    "application/json; charset=utf-8; charset=utf-7", "application/x-www-form-urlencoded", "text/plain",
    "multipart/form-data; boundary=x", "application/json, text/plain", "json", "application/json; charset"])
def test_other_types_and_character_sets(front, kind):
    answer = refused(front, 415, "UnsupportedMediaType", V1_CHAT, {"model": "gpt-4o", **QUESTION}, {"Content-Type": kind})
    assert answer.header("accept-encoding") is None
    refused(front, 415, "UnsupportedMediaType", CHAT, QUESTION,
            [("Content-Type", "application/json"), ("Content-Type", kind)])


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\"",
                                  "application/json; charset=us-ascii", "application/vnd.x+json"])
def test_json_in_its_spellings(front, kind):
    assert served(front, CHAT, QUESTION, {"Content-Type": kind}).header("content-type") == kind


def test_a_body_without_a_type_goes_out_as_what_it_was_read_as(front):
    body = json.dumps(QUESTION).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\napi-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with front.connect() as wire:
        assert wire.send(head + body).read_answer().status == 200
    assert [v for n, v in front.up["a"].requests[-1].fields if n == "content-type"] == ["application/json"]


# Codings


def zstd(*blocks, size=None):
    """A frame of blocks, each the very bytes, or (byte, how often)."""
    out = b"".join(
        ((len(b) << 3 if isinstance(b, bytes) else b[1] << 3 | 2) | (i == len(blocks) - 1)).to_bytes(3, "little")
        + (b if isinstance(b, bytes) else b[0]) for i, b in enumerate(blocks))
    length = sum(len(b) if isinstance(b, bytes) else b[1] for b in blocks) if size is None else size
    return b"\x28\xb5\x2f\xfd" + b"\xa0" + length.to_bytes(4, "little") + out


def as_zstd(data):
    return zstd(*[data[at:at + 100_000] for at in range(0, len(data), 100_000)])


@pytest.mark.parametrize("coding, encode", [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("GZIP", gzip.compress),
                                            ("zstd", as_zstd), ("identity", bytes)])
@pytest.mark.parametrize("size", [10, 20_000, 3_000_000])
def test_encoded_bodies_go_out_decoded(front, coding, encode, size):
    text = "".join(str(n * 7919) for n in range(size // 4))[:size]
    plain = {"messages": [{"role": "user", "content": text}]}
    body = encode(json.dumps({"model": "gpt-4o", **plain}).encode())
    for framing in ({}, {"Transfer-Encoding": "chunked"}):
        sent = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n" if framing else body
        got = served(front, V1_CHAT, sent, {"Content-Encoding": coding, **framing})
        assert got.json() == {"model": "gpt4o-a", **plain}
        assert got.header("content-encoding") is None


def test_a_connection_goes_on_after_encoded_bodies(front):
    body = gzip.compress(json.dumps(QUESTION).encode())
    with front.connect() as wire:
        for _ in range(3):
            wire.request("POST", CHAT, {"api-key": KEY, "Content-Encoding": "gzip"}, body)
        assert [wire.read_answer().status for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("fields", [
    [("Content-Encoding", c)] for c in ("br", "deflate", "compress", "gzip, gzip", "identity, gzip", "", "aws-chunked")]
    + [[("Content-Encoding", "identity"), ("Content-Encoding", "gzip")],
       [("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")]])
def test_other_codings_are_refused_and_told_what_is_taken(front, fields):
    answer = refused(front, 415, "UnsupportedContentEncoding", V1_CHAT, {"model": "gpt-4o", **QUESTION}, fields)
    assert answer.header("accept-encoding") == "gzip, zstd"
    assert "gzip" in answer.error["message"] and "zstd" in answer.error["message"]


@pytest.mark.parametrize("coding, body", [
    ("gzip", b"{}"), ("zstd", b"{}"), ("gzip", gzip.compress(b'{"a":1}', mtime=0)[:-9]), ("gzip", gzip.compress(b"{}", mtime=0) + b"x"),
    ("gzip", gzip.compress(b"{", mtime=0) + gzip.compress(b"}", mtime=0)), ("gzip", zlib.compress(b"{}")), ("zstd", as_zstd(b"{}")[:-1]),
    ("zstd", gzip.compress(b"{}", mtime=0)), ("zstd", as_zstd(b"{}") + b"x"), ("zstd", zstd(b"{}", size=3)),
    ("gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)), ("gzip", gzip.compress(b'{"x":"\xff"}', mtime=0))])
def test_damaged_bodies(front, coding, body):
    refused(front, 400, "BadRequest", CHAT, body, {"Content-Encoding": coding})


def test_what_lies_in_an_encoded_body_is_looked_at_all_the_same(front):
    for body, status, code in (({"model": "secret", **QUESTION}, 404, "DeploymentNotFound"),
                               ({"model": "gpt-4o", **own_data()}, 403, "OwnDataNotAllowed")):
        refused(front, status, code, V1_CHAT, gzip.compress(json.dumps(body).encode()), {"Content-Encoding": "gzip"})


def test_bodies_that_grow_beyond_the_limit(front):
    large = b'{"x":"' + b"ab" * (3 * MIB) + b'"}'
    blank = zstd(b'{"x":1', *[(b" ", 100_000)] * 38, b"}")
    assert len(blank) < 300
    held = front.metric("spillway_body_memory_bytes")
    for coding, body in (("gzip", gzip.compress(large, mtime=0)), ("zstd", blank), ("zstd", zstd(*[(b" ", 131_072)] * 1000))):
        refused(front, 413, "RequestTooLarge", CHAT, body, {"Content-Encoding": coding})
    front.wait_for_metric(held, "spillway_body_memory_bytes")


# State that one instance keeps


@pytest.mark.parametrize("member, extra", [
    ("previous_response_id", {"previous_response_id": "resp_1"}), ("prompt.id", {"prompt": {"id": "pmpt_1"}}),
    ("input[].id of an item_reference", {"input": [QUESTION["messages"][0], {"type": "item_reference", "id": "fc_1"}]}),
    ("tools[].container.file_ids", {"tools": [{"type": "code_interpreter", "container": {
        "type": "auto", "file_ids": ["file-1"]}}]}),
    ("input[].approval_request_id", {"input": [{"type": "mcp_approval_response", "approval_request_id": "m", "approve": True}]})])
def test_state_is_refused_by_the_name_of_its_member(front, member, extra):
    for name in ("gpt-4o", "alone"):
        answer = refused(front, 400, "StatefulRequestNotSupported", RESPONSES, {"model": name, "input": "x", **extra})
        assert f'"{member}"' in answer.error["message"]


def test_state_of_chat(front):
    for extra in ({"store": True}, {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}):
        refused(front, 400, "StatefulRequestNotSupported", CHAT, {**QUESTION, **extra})


@pytest.mark.parametrize("extra", [
    {"tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {
        name: {"type": "string"} for name in ("container", "file_id", "vector_store_ids", "encrypted_content")}}}]},
    {"metadata": {"container": "a", "file_id": "b"}},
    {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"properties": {"container": {"type": "string"}}}}}},
    {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}])
def test_words_of_state_elsewhere_are_nobodys_state(front, extra):
    served(front, RESPONSES, {"model": "gpt-4o", "input": "x", **extra})


@pytest.mark.parametrize("item", [
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
    {"type": "reasoning", "id": "rs_1", "summary": []}])
def test_reasoning_goes_back_where_one_instance_serves(front, item):
    body = {"input": [{"role": "user", "content": "x"}, item, {"role": "user", "content": "y"}]}
    served(front, RESPONSES, {"model": "alone", **body})
    for name in ("gpt-4o", "halves"):
        answer = refused(front, 400, "StatefulRequestNotSupported", RESPONSES, {"model": name, **body})
        assert "pool of one instance" in answer.error["message"]


@pytest.mark.parametrize("model, words", [(4, "has to be a string"), (None, "has to be a string"), (["gpt-4o"], "string")])
def test_a_model_of_another_kind_is_told_so(front, model, words):
    assert words in refused(front, 400, "BadRequest", V1_CHAT, {"model": model}).error["message"]


# Trailers


@pytest.mark.parametrize("line", ["A", "A : b", "GET /evil HTTP/1.1", "A\tB: c"])
def test_trailers_are_fields(front, line):
    body = json.dumps(QUESTION)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\napi-key: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n"
    with front.connect() as wire:
        assert wire.send(f"{head}{line}\r\n\r\n").read_answer().status == 400
    with front.connect() as wire:
        assert wire.send(f"{head}X-Sum: 1\r\n\r\n").read_answer().status == 200
