"""One record for each request, with the tokens that the backend told, and not a byte of the answer changed."""

import json
import os
import signal
import socket
import threading

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION, STREAM, V1_CHAT
from support.usage import ledger_config, records, wait_for_records

PRICES = {"prices": {"currency": "EUR", "models": {"gpt-4o": {"input": 2.50, "cached_input": 1.25, "output": 10}}}}
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
         "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 0},
         "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 0}}


def chunk(choices, usage="absent", **more):
    out = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-11-20",
           "choices": choices, **more}
    if usage != "absent":
        out["usage"] = usage
    return out


def delta(text, **more):
    return [{"index": 0, "delta": {"content": text}, "finish_reason": None, **more}]


def stream_script(asked=None):
    """Streams as Azure does: usage when asked for, and only then. `asked` collects what was asked."""

    def script(c, r):
        wants = (r.json().get("stream_options") or {}).get("include_usage", False)
        if asked is not None:
            asked.append(r.json())
        null = None if wants else "absent"
        c.stream_head()
        c.event({"id": "", "object": "", "created": 0, "model": "", "choices": [],
                 "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]})
        for word in ("Hello", " wor", "ld"):
            c.event(chunk(delta(word), null))
        c.event(chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}], null))
        if wants:
            c.event(chunk([], USAGE))
        c.event("[DONE]")
        c.last_chunk()

    return script


def data_of(answer):
    return [e.removeprefix("data: ") for e in answer.body.decode().split("\n\n") if e]


@pytest.fixture
def kept(gateway, a, tmp_path):
    """(gateway, folder of its ledger)"""

    def make(over=None, **usage):
        g = gateway([a], {**ledger_config(tmp_path, **usage), **PRICES,
                          "clients": {"app": {"labels": {"team": "shop", "cost_center": "4711"}}}, **(over or {})})
        return g

    return make


def test_a_plain_answer_is_recorded_with_everything_that_finance_asks_for(kept, a, tmp_path):
    g = kept()
    a.then(lambda c, r: c.answer(200, {"object": "chat.completion", "model": "gpt-4o-2024-11-20", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "say \"usage\": {\"prompt_tokens\": 1}"}}],
        "usage": USAGE}))
    answer = g.chat({**QUESTION, "user": "ann@example.org"}, [("x-request-id", "my-request-1")])
    assert answer.status == 200
    [r] = wait_for_records(tmp_path, 1)
    assert json.loads(r["labels"]) == {"team": "shop", "cost_center": "4711"}
    assert r["client"] == "app" and r["end_user"] == "ann@example.org" and r["request_id"] == "my-request-1"
    assert r["operation"] == "chat" and r["model"] == "gpt-4o-2024-11-20" and r["deployment"] == "gpt-4o"
    assert r["backend"].startswith("a/") and r["instance"] == "a" and r["status"] == 200 and r["outcome"] == "ok"
    assert (r["prompt_tokens"], r["completion_tokens"], r["cached_tokens"], r["reasoning_tokens"]) == (100, 20, 40, 5)
    assert r["token_source"] == "exact" and r["streaming"] == 0 and r["attempts"] == 1
    assert r["price_nanos"] == 60 * 2500 + 40 * 1250 + 20 * 10000
    assert r["bytes_out"] > len(answer.body) and r["bytes_in"] > 0 and r["duration_seconds"] > 0


def test_a_stream_is_asked_for_its_usage_and_the_client_sees_none_of_it(kept, a, tmp_path):
    g = kept()
    asked = []
    a.default = stream_script(asked)
    answer = g.chat(STREAM)
    assert asked[0]["stream_options"] == {"include_usage": True}
    assert {k: v for k, v in asked[0].items() if k != "stream_options"} == STREAM
    assert b"usage" not in answer.body and answer.body.endswith(b"data: [DONE]\n\n")
    events = [json.loads(e) for e in data_of(answer)[:-1]]
    assert "prompt_filter_results" in events[0]
    assert "".join(e["choices"][0]["delta"].get("content", "") for e in events[1:]) == "Hello world"
    [r] = wait_for_records(tmp_path, 1)
    assert (r["prompt_tokens"], r["completion_tokens"], r["token_source"]) == (100, 20, "exact")
    assert r["streaming"] == 1 and r["first_byte_seconds"] > 0 and r["token_seconds"] is not None


def test_what_the_client_gets_is_what_it_would_get_without_a_gateway(kept, a, one, tmp_path):
    g = kept()
    a.default = stream_script()
    for body in (STREAM, {**STREAM, "stream_options": {"include_usage": False}}, {**STREAM, "stream_options": None},
                 {**STREAM, "stream_options": {"include_usage": True}}):
        assert g.chat(body).body == one.chat(body).body, body


def test_a_client_that_asks_gets_its_usage(kept, a, tmp_path):
    g = kept()
    a.default = stream_script()
    answer = g.chat({**STREAM, "stream_options": {"include_usage": True}})
    assert json.loads(data_of(answer)[-2])["usage"] == USAGE
    assert wait_for_records(tmp_path, 1)[0]["token_source"] == "exact"


@pytest.mark.parametrize("target, asks", [
    (CHAT, True), (CHAT.replace("2024-10-21", "2024-06-01"), False), (CHAT.replace("2024-10-21", "2024-09-01-preview"), True),
    (V1_CHAT, True)])
def test_old_versions_of_the_api_are_not_asked(kept, a, tmp_path, target, asks):
    g = kept()
    asked = []
    a.default = stream_script(asked)
    assert g.chat({**STREAM, "model": "gpt-4o"}, target=target).status == 200
    assert ("stream_options" in asked[0]) == asks
    [r] = wait_for_records(tmp_path, 1)
    assert r["token_source"] == ("exact" if asks else "estimated")


def test_streams_without_usage_are_counted_by_the_vocabulary(kept, a, tmp_path):
    g = kept(streams="estimate")
    asked = []
    a.default = stream_script(asked)
    assert g.chat(STREAM).status == 200
    assert "stream_options" not in asked[0]
    [r] = wait_for_records(tmp_path, 1)
    # "hello" in one message: 3 + role 1 + text 1 + 3 for the answer; "Hello world" is two tokens.
    assert (r["prompt_tokens"], r["completion_tokens"], r["token_source"]) == (8, 2, "estimated")
    assert r["price_nanos"] == 8 * 2500 + 2 * 10000


def test_a_client_that_leaves_is_booked_with_what_was_seen(kept, a, tmp_path):
    g = kept()

    def endless(c, r):
        c.stream_head()
        for _ in range(3):
            c.event(chunk(delta(" word"), None))
        c.wait_until_peer_leaves()

    a.then(endless)
    with g.connect() as wire:
        wire.request("POST", CHAT, [("api-key", KEY)], STREAM)
        data = b""
        while data.count(b" word") < 3:
            data += wire.recv()
    [r] = wait_for_records(tmp_path, 1)
    assert r["outcome"] == "client_left" and r["token_source"] == "estimated" and r["completion_tokens"] == 3


def test_retries_failures_and_refusals_are_told_apart(gateway, a, b, tmp_path):
    g = gateway([a, b], {**ledger_config(tmp_path),
                         "routes": [{"clients": ["app"], "deployment": "gpt-4o", "pool": "main"}]})
    a.then(lambda c, r: c.error(429, fields=[("retry-after-ms", "1")]))
    assert g.chat().status == 200
    a.then(lambda c, r: c.error(400, "content_filter"))
    assert g.chat().status in (200, 400)
    assert g.chat(target="/openai/deployments/nobody/chat/completions?api-version=2024-10-21").status == 404
    found = wait_for_records(tmp_path, 3)
    assert found[0]["attempts"] == 2 and json.loads(found[0]["tries"])[0]["status"] == 429
    assert found[0]["backend"].startswith("b/")
    assert found[2]["outcome"] == "refused" and found[2]["code"] == "DeploymentNotFound" and found[2]["status"] == 404
    assert found[2]["token_source"] == "none" and found[2]["prompt_tokens"] == 0


def test_a_stream_that_ends_with_an_error_event_is_no_success(kept, a, tmp_path):
    g = kept()

    def fails(c, r):
        c.stream_head()
        c.event(chunk(delta("some"), None))
        c.event({"error": {"code": "server_error", "message": "the model failed"}})
        c.last_chunk()

    a.then(fails)
    assert g.chat(STREAM).status == 200
    [r] = wait_for_records(tmp_path, 1)
    assert r["outcome"] == "broken" and r["code"] == "stream_error" and r["token_source"] == "estimated"


def test_nobody_leaves_no_record(kept, tmp_path, a):
    g = kept()
    assert g.chat(key="wrong").status == 401
    assert g.chat().status == 200
    assert [r["client"] for r in wait_for_records(tmp_path, 1)] == ["app"]


def test_embeddings_and_responses_bring_their_own_words(kept, a, tmp_path):
    g = kept()
    a.then(lambda c, r: c.answer(200, {"object": "list", "model": "text-embedding-3-small", "data": [],
                                       "usage": {"prompt_tokens": 7, "total_tokens": 7}}),
           lambda c, r: c.answer(200, {"object": "response", "model": "gpt-4o-2024-11-20", "output": [], "usage": {
               "input_tokens": 11, "output_tokens": 13, "input_tokens_details": {"cached_tokens": 2},
               "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 24}}))
    assert g.chat({"model": "gpt-4o", "input": "x"}, target="/openai/v1/embeddings").status == 200
    assert g.chat({"model": "gpt-4o", "input": "x"}, target="/openai/v1/responses").status == 200
    found = wait_for_records(tmp_path, 2)
    assert (found[0]["prompt_tokens"], found[0]["completion_tokens"]) == (7, 0)
    assert (found[1]["prompt_tokens"], found[1]["completion_tokens"], found[1]["cached_tokens"],
            found[1]["reasoning_tokens"]) == (11, 13, 2, 3)


def test_a_killed_gateway_loses_no_record(kept, a, tmp_path):
    g = kept({"shutdown": {"pre_drain": "0s", "drain": "1s"}})
    for _ in range(50):
        assert g.chat().status == 200
    # The client has an answer some microseconds before its record lies in the spool.
    g.wait_for_metric(50, "spillway_usage_records_total")
    g.process.send_signal(signal.SIGKILL)
    g.process.wait()
    g.start()
    found = wait_for_records(tmp_path, 50)
    assert len({r["id"] for r in found}) == 50


def test_a_reload_begins_and_ends_the_ledger(gateway, a, tmp_path):
    g = gateway([a])
    assert g.chat().status == 200
    assert g.reload(ledger_config(tmp_path)).status == 200
    assert g.chat().status == 200
    wait_for_records(tmp_path, 1)
    assert g.reload({"usage": None}).status == 200
    assert g.chat().status == 200
    assert len(records(tmp_path)) == 1


def test_metrics_count_tokens_and_money(kept, a, tmp_path):
    g = kept()
    a.then(lambda c, r: c.answer(200, {"model": "whatever-the-backend-says", "choices": [], "usage": USAGE}))
    assert g.chat().status == 200
    g.wait_for_metric(100, "spillway_tokens_total", client="app", type="prompt", source="exact")
    assert g.metric("spillway_tokens_total", client="app", type="completion") == 20
    assert g.metric("spillway_tokens_total", client="app", type="cached") == 40
    assert g.metric("gen_ai_client_token_usage_count", gen_ai_token_type="input", gen_ai_operation_name="chat") == 1
    assert g.metric("gen_ai_client_token_usage_sum", gen_ai_token_type="output") == 20
    assert not any("whatever" in v for (_, labels) in g.metrics() for _, v in labels)


def test_the_access_log_has_the_tokens(kept, a, tmp_path):
    g = kept()
    assert g.chat().status == 200
    line = g.wait_for_access_log(1)[0]
    assert (line["prompt_tokens"], line["completion_tokens"], line["tokens"]) == (9, 2, "exact")


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(gateway, a, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    g = gateway([a])
    answer = g.reload({"usage": {"spool": f"{blocked}/spool", "store": f"sqlite:{tmp_path}/usage.db"}})
    assert answer.status == 409 and "usage.spool" in answer.body.decode()
    assert g.chat().status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_store_that_is_away_costs_nothing_but_patience(kept, a, tmp_path):
    (tmp_path / "away").mkdir()
    g = kept(store=f"sqlite:{tmp_path}/away/nothing/usage.db")
    for _ in range(5):
        assert g.chat().status == 200
    g.wait_for_metric(0, "spillway_ledger_up")
    g.wait_for_metric(5, "spillway_ledger_waiting_records")
    assert g.ask("GET", "/health/ready", key=None).status == 200
    (tmp_path / "away/nothing").mkdir()
    g.wait_for_metric(1, "spillway_ledger_up", seconds=15)
    g.wait_for_metric(0, "spillway_ledger_waiting_records", seconds=15)
    assert len(wait_for_records(tmp_path / "away/nothing", 5)) == 5


def test_who_hangs_up_at_the_last_event_has_got_everything(kept, a, tmp_path):
    g = kept()
    go_on = threading.Event()

    def stream(c, r):
        c.stream_head()
        c.event(chunk(delta("all"), None))
        c.event(chunk([], USAGE))
        c.event("[DONE]")
        go_on.wait(5)
        c.last_chunk()

    a.then(stream)
    with g.connect() as wire:
        wire.request("POST", CHAT, [("api-key", KEY)], STREAM)
        data = b""
        while b"[DONE]" not in data:
            data += wire.recv()
    [r] = wait_for_records(tmp_path, 1)
    go_on.set()
    assert r["outcome"] == "ok" and r["token_source"] == "exact"


def test_a_client_cannot_make_up_its_usage(kept, a, tmp_path):
    g = kept()
    tools = [{"type": "function", "name": "f", "parameters": {"usage": {"input_tokens": 0, "output_tokens": 0}}}]

    def stream(c, r):
        c.stream_head()
        c.event({"type": "response.created", "response": {"id": "r", "model": "gpt-4o", "tools": tools}}, "response.created")
        c.event({"type": "response.output_text.delta", "delta": "some words"}, "response.output_text.delta")
        c.wait_until_peer_leaves()

    a.then(stream)
    with g.connect() as wire:
        wire.request("POST", "/openai/v1/responses", [("api-key", KEY)],
                     {"model": "gpt-4o", "input": "x", "stream": True, "tools": tools})
        data = b""
        while b"some words" not in data:
            data += wire.recv()
    [r] = wait_for_records(tmp_path, 1)
    assert r["token_source"] == "estimated" and r["completion_tokens"] == 2 and r["prompt_tokens"] > 0


def test_a_refused_reload_changes_nothing_that_counts(kept, a, tmp_path):
    g = kept()
    taken = socket.create_server(("127.0.0.1", 0))
    answer = g.reload({"usage": {"store": f"sqlite:{tmp_path}/other.db"},
                       "log": {"capture": {"file": str(tmp_path / "capture.log")}},
                       "routes": [{"clients": ["app"], "deployment": "*", "pool": "main", "capture": "both"}],
                       "listeners": {"more": {"address": f"127.0.0.1:{taken.getsockname()[1]}"}}})
    assert answer.status == 409
    assert g.chat().status == 200
    wait_for_records(tmp_path, 1)
    assert not (tmp_path / "other.db").exists()
    assert not (tmp_path / "capture.log").exists()
    taken.close()


def test_a_database_that_is_taken_away_is_made_anew(kept, a, tmp_path):
    g = kept()
    assert g.chat().status == 200
    wait_for_records(tmp_path, 1)
    for end in ("", "-wal", "-shm"):
        (tmp_path / f"usage.db{end}").unlink(missing_ok=True)
    for _ in range(3):
        assert g.chat().status == 200
    assert len(wait_for_records(tmp_path, 3, seconds=15)) == 3
    assert g.metric("spillway_ledger_lost_total") == 0
