"""Traces to a collector, prompts and answers to a file of their own, errors on the status page."""

import json
import time

import pytest
from support.otlp import Collector, attributes
from support.gateway import CHAT, QUESTION, STREAM
from support.upstream import chat_completion

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def collector():
    with Collector() as c:
        yield c


def test_a_request_is_a_server_span_with_one_client_span_for_each_attempt(gateway, a, b, collector):
    g = gateway([a, b], {"tracing": {"endpoint": collector.url, "sample": "100%", "headers": {"x-token": "secret-1"}}})
    a.then(lambda c, r: c.error(429, fields=[("retry-after-ms", "1")]))
    assert g.chat(fields=[("traceparent", PARENT), ("tracestate", "v=1")]).status == 200
    spans = collector.wait_for(lambda all_of: len(all_of) >= 3)
    attempts = sorted((s for s in spans if s.kind == 3), key=lambda s: s.start_time_unix_nano)
    [server] = [s for s in spans if s.kind == 2]
    assert server.parent_span_id.hex() == "b7ad6b7169203331" and server.trace_id.hex() == TRACE
    assert [s.parent_span_id for s in attempts] == [server.span_id] * 2
    first, second = attributes(attempts[0]), attributes(attempts[1])
    assert first["spillway.backend"].startswith("a/") and first["error.type"]
    assert second["spillway.backend"].startswith("b/") and second["gen_ai.provider.name"] == "azure.ai.openai"
    assert second["gen_ai.operation.name"] == "chat" and second["gen_ai.usage.output_tokens"] == 2
    assert attributes(server)["spillway.client"] == "app"
    # The backend gets the span of its own attempt as parent.
    assert b.requests[0].header("traceparent") == f"00-{TRACE}-{attempts[1].span_id.hex()}-01"
    assert b.requests[0].header("tracestate") == "v=1"
    assert collector.headers[0]["x-token"] == "secret-1"
    assert "hello" not in str(collector.exports)


def test_without_a_collector_the_clients_context_passes(gateway, a):
    g = gateway([a])
    assert g.chat(fields=[("traceparent", PARENT)]).status == 200
    assert a.requests[0].header("traceparent") == PARENT


def test_what_is_not_sampled_is_not_sent(gateway, a, collector):
    g = gateway([a], {"tracing": {"endpoint": collector.url, "sample": "0%"}})
    assert g.chat(fields=[("traceparent", PARENT[:-1] + "0")]).status == 200
    assert a.requests[0].header("traceparent") == PARENT[:-1] + "0"
    assert g.chat(fields=[("traceparent", PARENT)]).status == 200
    assert len(collector.wait_for(lambda all_of: len(all_of) >= 2)) == 2


def test_a_collector_that_is_away_costs_no_request(gateway, a):
    g = gateway([a], {"tracing": {"endpoint": "http://127.0.0.1:9", "sample": "100%"}})
    for _ in range(20):
        assert g.chat().status == 200


def test_routes_that_say_so_are_captured_and_redacted(gateway, a, tmp_path):
    file = tmp_path / "capture.log"
    g = gateway([a], {"log": {"capture": {"file": str(file), "max_bytes": 512, "redact": [r"\b\d{4}-\d{4}\b"],
                                          "redact_fields": ["user"]}},
                      "routes": [{"clients": ["app"], "deployment": "gpt-4o", "pool": "main", "capture": "both"},
                                 {"clients": ["app"], "deployment": "other", "pool": "main"}]})
    a.default = lambda c, r: c.answer(200, chat_completion("the answer 1234-5678"))
    body = {"messages": [{"role": "user", "content": "call 1234-5678"}], "user": "ann"}
    assert g.chat(body).status == 200
    assert g.chat(body, target=CHAT.replace("gpt-4o", "other")).status == 200
    assert g.chat({**QUESTION, "messages": [{"role": "user", "content": "x" * 2000}]}).status == 200

    def lines():
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    until = time.monotonic() + 5
    while len(lines()) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    first, second = lines()
    assert "[redacted]" in first["prompt"] and "1234-5678" not in file.read_text() and "ann" not in first["prompt"]
    assert "the answer [redacted]" in first["answer"]
    assert len(second["prompt"]) <= 512
    assert file.stat().st_mode & 0o077 == 0


def test_streams_are_captured_as_they_come(gateway, a, tmp_path):
    file = tmp_path / "capture.log"
    g = gateway([a], {"log": {"capture": {"file": str(file)}},
                      "routes": [{"clients": ["app"], "deployment": "*", "pool": "main", "capture": "answers"}]})

    def stream(c, r):
        c.stream_head()
        for word in ("one", "two"):
            c.event({"choices": [{"delta": {"content": word}}]})
        c.event("[DONE]")
        c.last_chunk()

    a.then(stream)
    assert g.chat(STREAM).status == 200
    until = time.monotonic() + 5
    while not (file.exists() and file.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    line = json.loads(file.read_text())
    assert "one" in line["answer"] and "two" in line["answer"] and "[DONE]" in line["answer"]
    assert not line.get("prompt")


def test_a_bad_pattern_is_refused_with_its_place(gateway, a, tmp_path):
    g = gateway([a])
    answer = g.reload({"log": {"capture": {"file": str(tmp_path / "c.log"), "redact": ["("]}}})
    assert answer.status == 409 and "log.capture.redact" in answer.body.decode()
