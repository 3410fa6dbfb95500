"""The operators' door: status, metrics, configuration; and the log."""

import json
import time

import pytest
from support.config import KEY, UPSTREAM_KEY, free_port
from support.gateway import CHAT, QUESTION, STREAM
from support.upstream import chat_completion

SECRETS = (KEY, UPSTREAM_KEY, "the prompt nobody may log", "the answer nobody may log")
PROMPT = {"messages": [{"role": "user", "content": SECRETS[2]}]}


def test_status_tells_of_pools_and_backends(pair, a):
    a.then(lambda c, r: c.error(429, fields={"retry-after": "60"}))
    pair.chat()
    status = pair.status()
    text = json.dumps(status)
    assert "main" in text and "a/gpt4o-a" in text and "throttled" in text
    assert UPSTREAM_KEY not in text and KEY not in text


def test_explain_tells_what_would_become_of_a_request(pair):
    target = "/explain?client=app&deployment=gpt-4o&operation=chat&user=a%20b&header=x-kind%3Dlong"
    told = pair.admin("GET", target)
    assert told.status == 200 and told.header("content-type").startswith("application/json")
    assert told.json()["route"] and told.json()["pools"][0]["now"]["first"]["backend"] == "a/gpt4o-a"
    text = told.body.decode()
    assert UPSTREAM_KEY not in text and KEY not in text
    for wrong in ("/explain", "/explain?client=app", "/explain?client=app&deployment=%G1", "/explain?clients=app",
                  "/explain?client=app&deployment=gpt-4o&operation=magic"):
        assert pair.admin("GET", wrong).json()["error"]["code"] == "QuestionMalformed", wrong
    assert pair.admin("GET", "/explain?client=nobody&deployment=gpt-4o").status == 404
    assert pair.admin("POST", target).status == 405
    assert pair.admin("GET", target, [("host", "evil.example")]).status == 403, "restricted like /status"


def test_explain_wants_the_admin_key(gateway, a, tmp_path):
    key = tmp_path / "admin.key"
    key.write_text("an-admin-key-of-this-test")
    g = gateway([a], {"admin": {"keys": [f"file:{key}"]}})
    target = "/explain?client=app&deployment=gpt-4o"
    assert g.admin("GET", target).status == 401
    assert g.admin("GET", target, [("api-key", "an-admin-key-of-this-test")]).status == 200


def test_metrics_can_be_parsed_and_have_help_and_type(one):
    one.chat()
    answer = one.admin("GET", "/metrics")
    assert answer.header("content-type").startswith("text/plain")
    text = answer.body.decode()
    named = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert named == {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    for (name, _) in one.metrics():
        base = name
        for suffix in ("_bucket", "_sum", "_count"):
            if name not in named:
                base = name.removesuffix(suffix)
            if base in named:
                break
        assert base in named, name
    one.wait_for_metric(1, "spillway_requests_total", client="app", operation="chat", status="200")
    one.wait_for_metric(1, "spillway_first_byte_seconds_count", pool="main")


def test_metrics_do_not_grow_with_what_clients_invent(one):
    for n in range(20):
        one.chat(key=f"wrong-{n}")
        one.chat(target=CHAT.replace("gpt-4o", f"name-{n}"))
        one.ask("GET", f"/path-{n}")
        one.chat(fields={"x-ms-client-request-id": f"id-{n}"})
    text = one.admin("GET", "/metrics").body.decode()
    assert "name-" not in text and "path-" not in text and "wrong-" not in text


def test_configuration_is_told_by_its_hash(one):
    before = one.admin("GET", "/config").json()["hash"]
    assert one.admin("GET", "/config").json()["hash"] == before
    assert one.reload({"gateway": {"expose_headers": True}}).status == 200
    assert one.admin("GET", "/config").json()["hash"] != before


def test_root_tells_what_there_is(one):
    page = one.admin("GET", "/")
    assert page.status == 200
    for path in ("/status", "/metrics", "/config"):
        assert path in page.body.decode()


@pytest.mark.parametrize("method, path, status", [("GET", "/nowhere", 404), ("POST", "/metrics", 405),
                                                  ("GET", "/config/reload", 405)])
def test_admin_knows_its_paths_and_methods(one, method, path, status):
    assert one.admin(method, path).status == status


def test_admin_keys(gateway, a):
    g = gateway([a], {"admin": {"keys": ["open-sesame"]}})
    for path in ("/status", "/metrics", "/config", "/"):
        assert g.admin("GET", path).status == 401
        assert g.admin("GET", path, {"Authorization": "Bearer wrong"}).status == 401
        assert g.admin("GET", path, {"Authorization": f"Bearer {KEY}"}).status == 401
        assert g.admin("GET", path, {"Authorization": "Bearer open-sesame"}).status == 200
    assert g.admin("POST", "/config/reload").status == 401
    assert g.admin("POST", "/config/reload", {"Authorization": "Bearer open-sesame"}).status == 200


def test_admin_without_keys_may_not_leave_the_machine(gateway, a):
    g = gateway([a], {"admin": {"address": "0.0.0.0:0"}}, start=False)
    with pytest.raises(AssertionError, match="ended at once"):
        g.start()
    assert "admin" in g.log()


def test_admin_survives_slow_and_broken_clients(one):
    from support.wire import Wire
    port = int(one.config["admin"]["address"].rpartition(":")[2])
    held = [Wire(port) for _ in range(20)]
    for wire in held[:10]:
        wire.send("GET /sta")
    for wire in held[10:15]:
        wire.send("nonsense\r\n\r\n")
    assert one.admin("GET", "/status").status == 200
    for wire in held:
        wire.reset()
    assert one.admin("GET", "/metrics").status == 200


def test_access_log_tells_what_happened(pair, a, b):
    a.then(lambda c, r: c.error(429, fields={"retry-after": "60"}))
    pair.chat(fields={"x-request-id": "rq-1"})
    pair.chat(key="wrong")
    first, second = pair.wait_for_access_log(2)
    assert first["request_id"] == "rq-1"
    assert (first["status"], first["client"], first["operation"], first["deployment"]) == (200, "app", "chat", "gpt-4o")
    assert (first["pool"], first["backend"], first["attempts"]) == ("main", "b/gpt4o-b", 2)
    assert first["tries"][0] == {"backend": "a/gpt4o-a", "status": 429, "reason": "throttled"}
    assert 0 < first["seconds"] < 5
    assert abs(first["time"] - time.time()) < 60
    assert (second["status"], second["code"]) == (401, "401")
    assert "client" not in second


def test_access_log_tells_of_broken_streams_and_clients_that_left(one, a):
    def breaks(c, r):
        c.stream_head()
        c.event({"n": 0})
        time.sleep(0.1)
        c.reset()
    a.then(breaks)
    one.chat(STREAM)
    line = one.wait_for_access_log(1)[0]
    assert line["broken"] and line["stream"] is True
    a.then(lambda c, r: c.wait_until_peer_leaves(5))
    with one.connect() as wire:
        wire.request("POST", CHAT, {"api-key": KEY}, QUESTION)
        a.wait_for_requests(2)
    line = one.wait_for_access_log(2)[1]
    assert line["client_left"] is True and line["status"] == 499


def test_no_log_holds_a_key_or_a_prompt_or_an_answer(gateway, a, b):
    g = gateway([a, b], {"log": {"level": "trace"}, "gateway": {"expose_headers": True}})
    answer = chat_completion(SECRETS[3])
    a.default = lambda c, r: c.answer(200, answer)
    g.chat(PROMPT)
    a.then(lambda c, r: c.error(500, message=SECRETS[3]), lambda c, r: c.answer(400, chat_completion(SECRETS[3])))
    g.chat(PROMPT)
    g.chat(PROMPT)
    g.chat(PROMPT, target=CHAT + f"&api-key={KEY}&subscription-key={KEY}")
    g.chat(b'{"messages": "' + SECRETS[2].encode())
    g.chat(PROMPT, key=KEY + KEY)
    g.reload({"routes": [{"clients": ["app"], "deployment": "*", "pool": "nowhere"}]})
    g.wait_for_access_log(6)
    g.stop()
    everything = g.output.read_text() + (g.folder / "access.log").read_text()
    for secret in SECRETS:
        assert secret not in everything


def test_only_trusted_proxies_tell_whose_address_it_is(gateway, a):
    g = gateway([a])
    g.chat(fields={"X-Forwarded-For": "203.0.113.7"})
    assert g.wait_for_access_log(1)[0]["peer"] == "127.0.0.1"
    g.reload({"listeners": {"public": {"trusted_proxies": ["127.0.0.0/8"]}}})
    g.chat(fields={"X-Forwarded-For": "198.51.100.1, 203.0.113.7"})
    assert g.wait_for_access_log(2)[1]["peer"] == "203.0.113.7"


def test_access_log_can_be_sampled_but_failures_are_always_there(gateway, a):
    g = gateway([a], {"log": {"access": {"sample": 0}}})
    for _ in range(5):
        g.chat()
    g.chat(key="wrong")
    g.ask("GET", "/health/live")
    assert [line["status"] for line in g.wait_for_access_log(1)] == [401]


def test_access_log_survives_rotation(one):
    one.chat()
    one.wait_for_access_log(1)
    file = one.folder / "access.log"
    file.rename(one.folder / "access.log.1")
    one.hang_up()
    time.sleep(0.3)
    one.chat()
    assert len(one.wait_for_access_log(1)) == 1


def test_a_hostile_name_cannot_forge_a_log_line(one):
    one.chat(target=CHAT.replace("gpt-4o", "x%22%7D%2C%22client%22%3A%22root"))
    line = one.wait_for_access_log(1)[0]
    assert line["deployment"] == 'x"},"client":"root'
    assert line["client"] == "app"


def test_readiness_tells_what_needs_attention(one):
    assert one.admin("GET", "/health/ready").body == b"ok\n"
    assert one.reload({"routes": [{"clients": ["app"], "deployment": "*", "pool": "nowhere"}]}).status == 409
    answer = one.admin("GET", "/health/ready")
    first, *details = answer.body.decode().splitlines()
    assert (answer.status, first) == (200, "ok")
    assert details == ["configuration: the last reload was refused; the one before it runs"]


def test_status_counts_traffic(one, a):
    one.chat()
    a.default = lambda c, r: c.error(500)
    one.chat()
    one.wait_for_metric(1, "spillway_requests_total", client="app", status="503")
    status = one.status()
    client = next(c for c in status["traffic"]["clients"] if c["name"] == "app")
    assert (client["requests"], client["statuses"]["2xx"], client["statuses"]["5xx"]) == (2, 1, 1)
    pool = next(p for p in status["traffic"]["pools"] if p["name"] == "main")
    assert pool["seconds"]["count"] == 2
    assert 0 < pool["seconds"]["p50"] <= pool["seconds"]["p95"] <= pool["seconds"]["p99"] < 10
    error = status["errors"][0]
    assert (error["status"], error["client"], error["pool"]) == (503, "app", "main")
    assert abs(error["at"] - time.time()) < 60
    assert status["pools"][0]["capacity"] == 1


def test_readiness_tells_that_the_ledger_has_no_store_and_stays_ready(gateway, a, tmp_path):
    g = gateway([a], {"usage": {"spool": str(tmp_path / "spool"), "store": f"postgresql://nobody@127.0.0.1:{free_port()}/u",
                                "password": "file:" + str(tmp_path / "password")}}, start=False)
    (tmp_path / "password").write_text("the password of the database")
    g.start()
    assert g.chat().status == 200
    until = time.monotonic() + 10
    while b"1 records wait" not in (answer := g.admin("GET", "/health/ready")).body:
        assert time.monotonic() < until, answer.body
        time.sleep(0.1)
    assert answer.status == 200
    first, *details = answer.body.decode().splitlines()
    assert first == "ok" and details == ["usage: the store is away; 1 records wait in the spool"]
    usage = g.status()["usage"]
    assert (usage["up"], usage["waiting"], usage["lost"]) == (False, 1, 0)
    assert usage["last_error"] and "the password of the database" not in g.admin("GET", "/status").body.decode()
