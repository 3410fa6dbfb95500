"""The simulator's identity part, judged by the libraries that clients of Entra ID use."""

import base64
import json
import re
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import jwt
import pytest
import yaml
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientAssertionCredential, ClientSecretCredential
from support.certs import openssl
from support.config import free_port
from support.gateway import binary
from support.simulator import IDENTITY_HEADER, TENANT
from support.wire import Wire

AZURE = "https://cognitiveservices.azure.com"
AUDIENCE = "api://spillway"
APP, CERTIFIED, FEDERATED, MANAGED = (f"00000000-0000-4000-8000-00000000000{n}" for n in "1234")


@pytest.fixture(scope="session")
def client_pem(tmp_path_factory):
    """Key and certificate of an application, in one file as azure-identity wants it."""
    folder = tmp_path_factory.mktemp("application")
    key, certificate, both = (folder / name for name in ("app.key", "app.crt", "app.pem"))
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", "/CN=app", "-days", 2,
            "-out", certificate)
    both.write_text(key.read_text() + certificate.read_text())
    return both


@pytest.fixture
def sim(simulator, client_pem, tmp_path):
    return simulator(identity={
        "token_lifetime": "30m",
        "applications": [{"client_id": APP, "secret": "s3cret", "roles": ["Spillway.Use"]},
                         {"client_id": CERTIFIED, "certificate": str(client_pem)},
                         {"client_id": FEDERATED, "federated_token_file": str(tmp_path / "federated")}],
        "managed_identities": [{"client_id": MANAGED, "object_id": "managed-object", "system": True}]})


@pytest.fixture
def fetch(certs):
    def get(url, headers=None, timeout=10):
        """(status, headers, JSON)"""
        context = certs.client_context() if url.startswith("https") else None
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=timeout,
                                        context=context) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.load(error)
    return get


@pytest.fixture
def verify(sim, certs):
    """Claims of a token, as a client that starts from the tenant's metadata finds them."""
    def claims(token, version=2, audience=AUDIENCE):
        context = certs.client_context()
        path = "/v2.0" if version == 2 else ""
        with urllib.request.urlopen(f"{sim.identity_url}/{TENANT}{path}/.well-known/openid-configuration",
                                    context=context) as answer:
            metadata = json.load(answer)
        keys = jwt.PyJWKClient(metadata["jwks_uri"], ssl_context=context)
        return jwt.decode(token, keys.get_signing_key_from_jwt(token), algorithms=["RS256"], audience=audience,
                          issuer=metadata["issuer"], options={"require": ["exp", "iat", "nbf"]})
    return claims


def imds(sim, **query):
    query = {"api-version": "2018-02-01", "resource": AZURE, **query}
    return f"{sim.managed_identity_url}/metadata/identity/oauth2/token?{urllib.parse.urlencode(query)}"


def use(sim, certs, token, instance=0):
    to = sim.instances[instance]
    with Wire(to.port, certs.client_context(), name=to.host) as wire:
        return wire.ask("GET", "/openai/v1/models", {"authorization": f"Bearer {token}"})


def managed_token(sim, fetch):
    return fetch(imds(sim), {"Metadata": "true"})[2]["access_token"]


@pytest.mark.parametrize("version", [1, 2])
def test_minted_tokens_verify_against_the_served_keys(sim, verify, version):
    claims = verify(sim.mint(version=version), version)
    assert claims["tid"] == TENANT and claims["roles"] == ["Spillway.Use"]
    assert claims["azp" if version == 2 else "appid"] == APP
    assert claims["exp"] - claims["iat"] == 3600
    assert verify(sim.mint(version=version, claims={"uti": None, "scp": "a b"}), version)["scp"] == "a b"


@pytest.mark.parametrize("changes, error", [
    ({"claims": {"exp": 1}}, jwt.ExpiredSignatureError), ({"claims": {"aud": "other"}}, jwt.InvalidAudienceError),
    ({"claims": {"iss": "https://other"}}, jwt.InvalidIssuerError), ({"claims": {"nbf": 1 << 40}},
                                                                    jwt.ImmatureSignatureError),
    ({"claims": {"exp": None}}, jwt.MissingRequiredClaimError), ({"header": {"alg": "none"}}, jwt.InvalidTokenError),
    ({"header": {"alg": "HS256"}}, jwt.InvalidAlgorithmError), ({"key": "unknown"}, jwt.PyJWKClientError)], ids=str)
def test_tokens_can_be_wrong_in_every_way(sim, verify, changes, error):
    with pytest.raises(error):
        verify(sim.mint(**changes))


def test_the_signature_of_an_unknown_key_under_a_known_kid_fails(sim, verify):
    with pytest.raises(jwt.InvalidSignatureError):
        verify(sim.mint(key="unknown", header={"kid": sim.identity_state()["kid"]}))


def test_rotation_keeps_the_old_key_or_drops_it(sim, verify):
    old = sim.mint()
    kid = sim.rotate_keys()
    assert jwt.get_unverified_header(sim.mint())["kid"] == kid
    assert verify(old) and verify(sim.mint()) and verify(sim.mint(key="previous"))
    sim.rotate_keys(keep_old=False)
    assert verify(sim.mint())
    with pytest.raises(jwt.PyJWKClientError):
        verify(old)


def credential_settings(sim, certs):
    return {"authority": sim.identity_url, "disable_instance_discovery": True, "connection_verify": str(certs.ca)}


def test_azure_identity_gets_a_token_by_secret(sim, certs, verify):
    credential = ClientSecretCredential(TENANT, APP, "s3cret", **credential_settings(sim, certs))
    got = credential.get_token(f"{AZURE}/.default")
    claims = verify(got.token, audience=AZURE)
    assert (claims["azp"], claims["roles"], claims["ver"]) == (APP, ["Spillway.Use"], "2.0")
    assert abs(got.expires_on - time.time() - 1800) < 30
    assert use(sim, certs, got.token).status == 200
    assert f"{AZURE}/.default" in sim.identity_state()["endpoints"]["token"]["last"]["scope"]


def test_azure_identity_gets_a_token_by_certificate(sim, certs, client_pem, verify):
    credential = CertificateCredential(TENANT, CERTIFIED, str(client_pem), **credential_settings(sim, certs))
    claims = verify(credential.get_token(f"{AZURE}/.default").token, audience=AZURE)
    assert (claims["azp"], claims["azpacr"]) == (CERTIFIED, "2")


def test_azure_identity_gets_a_token_by_federation(sim, certs, tmp_path, verify):
    (tmp_path / "federated").write_text("from-the-cluster\n")
    how = credential_settings(sim, certs)
    credential = ClientAssertionCredential(TENANT, FEDERATED, lambda: "from-the-cluster", **how)
    assert verify(credential.get_token(f"{AZURE}/.default").token, audience=AZURE)["azp"] == FEDERATED
    with pytest.raises(ClientAuthenticationError, match="AADSTS70021"):
        ClientAssertionCredential(TENANT, FEDERATED, lambda: "x", **how).get_token(f"{AZURE}/.default")


@pytest.mark.parametrize("client, secret, code", [(APP, "wrong", "AADSTS7000215"), ("nobody", "x", "AADSTS700016")])
def test_azure_identity_understands_the_refusals(sim, certs, client, secret, code):
    credential = ClientSecretCredential(TENANT, client, secret, **credential_settings(sim, certs))
    with pytest.raises(ClientAuthenticationError, match=code):
        credential.get_token(f"{AZURE}/.default")


def test_managed_identity_tokens_open_an_instance(sim, certs, fetch, verify):
    status, _, given = fetch(imds(sim), {"Metadata": "true"})
    assert status == 200 and all(isinstance(v, str) for v in given.values())
    assert verify(given["access_token"], 1, AZURE)["oid"] == "managed-object"
    status, _, app_service = fetch(
        f"{sim.managed_identity_url}/msi/token?api-version=2019-08-01&resource={AZURE}&client_id={MANAGED}",
        {"X-IDENTITY-HEADER": IDENTITY_HEADER})
    assert status == 200 and app_service["access_token"] != given["access_token"]
    for answer in (given, app_service):
        assert use(sim, certs, answer["access_token"]).status == 200
    assert use(sim, certs, sim.mint(claims={"aud": AZURE})).status == 401
    assert fetch(imds(sim))[0] == 400
    assert fetch(imds(sim, client_id="none"), {"Metadata": "true"})[2]["error"] == "identity_not_found"


def test_faults_of_one_endpoint_leave_the_others_alone(sim, certs, fetch):
    keys = f"{sim.identity_url}/common/discovery/v2.0/keys"
    sim.identity_fault(endpoint="keys", status=503, headers={"Retry-After": "1"}, body={"a": 1}, times=1)
    status, headers, body = fetch(keys)
    assert (status, headers["retry-after"], body) == (503, "1", {"a": 1})
    assert fetch(keys)[0] == 200
    sim.identity_fault(endpoint="imds", delay="300ms", times=1)
    began = time.monotonic()
    assert managed_token(sim, fetch)
    assert time.monotonic() - began > 0.29
    sim.identity_fault(endpoint="imds", hang=True)
    with pytest.raises(TimeoutError):
        fetch(imds(sim), {"Metadata": "true"}, timeout=0.5)
    sim.identity_heal()
    assert managed_token(sim, fetch)
    assert sim.identity_state()["endpoints"]["imds"] | {"last": None} == {
        "requests": 3, "by_status": {"200": 2}, "unanswered": 1, "last": None}


@pytest.mark.parametrize("claims", [False, True])
def test_revoked_tokens_are_refused_with_a_challenge_when_asked(sim, certs, fetch, claims):
    token = managed_token(sim, fetch)
    assert sim.revoke(claims) == 1
    refused = use(sim, certs, token)
    assert refused.status == 401
    challenge = refused.header("www-authenticate")
    assert (challenge is not None) == claims
    if claims:
        wanted = json.loads(base64.b64decode(re.search('claims="([^"]+)"', challenge)[1]))
        assert int(wanted["access_token"]["nbf"]["value"]) <= time.time()
    assert use(sim, certs, managed_token(sim, fetch)).status == 200


def test_a_denied_instance_refuses_until_the_reset(sim, certs, fetch):
    token = managed_token(sim, fetch)
    sim.deny("a")
    assert use(sim, certs, token).status == 403
    assert use(sim, certs, token, instance=1).status == 200
    sim.reset()
    assert use(sim, certs, token).status == 200


def test_tokens_of_an_instance_end(simulator, certs, fetch):
    sim = simulator(identity={"token_lifetime": "1s", "managed_identities": [{"client_id": MANAGED}]})
    token = managed_token(sim, fetch)
    until = time.monotonic() + 5
    while use(sim, certs, token).status != 401:
        assert time.monotonic() < until, "the token never ends"
        time.sleep(0.05)


def test_many_clients_at_once_get_different_tokens(sim, fetch):
    got, lock = [], threading.Lock()

    def ask():
        token = managed_token(sim, fetch)
        with lock:
            got.append(token)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(got)) == 16 == sim.identity_state()["tokens"]


def test_free_ports_are_taken_and_told(certs, tmp_path):
    certificate, key = map(str, certs.azure)
    file = tmp_path / "sim.yaml"
    file.write_text(yaml.safe_dump({
        "control": {"address": f"127.0.0.1:{free_port()}"}, "tls": {"certificate": certificate, "key": key},
        "identity": {"address": "127.0.0.1:0", "tls": True, "managed_identity_address": "127.0.0.1:0",
                     "tenants": [TENANT]},
        "instances": {"a": {"address": "127.0.0.1:0"}}}))
    command = [binary("SPILLWAY_SIM_BIN", "spillway-sim"), "run", "--config", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = []
        while not lines or lines[-1] not in ("ready", ""):
            lines.append(process.stdout.readline().strip())
        process.terminate()
    told = dict(line.split(" ") for line in lines[:-1])
    assert lines[-1] == "ready"
    assert re.fullmatch(r"https://127\.0\.0\.1:[1-9]\d*", told["identity"])
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", told["managed-identity"])


def test_the_authority_speaks_tls_with_the_shared_certificate(sim):
    with pytest.raises(urllib.error.URLError) as refused:
        urllib.request.urlopen(f"{sim.identity_url}/common/discovery/v2.0/keys", timeout=5)
    assert isinstance(refused.value.reason, ssl.SSLCertVerificationError)
