"""What is measured. Each case runs against each proxy in turn, several rounds; medians count."""
import json
import statistics
import time
import urllib.request


def median(rows, *path):
    values = []
    for row in rows:
        for step in path:
            row = row[step]
        values.append(row)
    return statistics.median(values)


def failures_of(said):
    return sum(said["failures"].values()) if isinstance(said["failures"], dict) else said["failures"]


class Case:
    def __init__(self, deployment, arguments, connections, rate):
        self.deployment, self.arguments, self.connections, self.rate = deployment, arguments, connections, rate

    def run(self, lab, against, rounds, length):
        closed = {name: [] for name in against}
        paced = {name: [] for name in against}
        for _ in range(rounds):
            for name in against:
                closed[name].append(self.at_full_load(lab, name, length))
            for name in against:
                paced[name].append(self._measure(lab, name, length, "-c", 64, "-r", self.rate))
        out = {}
        for name in against:
            out[name] = {
                "requests_per_second": median(closed[name], "requests_per_second"),
                "cpu_us_per_request": median(closed[name], "cpu_us"),
                "rate": self.rate,
                "cpu_us_at_rate": median(paced[name], "cpu_us"),
                "p50_us": median(paced[name], "latency_us", "p50"),
                "p99_us": median(paced[name], "latency_us", "p99"),
                "failures": sum(failures_of(r) for r in closed[name] + paced[name]),
            }
        return out

    def at_full_load(self, lab, name, length):
        return self._measure(lab, name, length, "-c", self.connections)

    def _measure(self, lab, name, length, *arguments):
        used = {}

        def note(stage):
            used[stage] = lab.cpu(name)

        said = lab.load(name, self.deployment, "-d", length, "-w", 0.5, *self.arguments, *arguments, on_stage=note)
        said["cpu_us"] = (used["done"] - used["warm"]) * 1e6 / max(1, said["completed"])
        return said


CASES = {
    "json": Case("json", ["--body-size", 400], 32, 1000),
    "sse": Case("sse-50-0", ["--body-size", 400, "--stream", "--events", 51], 16, 200),
    "body-64k": Case("bytes-65536", ["--body-size", 65536, "--bytes", 65536], 16, 300),
    "body-1m": Case("bytes-1048576", ["--body-size", 1048576, "--bytes", 1048576], 8, 30),
}


def hold_case(lab, against, streams):
    """Memory of streams that are open and nearly silent: one event a second."""
    out = {}
    for name in against:
        before = lab.rss(name)
        at = {}

        def note(stage, name=name, at=at):
            if stage == "open":
                time.sleep(3)
                at["rss"], at["cpu"], at["t"] = lab.rss(name), lab.cpu(name), time.monotonic()
                time.sleep(3)
                at["cpu_share"] = (lab.cpu(name) - at["cpu"]) / (time.monotonic() - at["t"])

        said = lab.load(name, "sse-15-1000", "-c", streams, "--hold", "-d", 12, "--timeout", 60, "--body-size", 400,
                        on_stage=note)
        out[name] = {"streams": streams, "kib_per_stream": (at["rss"] - before) / streams / 1024,
                     "cpu_share": at["cpu_share"], "failures": said["failures"]}
    return out


def flat_case(lab, rounds, length):
    """The same requests with small and with large configurations, in turns."""
    sizes = ((1, 1), (200, 1), (1, 500), (200, 500))
    rows = {size: [] for size in sizes}
    for _ in range(rounds):
        for clients, backends in sizes:
            lab.restart_spillway(clients=clients, backends=backends)
            rows[clients, backends].append(CASES["json"].run(lab, ["spillway"], 1, length)["spillway"])
    lab.restart_spillway()
    return {f"{clients} clients, {backends} backends": {
        key: median(rows[clients, backends], key) for key in ("requests_per_second", "cpu_us_per_request", "p99_us")}
        for clients, backends in sizes}


def identity_case(lab, rounds, length):
    """What it costs to know who is calling: each way by itself, then whole requests in turns."""
    import subprocess
    said = subprocess.run(["taskset", "-c", lab.proxy_core, f"{lab.build}/bench/bench-identity"], check=True,
                          capture_output=True, text=True).stdout
    token, key = lab.start_identity(), lab.credential
    lab.restart_spillway()
    # A request with a token is longer, whoever looks at it: the second row tells the two costs apart.
    filler = "x" * (len(token) + len("Bearer ") - len("api-key"))
    ways = {"key": key, "key, and a field as long as the token": f"{key}\r\nx-filler: {filler}",
            "token, verified before": f"authorization: Bearer {token}"}
    rows = {way: [] for way in ways}
    for _ in range(rounds):
        for way, field in ways.items():
            lab.credential = field
            rows[way].append(CASES["json"].run(lab, ["spillway"], 1, length)["spillway"])
    lab.credential = key
    return {"alone": json.loads(said), "whole": {way: {
        k: median(rows[way], k) for k in ("requests_per_second", "cpu_us_per_request", "p99_us", "failures")}
        for way in ways}}


def usage_case(lab, rounds, length):
    """The same requests without and with ledger, prices and quotas. What the ledger writes is checked.

    A shared machine is faster in one minute than in the next, so the two are measured right after each other, first the
    one and then the other, and the ratios of such pairs are compared.
    """
    import sqlite3
    kinds = {"small JSON": Case("json", ["--body-size", 400], 32, 1000),
             "stream of 50 chunks, usage asked for": Case("asked-50-0", ["--body-size", 400, "--stream"], 16, 200)}
    recorded, out = 0, {}
    lab.start_origin(sleepless=True)
    for kind, case in kinds.items():
        rows, ratios = {False: [], True: []}, []
        for pair in range(2 * rounds):
            for counting in ((False, True) if pair % 2 == 0 else (True, False)):
                lab.restart_spillway(counting=counting)
                rows[counting].append(case.at_full_load(lab, "spillway", length))
                if counting:
                    lab.restart_spillway()  # a clean end writes what waits
                    with sqlite3.connect(f"{lab.folder}/usage.db") as db:
                        recorded += db.execute("select count(*) from usage_records").fetchone()[0]
            ratios.append(rows[True][-1]["cpu_us"] / rows[False][-1]["cpu_us"])
        for counting, way in ((False, "off"), (True, "on")):
            out.setdefault(kind, {})[way] = {
                "requests_per_second": median(rows[counting], "requests_per_second"),
                "cpu_us_per_request": median(rows[counting], "cpu_us"),
                "failures": sum(failures_of(r) for r in rows[counting])}
        out[kind]["ratio"] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    lab.start_origin()
    lab.restart_spillway()
    return {"kinds": out, "recorded": recorded}


def before_case(lab, before, rounds, length):
    """Another build of Spillway and this one, in pairs like those of usage_case."""
    out = {}
    lab.start_origin(sleepless=True)
    for name in ("json", "sse"):
        rows, ratios = {before: [], None: []}, []
        for pair in range(2 * rounds):
            for build in ((before, None) if pair % 2 == 0 else (None, before)):
                lab.restart_spillway(build=build)
                rows[build].append(CASES[name].at_full_load(lab, "spillway", length))
            ratios.append(rows[None][-1]["cpu_us"] / rows[before][-1]["cpu_us"])
        out[name] = {way: {"cpu_us_per_request": median(rows[build], "cpu_us"),
                           "failures": sum(failures_of(r) for r in rows[build])}
                     for build, way in ((before, "before"), (None, "now"))}
        quarters = statistics.quantiles(ratios, n=4)
        out[name]["ratio"] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios),
                              "quarters": [quarters[0], quarters[2]]}
    lab.start_origin()
    lab.restart_spillway()
    return out


def reload_case(lab, length):
    """Reloads the configuration ten times a second while requests run."""
    import threading
    stop, count = threading.Event(), [0, 0]

    def reload():
        while not stop.is_set():
            with open(lab.config, "a", encoding="utf-8") as f:
                f.write(f"# {count[0]}\n")
            request = urllib.request.Request(f"http://127.0.0.1:{lab.admin}/config/reload", method="POST")
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    json.load(answer)
            except OSError:
                count[1] += 1
            count[0] += 1
            stop.wait(0.1)

    thread = threading.Thread(target=reload)
    quiet = CASES["json"].run(lab, ["spillway"], 1, length)["spillway"]
    thread.start()
    busy = CASES["json"].run(lab, ["spillway"], 1, length)["spillway"]
    stop.set()
    thread.join()
    return {"without": quiet, "with": busy, "reloads": count[0], "refused": count[1]}
