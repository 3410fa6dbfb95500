"""Who may send what where, and how a refusal looks."""

import time

import pytest
from support.config import KEY, key_hash, pool_of
from support.gateway import CHAT, QUESTION, V1_CHAT
from support.upstream import answer_chat


def chat_on(deployment):
    return CHAT.replace("gpt-4o", deployment)


def assert_error(answer, status, code):
    assert answer.status == status
    assert answer.header("content-type") == "application/json"
    assert set(answer.error) == {"code", "message", "type", "param"}
    assert answer.error["code"] == code
    assert answer.error["message"]
    assert answer.header("x-request-id")


@pytest.mark.parametrize("fields", [{"api-key": KEY}, {"Authorization": f"Bearer {KEY}"},
                                    {"authorization": f"bearer {KEY}"},
                                    {"Ocp-Apim-Subscription-Key": KEY},
                                    {"api-key": KEY, "Authorization": f"Bearer {KEY}"}])
def test_a_client_proves_itself_in_each_way_that_sdks_know(one, fields):
    assert one.chat(fields=fields, key=None).status == 200


@pytest.mark.parametrize("fields", [{}, {"api-key": "wrong"}, {"api-key": ""}, {"api-key": KEY + "x"},
                                    {"api-key": KEY[:-1]},
                                    {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"}, {"x-apikey": KEY},
                                    {"Cookie": f"api-key={KEY}"}, {"api-key": "k" * 20000}])
def test_without_a_known_key_there_is_nothing(one, a, fields):
    answer = one.chat(fields=fields, key=None)
    assert_error(answer, 401, "401")
    assert "Bearer" in answer.header("www-authenticate")
    assert not a.requests


def test_a_key_in_the_query_does_not_count(one):
    assert_error(one.chat(target=CHAT + f"&api-key={KEY}", key=None), 401, "401")


def test_two_keys_while_rotating(gateway, a):
    g = gateway([a], {"clients": {"app": {"keys": [key_hash(KEY), key_hash("new-key")]}}})
    assert g.chat(key="new-key").status == g.chat().status == 200


@pytest.mark.parametrize("method, target, status, code", [
    ("GET", "/", 404, "NotFound"), ("GET", "/metrics", 404, "NotFound"), ("GET", "/status", 404, "NotFound"),
    ("POST", "/openai/deployments/gpt-4o/nonsense", 404, "NotFound"),
    ("POST", "/openai/deployments/gpt-4o", 404, "NotFound"),
    ("POST", "/openai/v1/nonsense", 404, "NotFound"), ("POST", "/config/reload", 404, "NotFound"),
    ("GET", CHAT, 405, "MethodNotAllowed"), ("GET", V1_CHAT, 400, "OperationNotSupported"), ("DELETE", CHAT, 405, "MethodNotAllowed"),
    ("GET", "/openai/v1/embeddings", 405, "MethodNotAllowed"), ("POST", "/openai/v1/models", 405, "MethodNotAllowed"),
    ("POST", "/openai/v1/files", 400, "OperationNotSupported"),
    ("GET", "/openai/v1/responses/resp_1", 400, "OperationNotSupported"),
    ("POST", "/openai/threads?api-version=2024-05-01-preview", 400, "OperationNotSupported"),
])
def test_paths_that_are_not_served(one, a, method, target, status, code):
    body = {} if method == "POST" else None
    assert_error(one.ask(method, target, body=body), status, code)
    assert not a.requests


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"{", b'{"a":}', b'{"a":1}x', b"\xef\xbb\xbf{}", b"null",
                                  b'{"a":"\n"}', b"{'a':1}", b'{"a":1,}'])
def test_body_that_is_no_json_object(one, a, body):
    assert_error(one.chat(body), 400, "BadRequest")
    assert not a.requests


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": 4}, {"model": ""}, {"model": ["gpt-4o"]},
                                  {"Model": "gpt-4o"}])
def test_v1_body_without_a_model(one, a, body):
    assert_error(one.chat(body, target=V1_CHAT), 400, "BadRequest")
    assert not a.requests


def test_request_without_a_body(one):
    assert_error(one.ask("POST", CHAT), 400, "BadRequest")


@pytest.mark.parametrize("extra", [{"previous_response_id": "resp_1"}, {"conversation": "conv_1"}, {"background": True},
                                   {"input": [{"type": "input_file", "file_id": "file-1"}]}])
def test_requests_tied_to_state_are_refused_before_they_do_harm(one, a, extra):
    answer = one.chat({"model": "m", "input": "x", **extra}, target="/openai/v1/responses")
    assert_error(answer, 400, "StatefulRequestNotSupported")
    assert not a.requests


THREE_CLIENTS = {
    "clients": {"app": {"keys": [key_hash(KEY)], "groups": ["production"]}, "lab": {"keys": [key_hash("lab-key")]}},
    "routes": [
        {"name": "exact", "clients": ["app"], "deployment": "gpt-4o", "operations": ["chat", "responses"],
         "pool": "main"},
        {"name": "header", "clients": ["*"], "deployment": "exp-*", "headers": {"x-experiment": "long*"},
         "pool": "other"},
        {"name": "group", "clients": ["group:production"], "deployment": "exp-*", "pool": "main"},
        {"name": "lab", "clients": ["lab"], "deployment": "lab-*-mini", "pool": "other"},
    ]}


@pytest.fixture
def routed(gateway, a, b):
    return gateway([a, b], {**THREE_CLIENTS, "pools": {"main": pool_of([a]), "other": pool_of([b])}})


@pytest.mark.parametrize("deployment, key, fields, served_by", [
    ("gpt-4o", KEY, {}, "a"), ("exp-1", KEY, {}, "a"), ("exp-1", KEY, {"x-experiment": "long-run"}, "b"),
    ("exp-1", KEY, {"x-experiment": "short"}, "a"), ("exp-", "lab-key", {"x-experiment": "long"}, "b"),
    ("lab-x-mini", "lab-key", {}, "b"), ("lab-x-y-mini", "lab-key", {}, "b")])
def test_first_matching_route_wins(routed, deployment, key, fields, served_by):
    assert routed.chat(target=chat_on(deployment), key=key, fields=fields).json()["model"] == served_by
    by_body = routed.chat({"model": deployment, **QUESTION}, target=V1_CHAT, key=key, fields=fields)
    assert by_body.json()["model"] == served_by


@pytest.mark.parametrize("deployment, key, fields", [
    ("gpt-4", KEY, {}), ("gpt-4o-x", KEY, {}), ("GPT-4O", KEY, {}), ("gpt-4o", "lab-key", {}), ("exp-1", "lab-key", {}),
    ("lab-x-maxi", "lab-key", {}), ("lab-x-mini", KEY, {}), ("exp-1", "lab-key", {"x-experiment": "x-long"})])
def test_what_no_route_names_does_not_exist(routed, a, b, deployment, key, fields):
    assert_error(routed.chat(target=chat_on(deployment), key=key, fields=fields), 404, "DeploymentNotFound")
    assert not a.requests + b.requests


def test_operation_that_the_route_does_not_allow(routed, a):
    answer = routed.ask("POST", "/openai/deployments/gpt-4o/embeddings", body={"input": "x"})
    assert_error(answer, 404, "DeploymentNotFound")
    assert not a.requests


def test_existence_is_told_only_when_the_configuration_says_so(routed):
    assert routed.chat(key="lab-key").status == 404
    routed.reload({"gateway": {"hide_existence": False}})
    assert_error(routed.chat(key="lab-key"), 403, "DeploymentForbidden")
    assert_error(routed.chat(target=chat_on("nowhere"), key="lab-key"), 404, "DeploymentNotFound")


def test_models_are_those_of_the_clients_routes(routed, a, b):
    for target in ("/openai/v1/models", "/openai/models?api-version=2024-10-21", "/v1/models"):
        answer = routed.ask("GET", target)
        assert answer.status == 200
        assert answer.json()["object"] == "list"
        names = [m["id"] for m in answer.json()["data"]]
        assert "gpt-4o" in names
        assert all(m["object"] == "model" for m in answer.json()["data"])
        assert not [n for n in names if n.startswith("lab")]
    assert routed.ask("GET", "/openai/v1/models/gpt-4o").json()["id"] == "gpt-4o"
    assert_error(routed.ask("GET", "/openai/v1/models/other"), 404, "ModelNotFound")
    assert routed.ask("GET", "/openai/v1/models", key=None).status == 401
    assert not a.requests + b.requests


@pytest.mark.parametrize("operation, target, body", [
    ("completions", "/openai/deployments/m/completions?api-version=x", {"prompt": "x"}),
    ("embeddings", "/openai/deployments/m/embeddings?api-version=x", {"input": "x"}),
    ("images", "/openai/deployments/m/images/generations?api-version=x", {"prompt": "x"}),
    ("speech", "/openai/deployments/m/audio/speech?api-version=x", {"input": "x"}),
    ("embeddings", "/openai/v1/embeddings", {"model": "m", "input": "x"}),
    ("responses", "/openai/v1/responses", {"model": "m", "input": "x"}),
    ("images", "/openai/v1/images/generations", {"model": "m", "prompt": "x"}),
    ("speech", "/openai/v1/audio/speech", {"model": "m", "input": "x"})])
def test_every_operation_is_served_and_counted_by_its_name(one, a, operation, target, body):
    assert one.ask("POST", target, body=body).status == 200
    assert a.requests[0].target == target.replace("/deployments/m/", "/deployments/gpt4o-a/")
    one.wait_for_metric(1, "spillway_requests_total", operation=operation, client="app", pool="main", status="200")


def shares(g, a, b, count=200, **how):
    for u in (a, b):
        u.requests.clear()
    with g.connect() as wire:
        for n in range(count):
            body = {"model": "m", **QUESTION, **({"user": f"user-{n % how['users']}"} if "users" in how else {})}
            wire.ask("POST", V1_CHAT, {"api-key": how.get("key", KEY)}, body)
    return len(a.requests), len(b.requests)


def split_config(a, b, **sticky):
    return {"pools": {"main": pool_of([a]), "next": pool_of([b])},
            "routes": [{"clients": ["*"], "deployment": "*", "split": {"main": 75, "next": 25, **sticky}}]}


def test_split_sends_its_share(gateway, a, b):
    first, second = shares(gateway([a, b], split_config(a, b)), a, b)
    assert first + second == 200
    assert 25 < second < 85


def test_split_that_sticks_to_a_client(gateway, a, b):
    keys = {f"c{n}": f"key-{n}" for n in range(24)}
    g = gateway([a, b], {**split_config(a, b, sticky="client"),
                         "clients": {n: {"keys": [key_hash(k)]} for n, k in keys.items()}})
    seen = [shares(g, a, b, 4, key=k) for k in keys.values()]
    assert set(seen) == {(4, 0), (0, 4)}


def test_split_that_sticks_to_a_user(gateway, a, b):
    g = gateway([a, b], split_config(a, b, sticky="user"))
    first, second = shares(g, a, b, 160, users=40)
    assert first and second and first + second == 160
    users = [{r.json()["user"] for r in u.requests} for u in (a, b)]
    assert not users[0] & users[1]


def balanced(gateway, a, b, balance, weights=(1, 1)):
    pool = pool_of([a, b], balance=balance)
    for backend, weight in zip(pool["backends"], weights):
        backend.update(priority=1, weight=weight)
    return gateway([a, b], {"pools": {"main": pool}})


def test_weighted_random_serves_by_weight(gateway, a, b):
    assert 115 < shares(balanced(gateway, a, b, "weighted_random", (3, 1)), a, b)[0] < 180


def test_round_robin_serves_exactly_by_weight(gateway, a, b):
    assert shares(balanced(gateway, a, b, "round_robin", (3, 1)), a, b) == (150, 50)


def test_least_outstanding_leaves_who_is_busy(gateway, a, b):
    g = balanced(gateway, a, b, "least_outstanding")
    a.default = lambda c, r: c.wait_until_peer_leaves(10)
    with g.connect() as wire:
        while not a.requests:  # chance decides between two that are idle
            served = len(b.requests)
            wire.request("POST", CHAT, {"api-key": KEY}, QUESTION)
            a.wait_for(lambda: a.requests or len(b.requests) > served)
            if not a.requests:
                wire.read_answer()
        assert shares(g, a, b, 20) == (0, 20)


def test_peak_ewma_leaves_who_is_slow(gateway, a, b):
    g = balanced(gateway, a, b, "peak_ewma")
    a.default = lambda c, r: (time.sleep(0.1), answer_chat(c, r))
    first, second = shares(g, a, b, 60)
    assert 1 <= first <= 10 and second >= 50


def test_own_region_comes_first_inside_a_priority(gateway, a, b):
    pool = pool_of([a, b], prefer="region")
    for backend in pool["backends"]:
        backend.update(priority=1)
    g = gateway([a, b], {"gateway": {"region": "northeurope"}, "pools": {"main": pool},
                         "instances": {"a": {"region": "westeurope"}, "b": {"region": "northeurope"}}})
    assert shares(g, a, b, 20) == (0, 20)
    b.default = lambda c, r: c.error(429, fields={"retry-after": "9"})
    assert g.chat().json()["model"] == "a"


def test_spillover_is_counted(pair, a):
    a.then(lambda c, r: c.error(429, fields={"retry-after": "60"}))
    for _ in range(4):
        pair.chat()
    pair.wait_for_metric(1, "spillway_retries_total", pool="main", reason="throttled")
    pair.wait_for_metric(3, "spillway_spillovers_total", pool="main")
    pair.wait_for_metric(1, "spillway_attempts_total", backend="a/gpt4o-a", outcome="429")
    pair.wait_for_metric(4, "spillway_attempts_total", backend="b/gpt4o-b", outcome="200")
