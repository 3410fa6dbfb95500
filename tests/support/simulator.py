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


class Instance:
    """What support.config wants to know of an upstream."""

    def __init__(self, name, port):
        self.name, self.port, self.host = name, port, f"{name}.openai.test"


class Simulator:
    def __init__(self, folder, certs, names, **settings):
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
        self.process = None

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

    def gateway_config(self, breaker=None):
        """Pools and routes for all models, `a` before `b`."""
        def pool(model):
            return {"model": model, "version": "1", "breaker": breaker or {}, "backends": [
                {"instance": i.name, "deployment": f"{model}-{i.name}", "type": "global_standard", "priority": n}
                for n, i in enumerate(self.instances, 1)]}
        return {"pools": {"main": None, **{p: pool(m) for p, m in MODELS.items()}},
                "routes": [{"clients": ["app"], "deployment": m, "pool": p} for p, m in MODELS.items()]}
