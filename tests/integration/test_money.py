"""What requests cost their clients, and what they may take before anybody has asked: no client pays for another one,
none escapes its bill, and no sum wraps."""

import json
import sqlite3
import subprocess
import time

import pytest
from support.config import KEY, key_hash, merge
from support.gateway import CHAT, QUESTION, STREAM, binary
from support.upstream import chat_completion
from support.usage import ledger_config, wait_for_records
from support.wire import compose

KEYED = {"api-key": KEY}
OTHER = "key-of-another-client"
PRICES = {"prices": {"models": {"gpt-4o": {"input": 2.5, "output": 10.0}}}}


def shared(quota, **over):
    """Two clients whose group has this quota."""
    return merge({"clients": {"app": {"groups": ["team"]}, "other": {"groups": ["team"], "keys": [key_hash(OTHER)]}},
                  "groups": {"team": {"quota": quota}},
                  "routes": [{"clients": ["app", "other"], "deployment": "gpt-4o", "pool": "main"}]}, over)


def long_stream(c, r):
    """One word, and then silence until the client leaves."""
    c.stream_head()
    c.event({"id": "1", "model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": "hello"}}]})
    c.wait_until_peer_leaves()
    c.open = False


def never_answers(c, r):
    c.wait_until_peer_leaves()
    c.open = False


def leaves_at_first_event(g, body):
    with g.connect() as wire:
        wire.request("POST", CHAT, KEYED, body)
        wire.read_head()
        while b"hello" not in wire.pending:
            wire.pending += wire.recv()


def sound(text, **more):
    """A request whose sound is `text`."""
    part = {"type": "input_audio", "input_audio": {"format": "wav", "data": text}}
    return {"stream": True, "messages": [{"role": "user", "content": [part]}], **more}


# A data URL where base64 is wanted, as honest clients write, too.
TWICE = "data:audio/wav;base64," + "A" * 20_000


@pytest.mark.parametrize("spaced", [False, True])
def test_data_with_two_marks_is_not_taken_off_twice(gateway, a, tmp_path, spaced):
    g = gateway([a], shared({"tokens_per_minute": 1_000_000, "budget": {"tokens": 100_000_000, "money": 5, "per": "month"}},
                            **ledger_config(tmp_path), **PRICES))
    a.default = long_stream
    body = json.dumps(sound(TWICE, max_tokens=2000), separators=None if spaced else (",", ":")).encode()
    with g.connect() as wire:
        wire.request("POST", CHAT, KEYED, body)
        a.wait_for_requests(1)
        a.default = lambda c, r: c.answer(200, chat_completion())
        assert g.chat(key=OTHER).status == 200, "also while it runs"
    leaves_record = wait_for_records(tmp_path, 2)
    assert all(0 <= r["prompt_tokens"] < 6000 and r["price"] >= 0 for r in leaves_record)
    assert g.chat(key=OTHER).status == 200
    spent = g.metric("spillway_budget_spent_ratio", limit="money") if g.metric("spillway_budget_spent_ratio") else 0
    assert 0 <= spent < 0.1


def test_text_is_no_data_because_it_says_so(gateway, a, tmp_path):
    g = gateway([a], ledger_config(tmp_path))
    a.default = long_stream
    words = "lorem ipsum " * 20_000
    for text in (words, ";base64, " + words, "data:text/plain;base64," + words):
        leaves_at_first_event(g, {**STREAM, "messages": [{"role": "user", "content": text}]})
    leaves_at_first_event(g, sound(words))
    for r in wait_for_records(tmp_path, 4):
        assert r["prompt_tokens"] > 40_000, r


def test_who_leaves_before_the_answer_pays_its_prompt(gateway, a, tmp_path):
    g = gateway([a], {**ledger_config(tmp_path), **PRICES, "log": {"access": {"file": str(tmp_path / "access.log")}},
                      "clients": {"app": {"quota": {"tokens_per_minute": 20_000, "budget": {"tokens": 3000, "per": "day"}}}}})
    a.default = never_answers
    body = {"messages": [{"role": "user", "content": "word " * 600}], "max_tokens": 100}
    admitted = 0
    for n in range(8):
        with g.connect() as wire:
            wire.request("POST", CHAT, KEYED, body)
            if a.wait_for(lambda n=n: len(a.requests) > n, 0.5):
                admitted += 1
                continue
            refused = wire.read_answer()
        assert refused.status == 403 and refused.error["code"] == "BudgetExhausted"
        break
        # (what is under way still holds its reservation, so the order of events does not matter)
    assert 3 <= admitted <= 4
    left = [r for r in wait_for_records(tmp_path, admitted + 1) if r["outcome"] == "client_left"]
    assert len(left) == admitted
    for r in left:
        assert 750 <= r["prompt_tokens"] <= 800 and r["completion_tokens"] <= 100, r
        assert r["token_source"] == "estimated" and r["price"] > 0
    booked = sum(r["prompt_tokens"] + r["completion_tokens"] for r in left)
    g.wait_for_metric(booked, "spillway_tokens_total", source="estimated")
    lines = [x for x in g.wait_for_access_log(admitted + 1) if x.get("client_left")]
    assert sorted(x["prompt_tokens"] for x in lines) == sorted(r["prompt_tokens"] for r in left)


def test_what_no_backend_served_costs_nothing(gateway, a, b, tmp_path):
    g = gateway([a, b], ledger_config(tmp_path))
    for u in (a, b):
        u.default = lambda c, r: c.error(429, fields={"retry-after": "1"})
    assert g.chat().status == 429
    a.default = b.default = lambda c, r: c.error(400, "bad", "as it is")
    time.sleep(1.1)
    assert g.chat().status == 400
    assert all(r["prompt_tokens"] == 0 for r in wait_for_records(tmp_path, 2))


def test_who_leaves_while_its_body_comes_pays_no_tokens(gateway, a, tmp_path):
    g = gateway([a], ledger_config(tmp_path))
    with g.connect() as wire:
        wire.send(compose("POST", CHAT, {**KEYED, "Content-Length": "100000"}) + b'{"a":"' + b"x" * 50_000)
    (r,) = wait_for_records(tmp_path, 1)
    assert r["outcome"] == "client_left" and r["prompt_tokens"] == 0
    assert not a.requests


def half(wire, size, sent, fields=()):
    wire.send(compose("POST", CHAT, [("api-key", KEY), ("Content-Length", str(size)), *fields]) + b"{" + b" " * (sent - 1))


def test_concurrency_is_asked_before_a_body_takes_memory(gateway, a):
    g = gateway([a], {"clients": {"app": {"quota": {"concurrent": 1}}}})
    with g.connect() as first:
        half(first, 10_000_000, 100_000)
        assert a.wait_for(lambda: g.metric("spillway_body_memory_bytes") > 100_000)
        held = g.metric("spillway_body_memory_bytes")
        for size, sent in ((10_000_000, 100_000), (30_000, 15_000), (5_000, 1_000)):
            with g.connect() as second:
                half(second, size, sent)
                refused = second.read_answer()
                assert refused.status == 429 and refused.error["code"] == "TooManyConcurrentRequests"
        assert g.metric("spillway_body_memory_bytes") == held
        # Without a 100, whoever waits for one sends nothing.
        with g.connect() as third:
            third.send(compose("POST", CHAT, {**KEYED, "Content-Length": "1000000", "Expect": "100-continue"}))
            assert third.read_answer(interim=True).status == 429
    g.wait_for_metric(0, "spillway_body_memory_bytes")
    assert a.wait_for(lambda: g.chat().status == 200)
    assert len(a.requests) == 1


def test_a_request_counts_once_whether_its_body_comes_at_once_or_late(gateway, a):
    g = gateway([a], {"clients": {"app": {"quota": {"concurrent": 1, "requests_per_minute": 60, "tokens_per_minute": 60_000}}},
                      "quotas": {"burst": "60s"}})
    body = json.dumps({**QUESTION, "max_tokens": 10}).encode()
    with g.connect() as wire:
        wire.send(compose("POST", CHAT, {**KEYED, "Content-Length": str(len(body))}) + body[:10])
        time.sleep(0.05)
        wire.send(body[10:])
        answer = wire.read_answer()
        assert answer.status == 200 and answer.header("x-ratelimit-remaining-requests") == "59"
        assert int(answer.header("x-ratelimit-remaining-tokens")) > 59_000
        # What turns out to be no request gives its place back.
        wire.send(compose("POST", CHAT, {**KEYED, "Content-Length": "10"}) + b"{")
        time.sleep(0.05)
        wire.send(b"not json!")
        assert wire.read_answer().status == 400
    answer = g.chat()
    assert answer.status == 200 and int(answer.header("x-ratelimit-remaining-requests")) >= 58


def test_a_body_that_does_not_come_counts_as_a_request(gateway, a):
    g = gateway([a], {"clients": {"app": {"quota": {"requests_per_minute": 1}}}, "quotas": {"burst": "60s"},
                      "listeners": {"public": {"limits": {"body_timeout": "200ms"}}}})
    with g.connect() as wire:
        half(wire, 10_000, 100)
        assert wire.read_answer().status == 408
    with g.connect() as wire:
        half(wire, 10_000, 100)
        assert wire.read_answer().error["code"] == "RateLimitExceeded"


def test_one_client_holds_a_share_of_the_memory_for_bodies(gateway, a):
    g = gateway([a], {"gateway": {"body_memory": "8MiB"}, "clients": {"other": {"keys": [key_hash(OTHER)]}},
                      "routes": [{"clients": ["*"], "deployment": "gpt-4o", "pool": "main"}]})
    large = json.dumps({**QUESTION, "x": "a" * 20_000}).encode()
    held = []
    try:
        for _ in range(8):
            wire = g.connect()
            held.append(wire)
            half(wire, 1_500_000, 1_000_000)
        assert a.wait_for(lambda: g.metric("spillway_limits_hit_total", limit="client_body_memory") >= 4)
        # Small ones fill what the large ones have left.
        for _ in range(45):
            wire = g.connect()
            held.append(wire)
            half(wire, 12_000, 11_000)
        assert a.wait_for(lambda: g.metric("spillway_limits_hit_total", limit="client_body_memory") >= 10)
        assert g.metric("spillway_body_memory_bytes") <= 2 * 1024 * 1024
        for _ in range(5):
            assert g.chat(large, key=OTHER).status == 200
        answer = g.chat(large)
        assert answer.status == 429 and answer.error["code"] == "TooManyRequestBodies"
        assert answer.header("retry-after") == "1"
    finally:
        for wire in held:
            wire.close()
    g.wait_for_metric(0, "spillway_body_memory_bytes")
    # Alone, a body may be larger than the share.
    assert g.chat(json.dumps({**QUESTION, "x": "a" * 5_000_000}).encode()).status == 200


def test_bodies_that_fit_a_slab_are_counted(gateway, a):
    g = gateway([a], {"gateway": {"body_memory": "1MiB"}})
    held = [g.connect() for _ in range(30)]
    for wire in held:
        half(wire, 12_000, 11_000)
    assert a.wait_for(lambda: g.metric("spillway_limits_hit_total", limit="client_body_memory") >= 10)
    assert 0 < g.metric("spillway_body_memory_bytes") <= 256 * 1024
    for wire in held:
        wire.close()
    g.wait_for_metric(0, "spillway_body_memory_bytes")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_trickles_is_no_way_around_its_time(gateway, a, chunked):
    g = gateway([a], {"listeners": {"public": {"limits": {"body_timeout": "400ms", "body_rate": "1MiB"}}}})
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "1000000"}
    began = time.monotonic()
    with g.connect() as wire:
        wire.send(compose("POST", CHAT, {**KEYED, **framing}))
        wire.sock.settimeout(0.05)
        answer = b""
        while not answer and time.monotonic() - began < 5:
            wire.send(b"1\r\n \r\n" if chunked else b" ")
            try:
                answer = wire.recv()
            except TimeoutError:
                pass
    assert b" 408 " in answer and b"RequestTimeout" in answer
    assert 0.3 < time.monotonic() - began < 3
    assert not a.requests


def test_a_slow_body_that_keeps_the_rate_gets_through(gateway, a):
    g = gateway([a], {"listeners": {"public": {"limits": {"body_timeout": "300ms", "body_rate": "1KiB"}}}})
    body = json.dumps({**QUESTION, "x": "a" * 30_000}).encode()
    with g.connect() as wire:
        wire.send(compose("POST", CHAT, {**KEYED, "Content-Length": str(len(body))}))
        for at in range(0, len(body), 3000):
            wire.send(body[at:at + 3000])
            time.sleep(0.08)
        assert wire.read_answer().status == 200


def test_chunks_that_are_mostly_framing_are_refused(gateway, a):
    g = gateway([a])
    block = (b"1;" + b"a" * 250 + b"\r\n \r\n") * 100
    with g.connect() as wire:
        wire.send(compose("POST", CHAT, {**KEYED, "Transfer-Encoding": "chunked"}))
        answer, sent = b"", 0
        wire.sock.settimeout(0.05)
        while not answer and sent < 4_000_000:
            try:
                wire.send(block)
                sent += len(block)
                answer = wire.recv()
            except TimeoutError:
                pass
            except OSError:
                break
    assert b" 400 " in answer and b"more framing than data" in answer
    assert sent < 500_000
    # Chunks of one byte are silly but honest, as are signed ones.
    body = json.dumps(QUESTION).encode()
    for pieces, extension in (([bytes([x]) for x in body] + [b" "] * 20_000, b""), ([body], b";chunk-signature=" + b"a" * 64)):
        framed = b"".join(b"%x%s\r\n%s\r\n" % (len(p), extension, p) for p in pieces) + b"0\r\n\r\n"
        assert g.ask("POST", CHAT, {"Transfer-Encoding": "chunked"}, framed).status == 200


def test_bytes_are_counted_when_they_have_come(gateway, a):
    g = gateway([a])
    before = g.metric("spillway_client_bytes_received_total")
    for length in ("9000000000000000000", "18446744073709551615"):
        with g.connect() as wire:
            wire.send(compose("POST", CHAT, {"Content-Length": length, "api-key": "nobody"}))
            wire.read_answer()
    with g.connect() as wire:
        half(wire, 1_000_000, 200_000)
        assert a.wait_for(lambda: g.metric("spillway_client_bytes_received_total") > 200_000)
    assert g.chat().status == 200
    assert g.metric("spillway_client_bytes_received_total") - before < 220_000


def test_figures_that_cannot_be_are_pointed_out_and_repaired(gateway, a, tmp_path):
    g = gateway([a], ledger_config(tmp_path))
    for _ in range(2):
        assert g.chat().status == 200
    wait_for_records(tmp_path, 2)
    with sqlite3.connect(tmp_path / "usage.db") as db:
        db.execute("UPDATE records SET prompt_tokens = 1 << 50, price_nanos = -7500000000 WHERE key = "
                   "(SELECT min(key) FROM records)")
    db.close()

    def usage(*options):
        command = [binary("SPILLWAY_BIN", "spillway"), "usage", "-c", str(g.file), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=30)

    told = usage("--format", "json")
    assert told.returncode == 0 and "spillway usage --repair" in told.stderr
    done = usage("--repair")
    assert done.returncode == 0 and "1 record" in done.stdout, done.stderr
    after = usage("--format", "json")
    assert "cannot be" not in after.stderr and str(1 << 50) not in after.stdout
    assert g.chat().status == 200
    wait_for_records(tmp_path, 3)


# Without a `usage` section

def logged_tokens(g, count):
    return [(x.get("prompt_tokens"), x.get("completion_tokens"), x.get("tokens")) for x in g.wait_for_access_log(count)]


def test_figures_of_tokens_are_exact_or_absent(gateway, a, tmp_path):
    g = gateway([a], {"log": {"access": {"file": str(tmp_path / "access.log")}}})
    told = {"usage": {"prompt_tokens": 3, "completion_tokens": 7}}
    silent = {k: v for k, v in chat_completion().items() if k != "usage"}
    choice = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "hello"}}]}

    def stream(*events):
        def script(c, r):
            c.stream_head()
            for e in (*events, "[DONE]"):
                c.event(e)
            c.last_chunk()
        return script

    a.then(lambda c, r: c.answer(200, {**chat_completion(), **told}), lambda c, r: c.answer(200, silent),
           stream(choice, {"id": "1", "model": "m", "choices": [], **told}), stream(choice),
           lambda c, r: c.answer(200, {"object": "list", "data": [{"embedding": [0.5] * 1000}],
                                       "usage": {"prompt_tokens": 3, "total_tokens": 3}}))
    for body in (QUESTION, QUESTION, STREAM, STREAM):
        assert g.chat(body).status == 200
    assert g.chat({"input": "hello"}, target=CHAT.replace("chat/completions", "embeddings")).status == 200
    nothing = (None, None, None)
    assert logged_tokens(g, 5) == [(3, 7, "exact"), nothing, (3, 7, "exact"), nothing, (3, 0, "exact")]
    assert g.metric("spillway_tokens_total") == 23
    assert g.metric("spillway_tokens_total", source="estimated") == 0
