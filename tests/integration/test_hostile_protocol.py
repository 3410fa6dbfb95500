"""Credentials that come too late, bodies that nobody asked for, and other protocols than the one that is spoken."""

import json

import pytest
from support.config import KEY
from support.gateway import QUESTION
from support.hostile import CHAT, V1, House, post, raw


@pytest.fixture(scope="module")
def house(certs, tmp_path_factory):
    h = House(certs, tmp_path_factory.mktemp("hostile"))
    yield h
    h.close()


def chunked(head, trailer):
    body = json.dumps({"model": "gpt-4o", **QUESTION})
    return raw(f"POST {V1} HTTP/1.1\r\nHost: x\r\n{head}Transfer-Encoding: chunked\r\n\r\n".encode(),
               f"{len(body):x}\r\n{body}\r\n0\r\n{trailer}\r\n".replace("KEY", KEY).encode())


@pytest.mark.parametrize("trailer", ["api-key: KEY\r\n", "Authorization: Bearer KEY\r\n",
    "Ocp-Apim-Subscription-Key: KEY\r\n"])
def test_keys_in_trailers_come_too_late(house, trailer):
    house.refused(chunked("Trailer: api-key\r\n", trailer), 401, why="missing")


@pytest.mark.parametrize("trailer", ["x-ms-spillover-deployment: secret-model\r\n", "x-ms-late: secret-model\r\n",
                                     "Host: secret-model\r\n", "Content-Length: 0\r\nx-ms-a: secret-model\r\n"])
def test_no_instance_sees_a_trailer(house, trailer):
    before = house.asked()
    answer = chunked("api-key: KEY\r\n", trailer)(house.gateway)
    assert answer.status in (200, 400)
    assert house.asked() == before + (answer.status == 200)
    assert "secret-model" not in json.dumps(house.sim.requests()[-1:])


@pytest.mark.parametrize("status, fields, target", [
    (401, "", V1), (401, "api-key: nobody\r\n", V1), (404, "api-key: KEY\r\n", "/openai/v2/x"), (400,
    "api-key: KEY\r\n", "/a/../b")])
def test_nobody_is_asked_for_a_body_that_is_refused(house, status, fields, target):
    lines = f"Host: x\r\n{fields}Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n"

    def send(g):
        with g.connect() as wire:
            wire.send(f"POST {target} HTTP/1.1\r\n{lines}".replace("KEY", KEY))
            return wire.read_answer(interim=True)
    house.refused(send, status)


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0", "HTTP/2.0"])
def test_no_other_protocol_opens_the_door(house, upgrade):
    fields = {"Upgrade": upgrade, "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA",
              "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
    house.refused(post(CHAT, fields, key=None), 401, why="missing")
    house.accepted(post(CHAT, fields))
    assert not {"upgrade", "http2-settings", "connection"} & {*house.sim.requests()[-1]["headers"]}


def test_the_preface_of_http_2_is_no_request(house):
    house.refused(raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, "BadRequest")
