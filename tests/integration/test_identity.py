"""Identities in and out: tokens and certificates of clients, tokens of the gateway; nobody holds an Azure key."""

import threading
import time

import pytest
from support.config import KEY, merge
from support.gateway import CHAT, QUESTION, STREAM
from support.identity import APP, AUDIENCE, GATEWAY_APP, MANAGED, identity_settings, imds, trusting_config
from support.simulator import IDENTITY_HEADER, TENANT

def until(holds, seconds=10, message="it never came true"):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, message
        time.sleep(0.02)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def trusting(gateway, simulator, certs):
    """A gateway that trusts the simulator's tenant and has identities of its own. `over` goes over the configuration."""

    def make(over=None, credential=None, identity=None, provider=None):
        sim = simulator(identity=identity_settings(identity))
        g = gateway(sim.instances, merge(trusting_config(sim, certs, credential, provider), over or {}))
        until(lambda: g.ask("GET", "/health/ready", key=None).status == 200)
        return g, sim

    return make


def token_of(sim, claims=(), **wanted):
    return sim.mint(claims={"azp": APP, "appid": APP, **dict(claims)}, **wanted)


def wait_for_refusal(g, why):
    """The access log is written behind the requests."""
    until(lambda: why in [line.get("refused") for line in g.access_log()], 5, f"nobody was refused for {why}")


# Clients' tokens


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


# The gateway's own identities


def test_no_azure_key_is_left_anywhere(trusting):
    g, sim = trusting()
    answer = g.ask("POST", CHAT, {}, QUESTION)
    assert answer.status == 200
    (seen,) = sim.requests()[-1:]
    names = {n.lower(): v for n, v in seen["headers"].items()} if isinstance(seen.get("headers"), dict) else {}
    assert "api-key" not in names


@pytest.mark.parametrize("kind", ["imds", "imds_system", "app_service", "chain"])
def test_managed_identities(trusting, kind, monkeypatch):
    def source(sim):
        if kind == "imds":
            return imds(sim)
        if kind == "imds_system":
            return {"managed_identity": {"endpoint": "imds", "url": sim.managed_identity_url}}
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{sim.managed_identity_url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", IDENTITY_HEADER)
        return {"managed_identity": {"client_id": MANAGED}}

    over = {}
    if kind == "chain":
        over = {"credentials": {"own": {"managed_identity": None, "chain": ["pod", "machine"]},
                                "pod": {"workload_identity": {"tenant": TENANT, "client_id": APP,
                                                              "token_file": "/nowhere/token"}}}}

        def source(sim):  # noqa: F811
            over["credentials"]["machine"] = imds(sim)
            return {}
    g, sim = trusting(over, credential=source)
    assert g.ask("POST", CHAT, {}, QUESTION).status == 200
    assert g.status()["credentials"][0]["usable"]


def test_one_token_serves_all_instances_of_an_identity(trusting):
    g, sim = trusting(credential=imds)
    for _ in range(20):
        assert g.ask("POST", CHAT, {}, QUESTION).status == 200
    assert sim.identity_state()["endpoints"]["imds"]["requests"] == 1
    assert len(g.status()["credentials"]) == 1


def test_a_federated_token_is_read_anew(trusting, tmp_path, certs):
    file = tmp_path / "federated"
    file.write_text("first")
    identity = {"applications": [{"tenant": TENANT, "client_id": GATEWAY_APP, "federated_token_file": str(file)}],
                "token_lifetime": "4s"}
    g, sim = trusting(identity=identity, credential=lambda sim: {"workload_identity": {
        "tenant": TENANT, "client_id": GATEWAY_APP, "authority": sim.identity_url, "ca_file": str(certs.ca),
        "token_file": str(file)}})
    for turn in range(3):
        file.write_text(f"turn {turn}")
        seen = g.status()["credentials"][0]["refreshes"]
        until(lambda: g.status()["credentials"][0]["refreshes"] > seen)
        assert g.ask("POST", CHAT, {}, QUESTION).status == 200
    assert g.status()["credentials"][0]["failures"] == 0


def test_a_certificate_proves_the_application(trusting, tmp_path, certs):
    import subprocess
    key, cert = tmp_path / "app.key", tmp_path / "app.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "2", "-subj", "/CN=app"], check=True, capture_output=True)
    identity = {"applications": [{"tenant": TENANT, "client_id": GATEWAY_APP, "certificate": str(cert)}]}
    g, sim = trusting(identity=identity, credential=lambda sim: {"client_certificate": {
        "tenant": TENANT, "client_id": GATEWAY_APP, "authority": sim.identity_url, "ca_file": str(certs.ca),
        "certificate": str(cert), "key": str(key)}})
    assert g.ask("POST", CHAT, {}, QUESTION).status == 200


def test_the_old_token_serves_while_its_source_is_away(trusting):
    g, sim = trusting(credential=imds, identity={"token_lifetime": "8s"})
    sim.identity_fault(endpoint="imds", status=410)
    end = time.monotonic() + 6  # longer than the token's half-life, shorter than its life
    while time.monotonic() < end:
        assert g.ask("POST", CHAT, {}, QUESTION).status == 200
        time.sleep(0.1)
    report = g.status()["credentials"][0]
    assert report["failures_in_a_row"] > 0 and "410" in report["last_error"]
    # Documented: an endpoint that is being updated is left alone for some seconds, and one request is in flight.
    assert sim.identity_state()["endpoints"]["imds"]["by_status"]["410"] <= 2
    sim.identity_heal()
    until(lambda: g.status()["credentials"][0]["failures_in_a_row"] == 0, 20)
    assert g.ask("POST", CHAT, {}, QUESTION).status == 200


def test_readiness_waits_for_the_first_token(trusting, gateway):
    g, sim = trusting(credential=imds)
    sim.identity_fault(endpoint="imds", status=500)
    g.stop()
    g.start()
    assert g.ask("GET", "/health/ready", key=None).status == 503
    assert g.ask("GET", "/health/live", key=None).status == 200
    until(lambda: g.status()["credentials"][0]["failures"] > 0)
    answer = g.ask("POST", CHAT, {}, QUESTION)
    assert answer.status == 503 and "authorization" not in str(answer.body).lower()
    sim.identity_heal()
    until(lambda: g.ask("GET", "/health/ready", key=None).status == 200, 20)
    assert g.ask("POST", CHAT, {}, QUESTION).status == 200


def test_a_refused_token_is_renewed_once_and_the_client_never_knows(trusting):
    g, sim = trusting(credential=imds)
    assert g.ask("POST", CHAT, {}, QUESTION).status == 200
    sim.revoke()
    before = sim.identity_state()["endpoints"]["imds"]["requests"]
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(g.ask("POST", CHAT, {}, QUESTION).status))
               for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers == [200] * 8
    assert sim.identity_state()["endpoints"]["imds"]["requests"] - before == 1


def test_a_claims_challenge_reaches_the_token_endpoint(trusting):
    g, sim = trusting()
    sim.revoke(claims=True)
    assert g.ask("POST", CHAT, {}, QUESTION).status == 200
    assert "claims" in sim.identity_state()["endpoints"]["token"]["last"]


def test_an_instance_that_goes_on_refusing_is_left_for_another(trusting):
    g, sim = trusting(credential=imds)
    sim.deny("a", 401)
    before = sim.identity_state()["endpoints"]["imds"]["requests"]
    for _ in range(5):
        assert g.ask("POST", CHAT, {}, QUESTION).status == 200
    assert sim.identity_state()["endpoints"]["imds"]["requests"] - before == 1
    state = {i["name"]: i["breaker"]["state"] for i in g.status()["instances"]}
    assert state == {"a": "misconfigured", "b": "closed"}


def test_when_all_refuse_the_client_hears_that_its_key_is_fine(trusting):
    g, sim = trusting(credential=imds)
    for name in "ab":
        sim.deny(name, 403)
    answer = g.ask("POST", CHAT, {}, QUESTION)
    assert answer.status == 502 and answer.json()["error"]["code"] == "BackendCredentialRefused"


# Passthrough


PASS = {"routes": [{"clients": ["app"], "deployment": "gpt-4o", "pool": "chat", "passthrough": True}]}


def test_a_checked_token_is_passed_on_where_the_route_says_so(trusting):
    g, sim = trusting(PASS, provider={"audiences": [AUDIENCE, "https://cognitiveservices.azure.com"]})
    # A token that an instance takes: made by the token endpoint for Azure's own audience.
    token = own_token(g, sim)
    assert g.ask("POST", CHAT, bearer(token), QUESTION, key=None).status == 200
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
