import pytest
from support.config import free_port


@pytest.fixture
def bare(gateway, upstream):
    """bare("a", "b"): (gateway, upstreams) without TLS on either side, so that a test says where each byte ends."""

    def make(*names, over=None):
        upstreams = [upstream(n, tls=False) for n in names]
        config = {"listeners": {"public": {"address": f"127.0.0.1:{free_port()}", "tls": None}},
                  "instances": {u.name: {"endpoint": f"http://127.0.0.1:{u.port}", "insecure": True, "ca_file": None,
                                         "address": None} for u in upstreams},
                  "pools": {"main": {"breaker": {"failures": 1000}}}, **(over or {})}
        g = gateway(upstreams, config, start=False)
        g.tls = None
        return g.start(), upstreams

    return make
