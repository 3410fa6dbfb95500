"""Configurations as tests want them: plain dictionaries, written as YAML."""

import hashlib
import os
import random
import socket

KEY = "key-of-the-app-4711"
UPSTREAM_KEY = "the-instances-own-secret"


def key_hash(key):
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


_given_ports = set()


def _port_range():
    """Below the range from which the kernel takes ports for outgoing connections; tests side by side share it out."""
    number, count = (os.environ.get(f"PYTEST_XDIST_WORKER{what}", default) for what, default in (("", "gw0"), ("_COUNT", 1)))
    size = 22000 // int(count)
    first = 10000 + size * (int(number[2:]) % int(count))  # a worker that replaces another has a higher number
    return range(first, first + size)


def free_port():
    """Never the same twice."""
    possible = _port_range()
    while True:
        port = random.choice(possible)
        if port in _given_ports and len(_given_ports) < len(possible) * 3 // 4:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port


def merge(base, over):
    """Dictionaries are merged, everything else is replaced; None takes a key away."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    out = dict(base)
    for key, value in over.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(base.get(key), value)
    return out


def deployment_on(upstream):
    return f"gpt4o-{upstream.name}"


def instance_for(certs, upstream):
    return {"endpoint": f"https://{upstream.host}", "address": f"127.0.0.1:{upstream.port}",
            "ca_file": str(certs.ca), "credential": "azure"}


def pool_of(upstreams, **settings):
    """One backend an upstream, each with a priority of its own, in that order."""
    backends = [{"instance": u.name, "deployment": deployment_on(u), "type": "global_standard", "priority": n}
                for n, u in enumerate(upstreams, 1)]
    return merge({"model": "gpt-4o", "version": "2024-11-20", "backends": backends}, settings)


def make_config(certs, folder, upstreams, over=None):
    """A gateway in front of these upstreams: the client `app` may use every deployment name, all go to `main`."""
    certificate, key = certs.gateway
    config = {
        "version": 1,
        "gateway": {"workers": 1},
        "listeners": {"public": {"address": f"127.0.0.1:{free_port()}",
                                 "tls": {"certificate": str(certificate), "key": str(key)}}},
        "admin": {"address": f"127.0.0.1:{free_port()}"},
        "credentials": {"azure": {"api_key": UPSTREAM_KEY}},
        "instances": {u.name: instance_for(certs, u) for u in upstreams},
        "pools": {"main": pool_of(upstreams)},
        "clients": {"app": {"keys": [key_hash(KEY)]}},
        "routes": [{"clients": ["app"], "deployment": "*", "pool": "main"}],
        "shutdown": {"pre_drain": "0s", "drain": "3s"},
        "log": {"access": {"file": str(folder / "access.log")}},
    }
    return merge(config, over or {})
