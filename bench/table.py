"""Prints what was measured as Markdown, as it goes into docs/performance.md."""
import json

TITLES = {
    "json": "Small JSON (400 B question, 500 B answer)",
    "sse": "Event stream of 50 chunks, as fast as they come",
    "body-64k": "64 KiB question and answer",
    "body-1m": "1 MiB question and answer",
}


def row(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |")


def print_tables(results):
    print(f"Machine: {results['machine']}\n")
    for v in results["versions"]:
        print(f"- {v}")
    for name, title in TITLES.items():
        case = results["cases"].get(name)
        if not case:
            continue
        print(f"\n### {title}\n")
        row("", "requests/s", "CPU µs/request", "CPU vs nginx", "p50 µs", "p99 µs", "added p50", "added p99", "failures")
        row(*["---"] + ["--:"] * 8)
        direct, nginx = case.get("direct"), case.get("nginx")
        for who, r in case.items():
            own = who == "direct"
            versus = f"{r['cpu_us_per_request'] / nginx['cpu_us_per_request']:.2f}" if nginx and not own else ""
            added = [f"{r[k] - direct[k]:.0f}" if direct and not own else "" for k in ("p50_us", "p99_us")]
            row(who, f"{r['requests_per_second']:.0f}", "" if own else f"{r['cpu_us_per_request']:.1f}", versus,
                f"{r['p50_us']:.0f}", f"{r['p99_us']:.0f}", *added, r["failures"])
        print(f"\nLatency at {next(iter(case.values()))['rate']} requests/s.")
    hold = results["cases"].get("hold")
    if hold:
        print("\n### Open streams, one event a second each\n")
        row("", "streams", "KiB resident per stream", "share of a core", "failures")
        row("---", "--:", "--:", "--:", "--:")
        for who, r in hold.items():
            row(who, r["streams"], f"{r['kib_per_stream']:.1f}", f"{r['cpu_share']:.3f}", r["failures"])
    flat = results["cases"].get("flat")
    if flat:
        print("\n### Cost by size of the configuration\n")
        row("", "requests/s", "CPU µs/request", "p99 µs")
        row("---", "--:", "--:", "--:")
        for what, r in flat.items():
            row(what, f"{r['requests_per_second']:.0f}", f"{r['cpu_us_per_request']:.1f}", f"{r['p99_us']:.0f}")
    identity = results["cases"].get("identity")
    if identity:
        alone = identity["alone"]
        print("\n### Who is calling\n")
        row("the check alone", "ns")
        row("---", "--:")
        row("key", f"{alone['key']:.0f}")
        row(f"token of {alone['token_bytes']} bytes, the last one of the connection", f"{alone['token_same_connection']:.0f}")
        row("token that this worker has verified before", f"{alone['token_other_connection']:.0f}")
        row("token, verified now", f"{alone['token_verified']:.0f}")
        print()
        row("whole requests (small JSON)", "requests/s", "CPU µs/request", "p99 µs", "failures")
        row("---", "--:", "--:", "--:", "--:")
        for way, r in identity["whole"].items():
            row(way, f"{r['requests_per_second']:.0f}", f"{r['cpu_us_per_request']:.1f}", f"{r['p99_us']:.0f}", r["failures"])
    usage = results["cases"].get("usage")
    if usage:
        print(f"\n### Ledger, prices and quotas ({usage['recorded']} records kept)\n")
        row("", "requests/s", "CPU µs/request", "against off, pairs", "failures")
        row("---", "--:", "--:", "--:", "--:")
        for kind, ways in usage["kinds"].items():
            for way in ("off", "on"):
                r, pairs = ways[way], ways["ratio"]
                against = f"{pairs['median']:.3f} ({pairs['least']:.3f} to {pairs['most']:.3f})" if way == "on" else ""
                row(f"{kind}: {way}", f"{r['requests_per_second']:.0f}", f"{r['cpu_us_per_request']:.2f}", against,
                    r["failures"])
    before = results["cases"].get("before")
    if before:
        print("\n### Another build before, and now, in pairs\n")
        row("", "before: CPU µs/request", "now", "ratio of pairs: median", "middle half", "least to most", "failures")
        row("---", "--:", "--:", "--:", "--:", "--:", "--:")
        for kind, r in before.items():
            pairs = r["ratio"]
            row(kind, f"{r['before']['cpu_us_per_request']:.2f}", f"{r['now']['cpu_us_per_request']:.2f}",
                f"{pairs['median']:.3f}", f"{pairs['quarters'][0]:.3f} to {pairs['quarters'][1]:.3f}",
                f"{pairs['least']:.3f} to {pairs['most']:.3f}", r["before"]["failures"] + r["now"]["failures"])
    reload = results["cases"].get("reload")
    if reload:
        print(f"\n### {reload['reloads']} reloads under load ({reload['refused']} refused)\n")
        row("", "requests/s", "CPU µs/request", "p99 µs", "failures")
        row("---", "--:", "--:", "--:", "--:")
        for what in ("without", "with"):
            r = reload[what]
            row(what, f"{r['requests_per_second']:.0f}", f"{r['cpu_us_per_request']:.1f}", f"{r['p99_us']:.0f}",
                r["failures"])


def write_json(path, results):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
