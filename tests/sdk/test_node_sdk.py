"""The OpenAI SDK for Node: each of its test files is one run of node."""

from support.config import KEY
from support.node import run_node_tests


def run_node(g, file):
    return run_node_tests(file, GATEWAY_URL=g.url, GATEWAY_KEY=KEY, NODE_EXTRA_CA_CERTS=str(g.certs.ca))


def test_node_sdk(house):
    assert run_node(house[0], "gateway.test.mjs") == 21


def test_node_sdk_when_everything_is_throttled(house, healthy):
    healthy.fault(fault="status", status=429, retry_after_ms="1200", times=2)
    assert run_node(house[0], "throttled.test.mjs") == 2
