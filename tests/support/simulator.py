"""spillway-sim, the Azure that tests can run."""

import json
import subprocess
import time

import yaml

from .config import UPSTREAM_KEY, free_port
from .gateway import binary
from .wire import Wire

# The models that every instance has, by the pool that serves them.
MODELS = {"chat": "gpt-4o", "embeddings": "text-embedding-3-small", "images": "dall-e-3", "speech": "tts-1"}
PACE = {"first_token": "5ms", "per_token": "1ms"}
TENANT = "72f988bf-0000-4000-8000-000000000001"
IDENTITY_HEADER = "sim-header"


class Instance:
    """What support.config wants to know of an upstream."""

    def __init__(self, name, port):
        self.name, self.port, self.host = name, port, f"{name}.openai.test"


class Simulator:
    """With `identity={...}` it makes tokens, too, and its instances accept them beside their key."""

    def __init__(self, folder, certs, names, identity=None, **settings):
        certificate, key = certs.azure
        self.folder, self.control_port = folder, free_port()
        self.instances = [Instance(n, free_port()) for n in names]
        self.settings = {
            "control": {"address": f"127.0.0.1:{self.control_port}"},
            "tls": {"certificate": str(certificate), "key": str(key)},
            "deterministic": True,
            "instances": {i.name: {"address": f"127.0.0.1:{i.port}", "tls": True, "api_key": UPSTREAM_KEY,
                                   "region": "swedencentral",
                                   "deployments": {f"{m}-{i.name}": {"model": m, **PACE} for m in MODELS.values()}}
                          for i in self.instances},
            **settings,
        }
        if identity is not None:
            self._add_identity(identity)
        self.process = None

    def _add_identity(self, identity):
        self.settings["identity"] = {
            "address": f"127.0.0.1:{free_port()}", "tls": True, "managed_identity_address": f"127.0.0.1:{free_port()}",
            "identity_header": IDENTITY_HEADER, "tenants": [TENANT], **identity}
        for instance in self.settings["instances"].values():
            instance.setdefault("bearer", "identity")

    def start(self):
        file, self.output = self.folder / "sim.yaml", self.folder / "sim.log"
        file.write_text(yaml.safe_dump(self.settings, sort_keys=False))
        command = [binary("SPILLWAY_SIM_BIN", "spillway-sim"), "run", "--config", str(file)]
        self.process = subprocess.Popen(command, stdout=self.output.open("ab"), stderr=subprocess.STDOUT)
        until = time.monotonic() + 20
        while True:
            try:
                if self.control("GET", "/state").status == 200:
                    return self
            except OSError:
                pass
            assert self.process.poll() is None, f"the simulator ended at once:\n{self.output.read_text()}"
            assert time.monotonic() < until, f"the simulator does not answer:\n{self.output.read_text()}"
            time.sleep(0.02)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def control(self, method, target, body=None):
        with Wire(self.control_port) as wire:
            return wire.ask(method, target, (), None if body is None else json.dumps(body).encode())

    def fault(self, **rule):
        answer = self.control("POST", "/faults", rule)
        assert answer.status == 201, answer.body

    def heal(self):
        self.control("DELETE", "/faults")

    def state(self):
        return self.control("GET", "/state").json()

    def requests(self, instance=None):
        """The last ones, oldest first."""
        return [r for r in self.control("GET", "/requests").json() if instance in (None, r["instance"])]

    def usage(self, since=0, limit=20000):
        """Entries of the usage journal after that sequence number."""
        page = self.control("GET", f"/usage?since={since}&limit={limit}").body
        return [json.loads(line) for line in page.splitlines()]

    def usage_totals(self):
        return self.control("GET", "/usage/totals").json()

    def forget_usage(self):
        self.control("DELETE", "/usage")

    # The identity part

    @property
    def identity_url(self):
        identity = self.settings["identity"]
        return f"{'https' if identity['tls'] else 'http'}://{identity['address']}"

    @property
    def managed_identity_url(self):
        return f"http://{self.settings['identity']['managed_identity_address']}"

    def _identity(self, method, target, body=None):
        answer = self.control(method, "/identity" + target, body)
        assert answer.status in (200, 201), answer.body
        return answer.json()

    def mint(self, **wanted):
        """A token for a client: header={...}, claims={...} (None takes one away), tenant, version, key."""
        return self._identity("POST", "/tokens", wanted)["token"]

    def rotate_keys(self, keep_old=True):
        """Returns the kid of the new key."""
        return self._identity("POST", "/keys/rotate", {"keep_old": keep_old})["kid"]

    def identity_fault(self, **fault):
        """endpoint="metadata|keys|token|imds|app_service" with status, body, headers, delay or hang; times."""
        self._identity("POST", "/faults", fault)

    def identity_heal(self):
        self._identity("DELETE", "/faults")

    def identity_state(self):
        return self._identity("GET", "")

    def revoke(self, claims=False):
        """Instances refuse all tokens made so far. Returns how many those are."""
        return self._identity("POST", "/revoke", {"claims": claims})["revoked"]

    def deny(self, instance, status=403):
        """The instance refuses every bearer token until the reset."""
        self._identity("POST", "/deny", {"instance": instance, "status": status})

    def reset(self):
        self.control("POST", "/reset")

    def gateway_config(self, breaker=None):
        """Pools and routes for all models, `a` before `b`."""
        def pool(model):
            return {"model": model, "version": "1", "breaker": breaker or {}, "backends": [
                {"instance": i.name, "deployment": f"{model}-{i.name}", "type": "global_standard", "priority": n}
                for n, i in enumerate(self.instances, 1)]}
        return {"pools": {"main": None, **{p: pool(m) for p, m in MODELS.items()}},
                "routes": [{"clients": ["app"], "deployment": m, "pool": p} for p, m in MODELS.items()]}
