"""Where the network has but one way out: instances and identity providers are reached through an HTTP proxy."""

import base64
import json

import pytest
from support.config import UPSTREAM_KEY, deployment_on, merge
from support.gateway import STREAM
from support.identity import until
from support.otlp import Collector
from support.proxy import Proxy

PASSWORD = "hush-4711"


@pytest.fixture
def proxy():
    """proxy({"host:port": port}): a proxy that resolves those names."""
    made = []

    def make(targets, **how):
        made.append(Proxy(targets, **how))
        return made[-1]

    yield make
    for p in made:
        p.close()


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def far(*upstreams):
    """These are known by names that nobody here can resolve."""
    return {"instances": {u.name: {"endpoint": f"https://{u.host}", "address": None} for u in upstreams}}


def way(u, port=443):
    return {f"{u.host}:{port}": u.port}


def by(p, **more):
    return {"net": {"proxy": {"url": p.url, **more}}}


def seen(*places):
    return "".join(p if isinstance(p, str) else p.decode("latin-1") for p in places)


def test_requests_go_through_a_tunnel_which_is_kept(gateway, a, proxy):
    p = proxy(way(a))
    g = gateway([a], merge(far(a), by(p)))
    for _ in range(3):
        assert g.chat().status == 200
    assert p.asked == [f"{a.host}:443"], "three requests, one connection"
    assert len(a.requests) == 3
    assert not [n for r in a.requests for n, _ in r.fields if n.startswith("proxy")]
    assert a.requests[0].header("host") == a.host
    assert UPSTREAM_KEY.encode() not in b"".join(p.heads), "the instance's key is for the instance"
    backend = g.status()["pools"][0]["backends"][0]
    assert backend["proxy"] == f"127.0.0.1:{p.port}"


def test_streams_pass_as_they_come(gateway, a, proxy):
    def script(c, r):
        c.stream_head()
        for n in range(20):
            c.event({"choices": [{"index": 0, "delta": {"content": str(n)}}]})
        c.event("[DONE]")
        c.last_chunk()

    g = gateway([a], merge(far(a), by(proxy(way(a)))))
    a.then(script)
    assert len(g.chat(STREAM).events()) == 21


def test_the_credential_is_for_the_proxy_alone(gateway, a, proxy, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("wrong-0815\n")
    p = proxy(way(a), credential=("gate", PASSWORD))
    g = gateway([a], merge(far(a), by(p, user="gate", password=f"file:{secret}")))
    refused = g.chat()
    assert refused.status == 503
    until(lambda: "status 407" in g.log())
    assert f"proxy 127.0.0.1:{p.port} refuses a tunnel to {a.host}:443" in g.log()
    # The file is watched: rotation is a reload, and another credential another chance.
    secret.write_text(PASSWORD + "\n")
    until(lambda: g.chat().status == 200)
    told = seen(g.log(), refused.body, json.dumps(g.status()), json.dumps(g.access_log()), *(r.raw for r in a.requests))
    for text in ("wrong-0815", PASSWORD):
        assert text not in told
        assert base64.b64encode(f"gate:{text}".encode()).decode() not in told


@pytest.mark.parametrize("refusal, words", [
    (407, "it wants other credentials"), (502, "it cannot reach the target"), (403, "it does not allow this target"),
    (b"SSH-2.0-OpenSSH\r\n\r\n", "answered what is no HTTP"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40000, "a head that is too long"),
    (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n", "sent bytes into the tunnel"),
    (b"", "closed the connection"), ("", "did not open a tunnel"),
])
def test_a_refusal_of_the_proxy_is_no_connection(gateway, a, b, proxy, refusal, words):
    p = proxy(way(a), refuse=refusal)
    g = gateway([a, b], merge(merge(far(a), by(p)), {"pools": {"main": {"timeouts": {"connect": "400ms"}}}}))
    answer = g.chat()
    assert answer.status == 200
    assert answer.json()["model"] == "b", "b has an address on this machine, where no proxy leads"
    assert a.requests == []
    until(lambda: words in g.log())
    assert g.metric("spillway_attempts_total", backend=f"a/{deployment_on(a)}", outcome="connect_failed") == 1


def test_what_is_reached_directly(gateway, a, b, upstream, proxy):
    c = upstream("c")
    p = proxy(way(a))
    named = {"endpoint": "https://localhost:{}", "tls_name": "localhost", "address": None}
    g = gateway([a, b, c], merge(by(p, no_proxy=[".openai.test"]), {"instances": {
        "b": {**named, "endpoint": f"https://localhost:{b.port}"}, "c": {"proxy": "none"}}}))
    statuses = g.status()["pools"][0]["backends"]
    assert [s["proxy"] for s in statuses] == [None, None, None]
    for u in (a, b, c):
        assert g.chat().json()["model"] == u.name
        u.default = lambda conn, r: conn.error(503)
    assert p.requests == []


def test_the_environment_counts_until_the_file_says_otherwise(gateway, a, b, proxy, monkeypatch):
    p = proxy({**way(a), **way(b)})
    monkeypatch.setenv("HTTPS_PROXY", f"http://gate:{PASSWORD}@127.0.0.1:{p.port}")
    monkeypatch.setenv("no_proxy", "b.openai.test")
    p.credential = ("gate", PASSWORD)
    g = gateway([a, b], far(a, b))
    assert g.chat().status == 200
    assert p.asked == [f"{a.host}:443"]
    assert [x["proxy"] for x in g.status()["pools"][0]["backends"]] == [f"127.0.0.1:{p.port}", None]
    assert PASSWORD not in seen(g.log(), json.dumps(g.status()))
    # Directly a has no address.
    assert g.reload({"net": {"proxy": "none"}}).status == 200
    assert g.chat().status == 503
    assert g.reload({"net": None}).status == 200
    until(lambda: g.chat().status == 200)


def test_a_proxy_that_cannot_be_used_is_never_gone_around(gateway, a, monkeypatch):
    g = gateway([a], start=False)
    g.write(g.config)
    monkeypatch.setenv("HTTPS_PROXY", f"socks5://gate:{PASSWORD}@127.0.0.1:1")
    with pytest.raises(AssertionError, match="ended at once"):
        g.start()
    assert "HTTPS_PROXY" in g.log()
    assert PASSWORD not in g.log()


def test_an_endpoint_without_tls_has_a_tunnel_as_well(gateway, upstream, proxy):
    plain = upstream("plain", tls=False)
    p = proxy(way(plain, 8000))
    g = gateway([plain], merge(by(p), {"instances": {"plain": {
        "endpoint": f"http://{plain.host}:8000", "insecure": True, "address": None, "ca_file": None}}}))
    assert g.chat().status == 200
    assert p.asked == [f"{plain.host}:8000"]
    assert plain.requests[0].target.startswith("/openai/deployments/")


def test_the_address_of_an_instance_is_what_the_proxy_is_asked_for(gateway, a, proxy):
    p = proxy({"private.test:8443": a.port})
    g = gateway([a], merge(by(p), {"instances": {"a": {"address": "private.test:8443"}}}))
    assert g.chat().status == 200
    assert p.asked == ["private.test:8443"]
    assert a.requests[0].header("host") == a.host


TENANT = "72f988bf-0000-4000-8000-000000000001"


def test_identity_providers_are_asked_through_it_and_metadata_services_are_not(gateway, a, upstream, proxy, certs):
    def answer(c, r):
        if "token" in r.target:
            c.answer(200, {"access_token": "the-gateways-own", "token_type": "Bearer", "expires_in": 3600})
        elif "openid-configuration" in r.target:
            c.answer(200, {"issuer": "https://login.openai.test", "jwks_uri": "https://login.openai.test/keys"})
        else:
            c.answer(200, {"keys": []})

    login = upstream("login", default=answer)
    machine = upstream("machine", tls=False, default=answer)
    p = proxy({**way(a), **way(login)})
    application = {"tenant": TENANT, "client_id": "6a7e0000-0000-4000-8000-000000000002", "secret": "s",
                   "authority": "https://login.openai.test", "ca_file": str(certs.ca)}
    g = gateway([a], merge(merge(far(a), by(p)), {
        "credentials": {"azure": None, "own": {"chain": ["machine", "application"]},
                        "machine": {"managed_identity": {"endpoint": "imds", "url": f"http://127.0.0.1:{machine.port}"}},
                        "application": {"client_secret": application}},
        "instances": {"a": {"credential": "own"}},
        "token_providers": {"other": {"issuer": "https://login.openai.test", "audiences": ["x"],
                                      "ca_file": str(certs.ca)}}}))
    until(lambda: g.chat().status == 200)
    assert a.requests[-1].header("authorization") == "Bearer the-gateways-own"
    login.wait_for_requests(2)
    assert {t for t in p.asked} == {f"{a.host}:443", "login.openai.test:443"}
    assert [r.target.partition("?")[0] for r in machine.requests] == ["/metadata/identity/oauth2/token"]
    g.reload({"credentials": {"own": {"chain": ["application"]}}})
    until(lambda: any("/oauth2/v2.0/token" in r.target for r in login.requests))
    assert g.chat().status == 200


@pytest.fixture
def collector():
    with Collector() as c:
        yield c


def traced(**net):
    return {"tracing": {"endpoint": "http://otel.collect.test:4318", "sample": "100%"}, **net}


def port_of(collector):
    return int(collector.url.rpartition(":")[2])


def test_spans_go_through_the_proxy_too(gateway, a, proxy, collector):
    p = proxy({"otel.collect.test:4318": port_of(collector)}, credential=("gate", PASSWORD))
    g = gateway([a], traced(**by(p, user="gate", password=PASSWORD)))
    assert g.chat().status == 200
    assert collector.wait_for(lambda spans: len(spans) >= 2)
    assert set(p.asked) == {"otel.collect.test:4318"}, "the instance has an address on this machine"
    assert not [n for fields in collector.headers for n in fields if n.lower().startswith("proxy")]
    assert collector.headers[0]["host"] == "otel.collect.test:4318"


def test_spans_follow_the_environment_and_reloads(gateway, a, proxy, collector, monkeypatch):
    p = proxy({"otel.collect.test:4318": port_of(collector)})
    second = proxy({"otel.collect.test:4318": port_of(collector)})
    monkeypatch.setenv("http_proxy", p.url)
    g = gateway([a], traced())
    assert g.chat().status == 200
    assert collector.wait_for(lambda spans: len(spans) >= 2)
    before = len(p.asked)
    assert before > 0
    assert g.reload(by(second)).status == 200
    assert g.chat().status == 200
    assert collector.wait_for(lambda spans: len(spans) >= 4)
    assert len(p.asked) == before and second.asked
    # Directly nobody here knows that name: spans are lost, requests are not.
    seen_by_second = len(second.asked)
    assert g.reload(by(second, no_proxy=["collect.test"])).status == 200
    assert g.chat().status == 200
    until(lambda: g.metric("spillway_trace_export_failures_total") > 0)
    assert len(second.asked) == seen_by_second
