"""Starts the origin and the proxies, each on one core, and reads what they cost."""
import os
import shutil
import socket
import ssl
import subprocess
import time

ORDER = ("direct", "nginx", "haproxy", "spillway")
KEY = "bench-key-0123456789abcdef0123456789abcdef"
# sha256 of KEY
KEY_HASH = __import__("hashlib").sha256(KEY.encode()).hexdigest()
DEPLOYMENTS = ("json", "sse-50-0", "bytes-65536", "bytes-1048576", "sse-15-1000", "asked-50-0")

NGINX = """
worker_processes 1; daemon off; error_log {folder}/nginx.err; pid {folder}/nginx.pid;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000; keepalive_timeout 300s; client_max_body_size 64m;
  client_body_buffer_size 2m; client_body_temp_path {folder}/nb; proxy_temp_path {folder}/np;
  fastcgi_temp_path {folder}/nf; uwsgi_temp_path {folder}/nu; scgi_temp_path {folder}/ns;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 512; keepalive_requests 1000000; keepalive_timeout 300s; }}
  server {{
    listen 127.0.0.1:{port} ssl reuseport;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    ssl_session_cache shared:s:10m; ssl_protocols TLSv1.2 TLSv1.3;
    location / {{
      proxy_pass https://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host localhost; proxy_set_header api-key backend-key; proxy_set_header Accept-Encoding identity;
      proxy_ssl_session_reuse on; proxy_ssl_verify on; proxy_ssl_trusted_certificate {folder}/ca.pem;
      proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_read_timeout 300s;
      location ~ sse- {{
        proxy_pass https://origin; proxy_buffering off; proxy_set_header Connection ""; proxy_http_version 1.1;
        proxy_set_header Host localhost; proxy_set_header api-key backend-key;
        proxy_set_header Accept-Encoding identity;
      }}
    }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 9000
  tune.ssl.cachesize 20000
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
  option http-no-delay
frontend f
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem alpn http/1.1
  default_backend b
backend b
  http-reuse always
  http-request set-header api-key backend-key
  http-request set-header accept-encoding identity
  server o 127.0.0.1:{origin} ssl verify required ca-file {folder}/ca.pem sni str(localhost) verifyhost localhost pool-max-conn 4096 pool-purge-delay 300s
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


TENANT, APPLICATION = "72f988bf-0000-4000-8000-000000000001", "51aa0000-0000-4000-8000-000000000001"

SIMULATOR = """
control: {{ address: 127.0.0.1:{control} }}
tls: {{ certificate: {folder}/server.pem, key: {folder}/server.key }}
instances: {{ none: {{ address: 127.0.0.1:{instance}, deployments: {{ none: {{}} }} }} }}
identity: {{ address: 127.0.0.1:{authority}, tls: true, tenants: [{tenant}], token_lifetime: 1h }}
"""


# Everything that counts and limits, switched on; the quotas are out of reach.
COUNTING = """
usage: {{ spool: {folder}/spool, store: "sqlite:{folder}/usage.db" }}
prices: {{ models: {{ bench: {{ input: 2.50, cached_input: 1.25, output: 10 }} }} }}
"""
QUOTA = (", labels: { team: bench, cost_center: '4711' }, quota: { requests_per_minute: 100M, tokens_per_minute: 2000M, "
         "concurrent: 100k, budget: { tokens: 1000000M, money: 1000000, per: month } }")


def spillway_config(folder, origin, port, admin, clients=1, backends=1, authority=None, counting=False):
    lines = ["version: 1", "gateway: { workers: 1 }", "listeners:", "  bench:", f"    address: 127.0.0.1:{port}",
             f"    tls: {{ certificate: {folder}/server.pem, key: {folder}/server.key }}",
             f"admin: {{ address: 127.0.0.1:{admin} }}", 'credentials: { backend: { api_key: "backend-key" } }',
             "instances:", f"  origin: {{ endpoint: https://localhost:{origin}, address: 127.0.0.1:{origin}, "
             f"ca_file: {folder}/ca.pem, credential: backend }}", "pools:"]
    for d in DEPLOYMENTS:
        lines += [f"  {d}:", "    model: bench", '    version: "1"', "    timeouts: { idle: 5m }", "    backends:",
                  f"      - {{ instance: origin, deployment: {d} }}"]
    for i in range(backends - 1):
        lines += [f"  extra-{i}:", "    model: bench", '    version: "1"', "    backends:",
                  f"      - {{ instance: origin, deployment: extra-{i} }}"]
    proof = f'keys: ["sha256:{KEY_HASH}"]'
    if authority:
        lines += [f"token_providers: {{ t: {{ tenant: {TENANT}, authority: 'https://127.0.0.1:{authority}', "
                  f"ca_file: {folder}/ca.pem, audiences: ['api://spillway'] }} }}"]
        proof += f", entra: {{ tenant: {TENANT}, application: {APPLICATION} }}"
    lines += ["clients:", f"  bench: {{ {proof}{QUOTA if counting else ''} }}"]
    for i in range(clients - 1):
        lines.append(f'  client-{i}: {{ keys: ["sha256:{i:064x}"] }}')
    lines.append("routes:")
    for d in DEPLOYMENTS:
        lines.append(f'  - {{ clients: ["*"], deployment: bench-{d}, pool: {d} }}')
    for i in range(backends - 1):
        lines.append(f'  - {{ clients: ["*"], deployment: extra-{i}, pool: extra-{i} }}')
    lines.append("log: { level: warn, access: { sample: 0 } }")
    if counting:
        lines.append(COUNTING.format(folder=folder))
    path = os.path.join(folder, "spillway.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return path


class Lab:
    """Origin, proxies, and the load generator. The proxy under test has core 0, everything else the others."""

    def __init__(self, build, folder):
        self.build, self.folder = os.path.abspath(build), folder
        self.ports, self.processes = {}, {}
        self.authority = None
        self.credential = f"api-key: {KEY}"
        cores = sorted(os.sched_getaffinity(0))
        self.proxy_core, self.other_cores = str(cores[0]), ",".join(map(str, cores[1:] or cores))

    def __enter__(self):
        self._certificates()
        self.origin = self.ports["direct"] = free_port()
        self.start_origin()
        port = self.ports["nginx"] = free_port()
        self._write("nginx.conf", NGINX, port)
        self._start("nginx", self.proxy_core, [self._program("nginx"), "-c", f"{self.folder}/nginx.conf", "-p",
                    self.folder], port)
        port = self.ports["haproxy"] = free_port()
        self._write("haproxy.cfg", HAPROXY, port)
        self._start("haproxy", self.proxy_core, [self._program("haproxy"), "-f",
                    f"{self.folder}/haproxy.cfg"], port)
        self.restart_spillway()
        return self

    def start_origin(self, sleepless=False):
        """`sleepless`: from now on origin and load generator never sleep."""
        self._stop("direct")
        self.sleepless = ["--busy-poll"] if sleepless else []
        self._start("direct", self.other_cores, [f"{self.build}/bench/bench-origin", "--address",
                    f"127.0.0.1:{self.origin}", "--certificate", f"{self.folder}/server.pem", "--key",
                    f"{self.folder}/server.key", *self.sleepless], self.origin)

    def __exit__(self, *_):
        for name in list(self.processes):
            self._stop(name)

    def start_identity(self):
        """A provider of tokens; the gateway trusts it from the next start on. Returns a token of the client."""
        import json
        import urllib.request
        control, self.authority = free_port(), free_port()
        self._write("sim.yaml", SIMULATOR, 0, control=control, authority=self.authority, instance=free_port(),
                    tenant=TENANT)
        self._start("identity", self.other_cores, [f"{self.build}/spillway-sim", "run", "--config",
                    f"{self.folder}/sim.yaml"], self.authority)
        # As long as Entra's usual tokens.
        claims = {"azp": APPLICATION, "filler": "x" * 600}
        asked = urllib.request.Request(f"http://127.0.0.1:{control}/identity/tokens", method="POST",
                                       data=json.dumps({"claims": claims}).encode())
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return json.load(answer)["token"]

    def restart_spillway(self, clients=1, backends=1, counting=False, build=None):
        self._stop("spillway")
        if counting:
            shutil.rmtree(f"{self.folder}/spool", ignore_errors=True)
            for end in ("", "-wal", "-shm"):
                if os.path.exists(f"{self.folder}/usage.db{end}"):
                    os.remove(f"{self.folder}/usage.db{end}")
        self.ports["spillway"], self.admin = free_port(), free_port()
        self.config = spillway_config(self.folder, self.origin, self.ports["spillway"], self.admin, clients, backends,
                                      self.authority, counting)
        self._start("spillway", self.proxy_core, [f"{build or self.build}/spillway", "run", "--config", self.config],
                    self.ports["spillway"])

    def versions(self):
        def said(command):
            out = subprocess.run(command, capture_output=True, text=True, check=False)
            return (out.stdout + out.stderr).strip().splitlines()[0]
        return [said([self._program("nginx"), "-v"]), said([self._program("haproxy"), "-v"]),
                said([f"{self.build}/spillway", "version"])]

    def load(self, name, deployment, *arguments, on_stage=None):
        """Runs the generator against one of the proxies; returns what it measured."""
        url = f"https://127.0.0.1:{self.ports[name]}/openai/deployments/bench-{deployment}/chat/completions?api-version=2024-10-21"
        command = ["taskset", "-c", self.other_cores, f"{self.build}/bench/spillway-load", url, "--ca",
                   f"{self.folder}/ca.pem", "--tls-name", "localhost", *self.sleepless, "-H", self.credential, "-H",
                   "user-agent: OpenAI/Python 1.0", "-H", "accept: application/json", *map(str, arguments)]
        import json
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as p:
            for line in p.stdout:
                said = json.loads(line)
                if on_stage:
                    on_stage(said["stage"])
                if said["stage"] == "done":
                    p.wait(60)
                    return said
        raise subprocess.CalledProcessError(p.returncode, command)

    def cpu(self, name):
        """Seconds of processor time that the proxy has used so far, with its children."""
        return sum(self._stat(pid) for pid in self._family(name))

    def rss(self, name):
        total = 0
        for pid in self._family(name):
            with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Rss:")) * 1024
        return total

    def _family(self, name):
        pid = self.processes[name].pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as f:
            return [pid, *map(int, f.read().split())]

    @staticmethod
    def _stat(pid):
        # schedstat counts nanoseconds; stat counts ticks of 10 ms.
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as f:
                total += int(f.read().split()[0])
        return total / 1e9

    @staticmethod
    def _program(name):
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if not found:
            raise SystemExit(f"bench: {name} is missing; apt-get install nginx-light haproxy")
        return found

    def _write(self, name, text, port, **more):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text.format(folder=self.folder, origin=self.origin, port=port, **more))

    def _certificates(self):
        f = self.folder
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", f"{f}/ca.key", "-out", f"{f}/ca.pem", "-days", "2", "-subj", "/CN=bench CA"], **quiet)
        subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        f"{f}/server.key", "-out", f"{f}/server.csr", "-subj", "/CN=localhost"], **quiet)
        with open(f"{f}/ext", "w", encoding="utf-8") as out:
            out.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        subprocess.run(["openssl", "x509", "-req", "-in", f"{f}/server.csr", "-CA", f"{f}/ca.pem", "-CAkey",
                        f"{f}/ca.key", "-days", "2", "-extfile", f"{f}/ext", "-out", f"{f}/server.pem"], **quiet)
        with open(f"{f}/both.pem", "w", encoding="utf-8") as out:
            for part in ("server.pem", "server.key"):
                with open(f"{f}/{part}", encoding="utf-8") as part_file:
                    out.write(part_file.read())

    def _start(self, name, core, command, port):
        with open(os.path.join(self.folder, name + ".log"), "w", encoding="utf-8") as log:
            self.processes[name] = subprocess.Popen(["taskset", "-c", core, *command], stdout=log, stderr=log)
        context = ssl.create_default_context(cafile=f"{self.folder}/ca.pem")
        for _ in range(200):
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as s:
                    with context.wrap_socket(s, server_hostname="localhost"):
                        return
            except OSError:
                if self.processes[name].poll() is not None:
                    break
                time.sleep(0.05)
        with open(os.path.join(self.folder, name + ".log"), encoding="utf-8") as log:
            raise SystemExit(f"bench: {name} did not start:\n{log.read()}")

    def _stop(self, name):
        p = self.processes.pop(name, None)
        if p is None:
            return
        p.terminate()
        try:
            p.wait(3)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
