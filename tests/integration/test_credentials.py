"""The gateway's own identities: where its tokens come from, how they are kept fresh, what a refusal leads to."""

import threading
import time

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION
from support.identity import APP, GATEWAY_APP, MANAGED, bearer, imds, token_of, until
from support.simulator import IDENTITY_HEADER, TENANT


def test_no_azure_key_and_nothing_of_the_client_goes_out(trusting, upstream):
    seen = upstream("seen")
    g, sim = trusting()
    instance = {"endpoint": f"https://{seen.host}", "address": f"127.0.0.1:{seen.port}", "credential": "own",
                "ca_file": g.config["token_providers"]["contoso"]["ca_file"]}
    backend = {"instance": "seen", "deployment": "x", "type": "global_standard"}
    g.reload({"instances": {"seen": instance},
              "pools": {"chat": {"backends": [backend]}}})
    theirs = token_of(sim)
    for fields, key in (({}, KEY), (bearer(theirs), None)):
        assert g.ask("POST", CHAT, fields, QUESTION, key=key).status == 200
        request = seen.requests[-1]
        assert request.header("api-key") is None
        kind, _, token = request.header("authorization").partition(" ")
        assert kind == "Bearer" and token.count(".") == 2 and token != theirs
        assert KEY.encode() not in request.raw and theirs.encode() not in request.raw


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


@pytest.mark.native_only  # mostly waiting
def test_a_federated_token_is_read_anew(trusting, tmp_path, certs):
    file = tmp_path / "federated"
    file.write_text("first")
    identity = {"applications": [{"tenant": TENANT, "client_id": GATEWAY_APP, "federated_token_file": str(file)}],
                "token_lifetime": "4s"}
    g, sim = trusting(identity=identity, credential=lambda sim: {"workload_identity": {
        "tenant": TENANT, "client_id": GATEWAY_APP, "authority": sim.identity_url, "ca_file": str(certs.ca),
        "token_file": str(file)}})
    for turn in range(3):
        file.write_text(f"turn-{turn}")
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


@pytest.mark.native_only  # mostly waiting
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
