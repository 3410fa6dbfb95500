"""The OpenAI SDK for Node: each of its test files is one run of node."""

import os
import re
import subprocess
from pathlib import Path

from support.config import KEY

FOLDER = Path(__file__).parent / "node"


def run_node(g, file):
    environment = {**os.environ, "GATEWAY_URL": g.url, "GATEWAY_KEY": KEY, "NODE_EXTRA_CA_CERTS": str(g.certs.ca)}
    done = subprocess.run(["node", "--test", "--test-reporter=tap", file], cwd=FOLDER, env=environment, text=True,
                          capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r"^# pass (\d+)", done.stdout, re.M)[1])


def test_node_sdk(house):
    assert run_node(house[0], "gateway.test.mjs") == 21


def test_node_sdk_when_everything_is_throttled(house, healthy):
    healthy.fault(fault="status", status=429, retry_after_ms="1200", times=2)
    assert run_node(house[0], "throttled.test.mjs") == 2
