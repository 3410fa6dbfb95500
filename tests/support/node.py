"""Runs a file of the Node tests with the Node that is installed."""

import os
import re
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "sdk" / "node"
# Debian 12's Node 18 has no global `crypto`. A newer Node is run without it, so that it hides nothing.
WITHOUT_GLOBALS = "--no-experimental-global-webcrypto"
# Nor does it try a second address: where `localhost` is ::1 first, it would not reach a gateway on 127.0.0.1.
ADDRESSES = "--dns-result-order=ipv4first"


def run_node_tests(file, **environment):
    """How many tests of the file passed; fails unless all did."""
    knows = subprocess.run(["node", WITHOUT_GLOBALS, "--eval", ""], capture_output=True, check=False).returncode == 0
    options = [ADDRESSES, *([WITHOUT_GLOBALS] if knows else [])]
    done = subprocess.run(["node", *options, "--test", "--test-reporter=tap", file], cwd=FOLDER, text=True,
                          env={**os.environ, **environment}, capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r"^# pass (\d+)", done.stdout, re.M)[1])
