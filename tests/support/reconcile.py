"""What a ledger has to agree with: the plan of mixed requests, the simulator's journal, and the comparison."""

import collections
import json
import random

from .config import key_hash

CLIENTS = 20
TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
VERSION, OLD_VERSION = "2024-10-21", "2024-06-01"
# kind: how many of a hundred
KINDS = {"chat": 30, "chat_stream": 20, "chat_stream_usage": 12, "old_stream": 3, "responses": 9, "responses_stream": 7,
         "embeddings": 8, "chat_stream_left": 4, "responses_stream_left": 3, "doomed": 2, "malformed": 1, "unknown": 1}
# Until a worker has written the record of an answer that the client has already; an estimate waits for its thread.
RECORD_WITHIN, ESTIMATE_WITHIN, LEFT_WITHIN = 0.25, 0.5, 1.0

_WORDS = ("water runs down the hill and finds its way to sea where stone and sand wait for every season while wind in "
          "old trees tells of rain that came from far away").split()


def client_key(n):
    return f"key-of-client-{n:02}"


def clients_config():
    """Limits that hardly anybody meets; the last client meets its own."""
    out = {f"client{n:02}": {"keys": [key_hash(client_key(n))],
                             "quota": {"requests_per_minute": 1_000_000, "tokens_per_minute": 1_000_000_000}}
           for n in range(CLIENTS)}
    out[f"client{CLIENTS - 1:02}"]["quota"]["requests_per_minute"] = 600
    return out


def _target_and_body(kind, text):
    chat = {"messages": [{"role": "user", "content": text}]}
    deployments = "/openai/deployments/{}/{}?api-version={}"
    left = kind.removesuffix("_left")
    if left == "chat":
        return deployments.format("gpt-4o", "chat/completions", VERSION), chat
    if left == "chat_stream":
        return deployments.format("gpt-4o", "chat/completions", VERSION), {"stream": True, **chat}
    if kind == "chat_stream_usage":
        return "/openai/v1/chat/completions", {"model": "gpt-4o", "stream": True,
                                               "stream_options": {"include_usage": True}, **chat}
    if kind == "old_stream":
        return deployments.format("gpt-4o", "chat/completions", OLD_VERSION), {"stream": True, **chat}
    if left in ("responses", "responses_stream"):
        return "/openai/v1/responses", {"model": "gpt-4o", "input": text, "store": False,
                                        "stream": left.endswith("stream")}
    if kind == "embeddings":
        return "/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": [text, text[:20]],
                                         "dimensions": 8}
    if kind == "malformed":
        return deployments.format("gpt-4o", "chat/completions", VERSION), {"messages": []}
    return deployments.format(kind, "chat/completions", VERSION), chat


def plan(count, asked, seed=1):
    """(Asked, bytes of the request, events to leave after); `asked` is the class."""
    rng = random.Random(seed)
    kinds, weights = list(KINDS), list(KINDS.values())
    for n in range(count):
        kind = rng.choices(kinds, weights)[0]
        client = rng.randrange(CLIENTS)
        name = f"rec-{seed}-{n:07}"
        text = f"{name} " + " ".join(rng.choices(_WORDS, k=rng.randrange(1, 60)))
        target, body = _target_and_body(kind, text)
        payload = json.dumps(body, separators=(",", ":")).encode()
        head = (f"POST {target} HTTP/1.1\r\nHost: localhost\r\napi-key: {client_key(client)}\r\n"
                f"x-request-id: {name}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(payload)}\r\n\r\n").encode()
        yield asked(name, client, kind), head + payload, rng.randrange(1, 12) if kind.endswith("_left") else 0


def faults(names):
    """For all but the last instance, so that there is always one that can serve."""
    out = []
    for i, name in enumerate(names[:-1]):
        for rule in ({"fault": "status", "status": 429, "retry_after_ms": "50", "share": 0.003},
                     {"fault": "status", "status": 500, "share": 0.01},
                     {"fault": "delay", "for": "30ms", "share": 0.01},
                     {"fault": "reset", "share": 0.004},
                     {"fault": "hang", "share": 0.0005},
                     {"fault": "close", "after_events": 6, "share": 0.004},
                     {"fault": "error_event", "after_events": 4 * i, "share": 0.004}):
            out.append({"instance": name, **rule})
    return out


def vary(simulator):
    """Usage that differs from request to request, answers quick enough for thousands a second."""
    for name, instance in simulator.settings["instances"].items():
        for d in instance["deployments"].values():
            d.update(first_token="1ms", per_token="1ms", answer_tokens=24, answer_spread=0.8)
            if d["model"] == "gpt-4o":
                d.update(version="2024-11-20", reasoning_tokens=40, cached_share=0.9)
        instance["deployments"][f"doomed-{name}"] = {"faults": [{"fault": "status", "status": 500}]}
    simulator.settings["faults"] = faults(list(simulator.settings["instances"]))


def gateway_config(simulator, name):
    names = list(simulator.settings["instances"])

    def pool(model):
        return {"model": model, "version": "1", "retry": {"budget": 0.5}, "breaker": {"failures": 1000},
                "timeouts": {"first_byte": "1s"},
                "backends": [{"instance": i, "deployment": f"{model}-{i}", "type": "global_standard", "priority": 1}
                             for i in names]}

    everyone = [f"client{n:02}" for n in range(CLIENTS)]
    pools = {"chat": "gpt-4o", "embeddings": "text-embedding-3-small", "doomed": "doomed"}
    return {"gateway": {"name": name}, "listeners": {"public": {"tls": None}},
            "pools": {"main": None, **{p: pool(m) for p, m in pools.items()}},
            "clients": {"app": None, **clients_config()},
            "routes": [{"clients": everyone, "deployment": m, "pool": p} for p, m in pools.items()],
            "log": {"access": {"sample": 0}}}


def journal(simulator):
    """{request id: [entry]}"""
    out, since = collections.defaultdict(list), 0
    while True:
        page = simulator.usage(since)
        for e in page:
            out[e["request_id"]].append(e)
        if not page:
            break
        since = page[-1]["sequence"]
    assert simulator.usage_totals()["dropped"] == 0
    return out


def tokens_of(x):
    return tuple(int(x[name]) for name in TOKENS)


class Comparison:
    """`records` are dictionaries of the ledger's columns; `kills` {(gateway, life): when}. `problems` says what does
    not agree, `figures` what was compared."""

    def __init__(self, asked, entries, records, kills):
        self.asked, self.entries, self.kills = {a.id: a for a in asked}, entries, kills
        self.records = collections.defaultdict(list)
        for r in records:
            self.records[r["request_id"]].append(r)
        self.problems, self.figures = [], collections.Counter()
        self._lost = collections.Counter()  # in the moment before a kill, by life
        for name, same in self.records.items():
            self._check_records(name, same)
        for a in asked:
            self._check_asked(a)
        for life, n in self._lost.items():
            if n > 2:  # the worker writes it right after the answer's last byte
                self._wrong(life, f"{n} records are missing just before a kill")
        self._check_sums()

    def _wrong(self, about, what):
        self.problems.append(f"{about}: {what}")

    def _check_records(self, name, same):
        if len(same) > 1:
            self._wrong(name, f"{len(same)} records")
        asked = self.asked.get(name)
        if asked is None:
            return self._wrong(name, "a record of a request that nobody made")
        for r in same:
            self.figures["records"] += 1
            self.figures[r["token_source"]] += 1
            if r["client"] != f"client{asked.client:02}":
                self._wrong(name, f"the client is {r['client']}")
            if r["token_source"] == "exact":
                self._check_exact(name, r, asked)

    def _check_exact(self, name, r, asked):
        told = [e for e in self.entries.get(name, []) if e["told"] and e["instance"] == r["instance"]]
        if not any(tokens_of(e) == tokens_of(r) for e in told):
            self._wrong(name, f"{asked.kind}: the ledger has {tokens_of(r)} from {r['instance']}, the simulator "
                              f"{[(e['instance'], e['told'], *tokens_of(e)) for e in self.entries.get(name, [])]}")
        if asked.tokens is not None and asked.end == "whole" and tokens_of(asked.tokens) != tokens_of(r):
            self._wrong(name, f"the ledger has {tokens_of(r)}, the answer told {tokens_of(asked.tokens)}")

    def _may_be_lost(self, a, within):
        killed = self.kills.get((a.gateway, a.life))
        return killed is not None and killed - a.ended < within

    def _check_asked(self, a):
        self.figures[f"asked {a.end}"] += 1
        if a.wrong or a.end == "stuck":
            self._wrong(a.id, f"{a.kind}: {a.wrong or 'no answer in time'}")
        same = self.records.get(a.id)
        if not same:
            return self._check_missing(a)
        r = same[0]
        if a.end != "whole":
            return
        if int(r["status"]) != a.status:
            self._wrong(a.id, f"{a.kind}: status {r['status']} in the ledger, {a.status} in the answer")
        seen = [(e["instance"], e["status"], e["outcome"], e["told"]) for e in self.entries.get(a.id, [])]
        if a.failed:
            self.figures[f"failed amid the stream, booked as {r['outcome']}"] += 1
            if not any(outcome == "fault" and status == 200 for _, status, outcome, _ in seen):
                self._wrong(a.id, f"{a.kind}: the answer tells an error that the simulator did not make: {seen}")
        if a.status == 200:
            # What broke off never told its usage, and nothing old can be asked for it; all else has to be exact.
            wanted = "estimated" if a.failed or a.kind == "old_stream" else "exact"
            if r["token_source"] != wanted and not a.kind.endswith("_left"):
                self._wrong(a.id, f"{a.kind}: {r['token_source']}, wanted {wanted}; the simulator: {seen}")

    def _check_missing(self, a):
        if a.end == "whole":
            estimated = a.kind == "old_stream"
            if self._may_be_lost(a, ESTIMATE_WITHIN if estimated else RECORD_WITHIN):
                self._lost[a.gateway, a.life] += not estimated
                self.figures[f"{'estimates' if estimated else 'records'} lost just before a kill"] += 1
            else:
                self._wrong(a.id, f"{a.kind}: answered with {a.status}, but there is no record")
        elif a.status and not self._may_be_lost(a, LEFT_WITHIN):
            self._wrong(a.id, f"{a.kind}: {a.end} with status {a.status}, but there is no record")

    def _check_sums(self):
        """By client, over what is exact: the ledger's, the simulator's for the same requests, the driver's own."""
        ledger, simulator, told, driver = (collections.defaultdict(lambda: [0] * len(TOKENS)) for _ in range(4))
        for name, same in self.records.items():
            asked = self.asked.get(name)
            for r in same:
                if r["token_source"] != "exact" or asked is None:
                    continue
                _add(ledger[r["client"]], tokens_of(r))
                entry = next((e for e in self.entries.get(name, []) if e["told"] and e["instance"] == r["instance"]),
                             None)
                if entry is not None:
                    _add(simulator[f"client{asked.client:02}"], tokens_of(entry))
                if asked.end == "whole" and asked.tokens is not None:
                    _add(told[r["client"]], tokens_of(r))
                    _add(driver[f"client{asked.client:02}"], tokens_of(asked.tokens))
        if ledger != simulator:
            self._wrong("sums by client", f"ledger {dict(ledger)}, simulator {dict(simulator)}")
        if told != driver:
            self._wrong("sums by client", f"ledger {dict(told)}, driver {dict(driver)}")
        self.figures["exact tokens"] = sum(s[0] + s[1] for s in ledger.values())


def _add(sums, numbers):
    for i, n in enumerate(numbers):
        sums[i] += n
