"""What the live page is made of: its files, its events, and who may ask for them."""

import json
import re
import time

import pytest
from support.config import KEY, UPSTREAM_KEY
from support.wire import Wire


def begin_events(g, fields=()):
    wire = Wire(g.admin_port)
    wire.request("GET", "/events", [*fields, *([] if any(n == "Host" for n, _ in fields) else [("Host", "localhost")])])
    return wire


def read_head(wire):
    seen = b""
    while not seen.endswith(b"\r\n\r\n"):
        piece = wire.sock.recv(1)
        assert piece, f"no head but {seen!r}"
        seen += piece
    return seen.decode()


def read_event(wire):
    """The data of the next event."""
    seen = b""
    while b"data: " not in seen or not seen.endswith(b"\n\n"):
        piece = wire.sock.recv(65536)
        assert piece, f"the stream ended after {seen!r}"
        seen += piece
    return json.loads(seen.split(b"data: ")[1].split(b"\n")[0])


def ends(wire, seconds=5):
    wire.sock.settimeout(seconds)
    while wire.sock.recv(65536):
        pass
    return True


def test_events_come_at_once_and_then_each_second(one):
    one.chat()
    with begin_events(one) as wire:
        began = time.monotonic()
        head, first = read_head(wire), read_event(wire)
        assert time.monotonic() - began < 0.9
        assert head.startswith("HTTP/1.1 200") and "Content-Type: text/event-stream" in head
        assert first["pools"][0]["name"] == "main" and first["gateway"]["ready"] is True
        assert UPSTREAM_KEY not in json.dumps(first) and KEY not in json.dumps(first)
        assert 0.5 < read_event(wire)["at"] - first["at"] < 3


def test_events_for_at_most_sixteen(one):
    held = [begin_events(one) for _ in range(16)]
    for wire in held:
        read_event(wire)
    assert one.admin("GET", "/events").status == 503
    assert one.admin("GET", "/status").status == 200
    held.pop().close()
    until = time.monotonic() + 5
    while True:  # room again
        with begin_events(one) as wire:
            if wire.sock.recv(12) == b"HTTP/1.1 200":
                break
        assert time.monotonic() < until
    for wire in held:
        wire.reset()


def test_events_end_with_the_process_and_with_their_key(gateway, a):
    g = gateway([a], {"admin": {"keys": ["open-sesame"]}})
    key = [("Authorization", "Bearer open-sesame")]
    assert g.admin("GET", "/events").status == 401
    with begin_events(g, key) as wire:
        read_event(wire)
        g.change({"gateway": {"expose_headers": True}})
        assert g.admin("POST", "/config/reload", key).status == 200
        read_event(wire)  # the same keys: it goes on
        read_event(wire)
        g.change({"admin": {"keys": ["another"]}})
        # The watch of the file may be first, and then the old key opens nothing any more.
        assert g.admin("POST", "/config/reload", key).status in (200, 401)
        assert ends(wire)
    with begin_events(g, [("api-key", "another")]) as wire:
        read_event(wire)
        g.stop()
        assert ends(wire)


def test_the_page_needs_no_key_and_holds_no_data(gateway, a):
    g = gateway([a], {"admin": {"keys": ["open-sesame"]}})
    page = g.admin("GET", "/", {"Accept": "text/html,*/*"})
    assert page.status == 200 and page.header("content-type").startswith("text/html")
    assert b"gpt4o-a" not in page.body
    for path in re.findall(rb'(?:href|src)="(page/[^"]+)"', page.body):
        assert g.admin("GET", "/" + path.decode()).status == 200
    policy = page.header("content-security-policy")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert page.header("x-content-type-options") == "nosniff"
    assert page.header("referrer-policy") == "no-referrer"
    assert b"<style" not in page.body and b" style=" not in page.body and b" on" + b"click" not in page.body
    assert g.admin("GET", "/page/nowhere.js", {"api-key": "open-sesame"}).status == 404
    assert g.admin("POST", "/page/main.js", {"api-key": "open-sesame"}).status == 404


@pytest.mark.parametrize("host, good", [("127.0.0.1", True), ("localhost:9901", True), ("[::1]:9901", True),
                                        ("LOCALHOST", True), ("rebound.example", False),
                                        ("127.0.0.1.rebound.example:9901", False), ("localhost.example", False)])
def test_without_a_key_foreign_names_get_nothing(one, host, good):
    for method, target in (("GET", "/status"), ("GET", "/metrics"), ("GET", "/events?x"), ("POST", "/config/reload")):
        if target.startswith("/events") and good:
            continue
        answer = one.admin(method, target, {"Host": host})
        assert answer.status == (200 if good else 403), (target, answer.body)
    assert one.admin("GET", "/health/ready", {"Host": host}).status == 200


def test_with_a_key_any_name_will_do(gateway, a):
    g = gateway([a], {"admin": {"keys": ["open-sesame"]}})
    assert g.admin("GET", "/metrics", {"Host": "spillway.monitoring", "api-key": "open-sesame"}).status == 200


@pytest.mark.parametrize("fields, status", [
    ({}, 200), ({"Origin": "http://localhost:1"}, 200), ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Origin": "http://localhost:2"}, 403)])
def test_foreign_pages_cannot_reload(one, fields, status):
    assert one.admin("POST", "/config/reload", {"Host": "localhost:1", **fields}).status == status
