"""Tokens and keys of clients: whose they are, how long they count, and where they may be passed on."""

import threading
import time

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION, STREAM
from support.identity import APP, AUDIENCE, GATEWAY_APP, bearer, token_of, until, wait_for_refusal
from support.simulator import TENANT


@pytest.mark.parametrize("version", [1, 2])
def test_a_token_of_either_form_is_the_client(trusting, version):
    g, sim = trusting()
    assert g.ask("POST", CHAT, bearer(token_of(sim, version=version)), QUESTION, key=None).status == 200
    assert g.ask("POST", CHAT, bearer(token_of(sim, version=version)), STREAM, key=None).status == 200
    assert {line["auth"] for line in g.wait_for_access_log(2)} == {"token"}


def test_keys_and_tokens_live_side_by_side(trusting):
    g, sim = trusting()
    assert g.ask("POST", CHAT, {}, QUESTION, key=KEY).status == 200
    assert g.ask("POST", CHAT, {"Authorization": f"Bearer {KEY}"}, QUESTION, key=None).status == 200
    assert g.ask("POST", CHAT, bearer(token_of(sim)), QUESTION, key=None).status == 200


@pytest.mark.parametrize("match, claims, found", [
    ({"application": APP}, {}, True),
    ({"application": APP.upper()}, {}, True),
    ({"application": GATEWAY_APP}, {}, False),
    ({"object": "0b1e"}, {"oid": "0b1e"}, True),
    ({"object": "0b1e"}, {"oid": "0b1f"}, False),
    ({"roles": ["Other", "Spillway.Use"]}, {"roles": ["Spillway.Use"]}, True),
    ({"roles": ["Spillway.Use"]}, {"roles": ["Other"]}, False),
    ({"roles": ["Spillway.Use"]}, {"roles": None}, False),
    ({"scopes": ["use"]}, {"scp": "read use"}, True),
    ({"scopes": ["use"]}, {"scp": "reuse"}, False),
    ({"groups": ["g2"]}, {"groups": ["g1", "g2"]}, True),
    ({"application": APP, "roles": ["Spillway.Use"]}, {"roles": ["Other"]}, False),
])
def test_who_a_token_stands_for(trusting, match, claims, found):
    g, sim = trusting({"clients": {"app": {"entra": {"application": None, **match}}}})
    answer = g.ask("POST", CHAT, bearer(token_of(sim, claims=claims)), QUESTION, key=None)
    assert answer.status == (200 if found else 401)
    if not found:
        assert answer.header("www-authenticate").startswith("Bearer ")
        wait_for_refusal(g, "token_no_client")


def test_any_openid_provider_will_do(trusting):
    issuer = {}

    def over(sim):
        issuer["url"] = f"{sim.identity_url}/{TENANT}/v2.0"
    g, sim = trusting()
    over(sim)
    g.reload({
        "token_providers": {"other": {"issuer": issuer["url"], "audiences": ["api://else"],
                                      "ca_file": g.config["token_providers"]["contoso"]["ca_file"]}, "contoso": None},
        "clients": {"app": {"entra": None, "openid": {"provider": "other", "claims": {"azp": APP, "roles": "Ops"}}}}})
    good = token_of(sim, claims={"aud": "api://else", "roles": ["Dev", "Ops"]})
    until(lambda: g.ask("POST", CHAT, bearer(good), QUESTION, key=None).status == 200)
    bad = token_of(sim, claims={"aud": "api://else", "roles": ["Dev"]})
    assert g.ask("POST", CHAT, bearer(bad), QUESTION, key=None).status == 401


def test_a_token_is_believed_until_its_end_and_no_longer(trusting):
    g, sim = trusting(provider={"skew": "0s"})
    token = token_of(sim, claims={"exp": int(time.time()) + 2})
    assert g.ask("POST", CHAT, bearer(token), QUESTION, key=None).status == 200
    until(lambda: g.ask("POST", CHAT, bearer(token), QUESTION, key=None).status == 401)
    wait_for_refusal(g, "token_expired")


def test_a_signature_is_checked_once_for_many_requests(trusting):
    g, sim = trusting()
    token = token_of(sim)
    for _ in range(20):
        assert g.ask("POST", CHAT, bearer(token), QUESTION, key=None).status == 200
    assert g.metric("spillway_tokens_verified_total") == 1


def test_a_rollover_of_keys_costs_no_request(trusting):
    g, sim = trusting(provider={"unknown_key": "1s"})
    failures, done, count = [], threading.Event(), [0]
    tokens = [token_of(sim)]

    def work():
        while not done.is_set():
            answer = g.ask("POST", CHAT, bearer(tokens[-1]), QUESTION, key=None)
            count[0] += 1
            if answer.status != 200:
                failures.append(answer.body)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for w in workers:
        w.start()
    for _ in range(3):
        sim.rotate_keys(keep_old=True)
        tokens.append(token_of(sim))
        seen = count[0]
        until(lambda: count[0] > seen + 50, 30)
        time.sleep(1.1)  # the limit on asking for unknown keys is real time
    done.set()
    for w in workers:
        w.join()
    assert not failures and count[0] > 150


def test_a_key_that_was_withdrawn_counts_no_more(trusting):
    g, sim = trusting(provider={"unknown_key": "1s", "refresh": "1s"})
    old = token_of(sim)
    assert g.ask("POST", CHAT, bearer(old), QUESTION, key=None).status == 200
    sim.rotate_keys(keep_old=False)
    until(lambda: g.ask("POST", CHAT, bearer(old), QUESTION, key=None).status == 401)
    assert g.ask("POST", CHAT, bearer(token_of(sim)), QUESTION, key=None).status == 200


def test_unknown_keys_are_asked_for_once_in_a_while_however_many_ask(trusting):
    g, sim = trusting()
    before = sim.identity_state()["endpoints"]["keys"]["requests"]
    for n in range(10):
        answer = g.ask("POST", CHAT, bearer(token_of(sim, key="unknown", header={"kid": f"made-up-{n}"})), QUESTION,
                       key=None)
        assert answer.status == 401
    assert sim.identity_state()["endpoints"]["keys"]["requests"] - before == 1


def test_keys_that_were_read_survive_their_source(trusting):
    g, sim = trusting(provider={"refresh": "1s"})
    token = token_of(sim)
    sim.identity_fault(endpoint="metadata", status=500)
    until(lambda: g.status()["token_providers"][0]["failures"] > 0)
    assert g.ask("POST", CHAT, bearer(token), QUESTION, key=None).status == 200
    assert "500" in g.status()["token_providers"][0]["last_error"]


def test_without_any_keys_a_token_is_no_fault_of_the_client(trusting, gateway):
    g, sim = trusting()
    sim.identity_fault(endpoint="metadata", status=503)
    g.stop()
    g.start()
    answer = g.ask("POST", CHAT, bearer(token_of(sim)), QUESTION, key=None)
    assert answer.status == 503 and answer.json()["error"]["code"] == "TokenKeysUnavailable"
    assert g.ask("POST", CHAT, {}, QUESTION).status in (200, 503)
    sim.identity_heal()
    until(lambda: g.ask("POST", CHAT, bearer(token_of(sim)), QUESTION, key=None).status == 200, 20)


# Passthrough


PASS = {"routes": [{"clients": ["app"], "deployment": "gpt-4o", "pool": "chat", "passthrough": True}]}


def test_a_checked_token_is_passed_on_where_the_route_says_so(trusting):
    routes = [*PASS["routes"], {"clients": ["app"], "deployment": "text-embedding-3-small", "pool": "embeddings"}]
    g, sim = trusting({"routes": routes}, provider={"passthrough_audiences": ["https://cognitiveservices.azure.com"]})
    # A token that an instance takes: made by the token endpoint for Azure's own audience.
    token = own_token(g, sim)
    assert g.ask("POST", CHAT, bearer(token), QUESTION, key=None).status == 200
    # It was made for Azure, so it opens nothing that the gateway would pay for with its own identity.
    elsewhere = {"model": "text-embedding-3-small", "input": "x"}
    refused = g.ask("POST", "/openai/v1/embeddings", bearer(token), elsewhere, key=None)
    assert refused.status == 403 and refused.json()["error"]["code"] == "TokenForAzure"
    sim.revoke()
    refused = g.ask("POST", CHAT, bearer(token), QUESTION, key=None)
    # That is between the client and Azure: the client hears it, and no breaker opens.
    assert refused.status == 401
    assert {i["breaker"]["state"] for i in g.status()["instances"]} == {"closed"}


def own_token(g, sim):
    import json
    import ssl
    import urllib.request
    context = ssl.create_default_context(cafile=g.config["token_providers"]["contoso"]["ca_file"])
    form = (f"grant_type=client_credentials&client_id={APP}&client_secret=of-the-app"
            "&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default")
    with urllib.request.urlopen(f"{sim.identity_url}/{TENANT}/oauth2/v2.0/token", form.encode(), context=context) as r:
        return json.load(r)["access_token"]


def test_passthrough_takes_no_key_and_no_other_deployment(trusting):
    g, sim = trusting(PASS)
    refused = g.ask("POST", CHAT, {}, QUESTION)
    assert refused.status == 403 and refused.json()["error"]["code"] == "TokenRequired"
    token = bearer(token_of(sim))
    other = CHAT.replace("gpt-4o", "gpt-4o-b")
    assert g.ask("POST", other, token, QUESTION, key=None).status == 404
    for name in ("x-ms-spillover-deployment", "x-ms-oai-image-generation-deployment"):
        assert g.ask("POST", CHAT, {**token, name: "gpt-4o-b"}, QUESTION, key=None).status == 404
    assert g.ask("POST", CHAT + "&deployment=gpt-4o-b", token, QUESTION, key=None).status == 404
    assert not sim.requests()


# Keys


def test_keys_have_a_life(trusting):
    import datetime

    from support.config import key_hash
    soon = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    g, _ = trusting({"clients": {"app": {"keys": [
        {"hash": key_hash("ends"), "expires": soon, "label": "old"},
        {"hash": key_hash("begins"), "not_before": soon, "label": "new"},
        {"hash": key_hash("is over"), "expires": "2020-01-01"}]}}})
    assert g.ask("POST", CHAT, {}, QUESTION, key="is over").status == 401
    if g.ask("POST", CHAT, {}, QUESTION, key="ends").status == 200:
        until(lambda: "old" in [line.get("key") for line in g.access_log()])
    until(lambda: g.ask("POST", CHAT, {}, QUESTION, key="begins").status == 200)
    assert g.ask("POST", CHAT, {}, QUESTION, key="ends").status == 401
    wait_for_refusal(g, "key_expired")


def test_a_keys_file_reloads_by_itself(trusting, tmp_path):
    from support.config import key_hash
    file = tmp_path / "keys.yaml"
    file.write_text("app: []\n")
    g, _ = trusting({"keys_file": str(file)})
    assert g.ask("POST", CHAT, {}, QUESTION, key="later").status == 401
    file.write_text(f"app:\n  - {{ hash: '{key_hash('later')}', label: ci }}\n")
    until(lambda: g.ask("POST", CHAT, {}, QUESTION, key="later").status == 200)
    file.write_text("nobody: ['sha256:" + "0" * 64 + "']\n")
    until(lambda: "nobody" in str(g.log()))
    assert g.ask("POST", CHAT, {}, QUESTION, key="later").status == 200


# The door


def test_guessing_costs_time(trusting):
    g, _ = trusting({"slow_down": {"failures": 3, "window": "1m", "max_delay": "400ms"}})
    times = []
    for n in range(6):
        began = time.monotonic()
        assert g.ask("POST", CHAT, {}, QUESTION, key=f"guess-{n}").status == 401
        times.append(time.monotonic() - began)
    assert max(times[:3]) < 0.1 < min(times[4:])
    began = time.monotonic()
    assert g.ask("POST", CHAT, {}, QUESTION).status == 200
    assert time.monotonic() - began < 0.1
    assert g.metric("spillway_slowed_down_total") == 3
