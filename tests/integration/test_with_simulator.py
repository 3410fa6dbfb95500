"""The gateway in front of a whole Azure: quotas, every form of Retry-After, every way to break."""

import json
import threading
import time

import pytest
from support.config import KEY, UPSTREAM_KEY
from support.gateway import CHAT, QUESTION, STREAM
from support.wire import Wire

RESPONSES = "/openai/v1/responses"


@pytest.fixture
def azure(gateway, simulator):
    sim = simulator(deterministic=True)
    return gateway(sim.instances, sim.gateway_config()), sim


def directly(sim, certs, method, target, body):
    """The same request, sent to the first instance without a gateway."""
    to = sim.instances[0]
    target = target.replace("/deployments/gpt-4o/", "/deployments/gpt-4o-a/")
    body = {**body, "model": body["model"] + "-a"} if "model" in body else body
    with Wire(to.port, certs.client_context(), name=to.host) as wire:
        return wire.ask(method, target, {"api-key": UPSTREAM_KEY}, body)


@pytest.mark.parametrize("target, body", [
    (CHAT, QUESTION), (CHAT, STREAM), (CHAT, {**STREAM, "stream_options": {"include_usage": True}}),
    ("/openai/v1/chat/completions", {**STREAM, "model": "gpt-4o"}),
    ("/openai/v1/completions", {"model": "gpt-4o", "prompt": "x", "stream": True}),
    (RESPONSES, {"model": "gpt-4o", "input": "x"}), (RESPONSES, {"model": "gpt-4o", "input": "x", "stream": True}),
    ("/openai/v1/audio/speech", {"model": "tts-1", "input": "x", "voice": "alloy"}),
    ("/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": ["x", "y"]}),
    ("/openai/v1/images/generations", {"model": "dall-e-3", "prompt": "x", "response_format": "b64_json"}),
])
def test_answers_are_the_same_bytes_as_without_a_gateway(azure, certs, target, body):
    g, sim = azure
    direct = directly(sim, certs, "POST", target, body)
    through = g.chat(body, target=target)
    assert direct.status == through.status == 200
    assert direct.body and through.body == direct.body
    assert through.header("content-type") == direct.header("content-type")
    for name in ("x-ms-region", "apim-request-id", "x-ms-rai-invoked"):
        assert (through.header(name) is None) == (direct.header(name) is None)


@pytest.mark.parametrize("told, seconds", [
    ({"retry_after": "1"}, 1), ({"retry_after": "0.6"}, 0.6), ({"retry_after_ms": "600"}, 0.6),
    ({"x_ms_retry_after_ms": "600"}, 0.6), ({"retry_after_date": "2s"}, 2)], ids=str)
def test_every_form_of_retry_after_is_kept(azure, told, seconds):
    g, sim = azure
    sim.fault(instance="a", fault="status", status=429, times=1, **told)
    began = time.monotonic()
    assert g.chat().header("x-sim-instance") == "b"
    while g.chat().header("x-sim-instance") != "a":
        assert time.monotonic() - began < seconds + 2
        time.sleep(0.02)
    assert time.monotonic() - began > seconds - (1.05 if "retry_after_date" in told else 0.05)


def test_quota_of_the_first_instance_spills_over_to_the_second(gateway, simulator):
    sim = simulator()
    sim.stop()
    deployments = sim.settings["instances"]["a"]["deployments"]
    deployments["gpt-4o-a"]["requests_per_minute"] = 30  # five in ten seconds
    sim.start()
    g = gateway(sim.instances, sim.gateway_config())
    served = [g.chat().header("x-sim-instance") for _ in range(15)]
    assert 1 <= served.count("a") <= 10 and served.count("b") >= 5
    assert sim.state()["instances"]["a"]["deployments"]["gpt-4o-a"]["by_status"]["429"] == 1


FAULTS = [
    {"fault": "status", "status": 429, "retry_after": "1"}, {"fault": "status", "status": 500},
    {"fault": "status", "status": 503, "retry_after": "1"}, {"fault": "status", "status": 401},
    {"fault": "status", "status": 404, "code": "DeploymentNotFound"}, {"fault": "reset"},
    {"fault": "refuse_tls"}, {"fault": "refuse_connection"}, {"fault": "hang"},
]


# A plain answer that hangs is not asked for elsewhere: it may be paid for already.
@pytest.mark.parametrize("body, fault", [*[(body, f) for body in (QUESTION, STREAM) for f in FAULTS
                                           if body is STREAM or f["fault"] != "hang"],
                                         (STREAM, {"fault": "reset", "after_bytes": 0}),
                                         (STREAM, {"fault": "error_event", "after_events": 0})],
                         ids=lambda v: "-".join(map(str, v.values())) if "fault" in v else "")
def test_no_fault_of_one_instance_reaches_a_client(gateway, simulator, fault, body):
    sim = simulator(deterministic=True)
    config = sim.gateway_config()
    config["pools"]["chat"]["timeouts"] = {"first_byte": "400ms"}
    g = gateway(sim.instances, config)
    sim.fault(instance="a", **fault)
    for _ in range(3):
        answer = g.chat(body)
        assert (answer.status, answer.header("x-sim-instance"), answer.end) == (200, "b", "whole")


@pytest.mark.parametrize("fault", [{"fault": "silence", "for": "300ms"}, {"fault": "stall", "for": "300ms"},
                                   {"fault": "connection_close"}, {"fault": "long_line", "bytes": 1 << 20},
                                   {"fault": "delay", "for": "300ms"}], ids=lambda f: f["fault"])
def test_slow_and_odd_is_no_failure(azure, fault):
    g, sim = azure
    whole = g.chat(STREAM).body
    sim.fault(instance="a", times=2, **fault)
    for _ in range(2):
        answer = g.chat(STREAM)
        assert (answer.status, answer.end, answer.header("x-sim-instance")) == (200, "whole", "a")
        assert answer.body.endswith(whole[-200:])


@pytest.mark.parametrize("fault, target", [("reset", CHAT), ("close", CHAT), ("error_event", CHAT),
                                           ("reset", RESPONSES), ("close", RESPONSES), ("error_event", RESPONSES)])
def test_streams_that_break_never_end_cleanly(azure, fault, target):
    g, sim = azure
    sim.fault(instance="a", fault=fault, after_events=4, times=1)
    answer = g.chat({"model": "gpt-4o", "input": "x", **STREAM}, target=target)
    assert answer.status == 200
    text = answer.body.decode()
    assert "[DONE]" not in text and "response.completed" not in text
    assert answer.end in ("cut", "reset") or '"error"' in text
    assert len(sim.requests("b")) == 0


def test_servers_that_drop_idle_connections_cause_no_errors(azure):
    g, sim = azure
    sim.fault(fault="drop_idle", **{"for": "20ms"})
    with g.connect() as wire:
        for n in range(60):
            assert wire.ask("POST", CHAT, {"api-key": KEY}, {**QUESTION, "max_tokens": 1}).status == 200
            time.sleep(0.015 + 0.0003 * n)
    g.wait_for_metric(60, "spillway_requests_total", client="app", status="200")


@pytest.mark.multicore
def test_many_clients_during_an_outage_see_no_error(gateway, simulator):
    sim = simulator()
    g = gateway(sim.instances, {"gateway": {"workers": 2}, **sim.gateway_config()})
    outcomes, stop = [], threading.Event()

    def client():
        with g.connect() as wire:
            while not stop.is_set():
                answer = wire.ask("POST", CHAT, {"api-key": KEY}, {**QUESTION, "max_tokens": 2})
                outcomes.append((answer.status, answer.header("x-sim-instance")))

    threads = [threading.Thread(target=client) for _ in range(8)]
    for t in threads:
        t.start()
    time.sleep(0.7)
    sim.fault(instance="a", fault="status", status=429, retry_after="1")
    time.sleep(1)
    sim.heal()
    time.sleep(1.5)
    stop.set()
    for t in threads:
        t.join(20)
    assert {status for status, _ in outcomes} == {200}
    assert {name for _, name in outcomes} == {"a", "b"}
    assert outcomes[-1][1] == "a", "the preferred instance serves again"
    assert sim.state()["instances"]["a"]["deployments"]["gpt-4o-a"]["by_status"].get("429", 0) <= 24


def test_connections_and_tls_sessions_are_reused(azure):
    g, sim = azure
    with g.connect() as wire:
        for _ in range(30):
            wire.ask("POST", CHAT, {"api-key": KEY}, {**QUESTION, "max_tokens": 1})
    assert sim.state()["instances"]["a"]["connections"]["opened"] == 1
    sim.fault(instance="a", fault="connection_close", times=3)
    for _ in range(5):
        g.chat()
    connections = sim.state()["instances"]["a"]["connections"]
    assert connections["opened"] == 4
    assert connections["tls_resumed"] >= 2


def test_the_simulator_has_seen_nothing_of_the_client(azure):
    g, sim = azure
    g.chat(fields={"Cookie": "a=b", "X-Forwarded-For": "1.2.3.4"})
    seen = sim.requests("a")[-1]
    assert seen["headers"]["api-key"] == UPSTREAM_KEY
    assert KEY not in json.dumps(seen)
    assert not {"cookie", "x-forwarded-for"} & set(seen["headers"])


@pytest.mark.parametrize("notify", [True, False])
def test_a_stream_that_is_cut_with_or_without_a_goodbye_is_broken(azure, notify):
    g, sim = azure
    sim.fault(instance="a", fault="close", after_events=3, times=1, notify=notify)
    answer = g.chat(STREAM)
    assert answer.status == 200
    assert json.loads(answer.events()[-1].removeprefix("data: "))["error"]["code"] == "upstream_stream_broken"
    assert g.wait_for_access_log(1)[-1]["broken"] == "upstream_closed"
