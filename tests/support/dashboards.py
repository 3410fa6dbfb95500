"""What dashboards and alert rules say about metrics, and what the metrics reference declares."""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
# What Prometheus adds. `exported_instance` is our label `instance`, which collides with the target's.
ADDED = {"instance", "job"}
OURS_RENAMED = {"exported_instance": "instance"}
# What Grafana fills in, by something that parses.
FILLED = {"$__rate_interval": "5m", "$__range": "6h", "$gateway": ".*", "$pool": ".*", "$client": ".*"}


def declared():
    """{metric: (type, set of labels)} of docs/metrics.md, which a unit test holds to the exposition."""
    rows = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*) \|", (ROOT / "docs/metrics.md").read_text(), re.M)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def dashboards():
    return {p.name: json.loads(p.read_text()) for p in sorted((ROOT / "config/grafana").glob("*.json"))}


def panels(dashboard):
    return [p for p in dashboard["panels"] if p["type"] != "row"]


def rules():
    groups = yaml.safe_load((ROOT / "config/prometheus/alerts.yaml").read_text())["groups"]
    return [r for g in groups for r in g["rules"]]


def filled(expression):
    for name, value in FILLED.items():
        expression = expression.replace(name, value)
    return expression


def split(expression):
    """([(metric, labels in its matchers)], labels that are grouped by)"""
    grouped = set()
    for inside in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expression):
        grouped |= {l.strip() for l in inside.split(",") if l.strip()}
    bare = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)", "", expression)
    found = []
    for name, matchers in re.findall(r"\b((?:spillway|gen_ai)_\w+|up)\b\s*(\{[^}]*\})?", _without_matchers(bare)):
        texts = MATCHERS[int(matchers[1:-1])] if matchers else ""
        found.append((name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", texts))))
    return found, grouped


MATCHERS = []


def _without_matchers(text):
    def keep(m):
        MATCHERS.append(m[1])
        return "{%d}" % (len(MATCHERS) - 1)

    return re.sub(r"\{([^}]*)\}", keep, text)


def wrong_names(expression, known):
    """Metrics and labels that nobody declares, as texts."""
    used, grouped = split(expression)
    out, labels_of_all = [], set(ADDED)
    for name, labels in used:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if name == "up":
            continue
        if name in known and known[name][0] != "histogram":
            have = known[name][1]
        elif base != name and known.get(base, ("",))[0] == "histogram":
            have = known[base][1] | {"le"}
        else:
            out.append(f"unknown metric {name}")
            continue
        have = have | ADDED | {renamed for renamed, ours in OURS_RENAMED.items() if ours in have}
        labels_of_all |= have
        out += [f"{name} has no label {l}" for l in labels - have]
    out += [f"no metric has the label {l}" for l in grouped - labels_of_all]
    if not used:
        out.append("no metric at all")
    return out
