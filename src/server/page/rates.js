// What happened per second and per minute, from the difference of successive events.

const keep_seconds = 60;
// A page that was just opened has seen too little to speak of minutes: what it saw counts as if it were this long.
const least_seconds = 10;

export function tokens_of(t) {
  return t.exact.prompt + t.exact.completion + t.estimated.prompt + t.estimated.completion;
}

export class Rates {
  constructor() {
    this.history = [];
    this.started = null;
  }

  // A gateway that began anew counts anew.
  add(status) {
    if (status.gateway.started_at !== this.started) this.history = [];
    this.started = status.gateway.started_at;
    const counts = new Map();
    for (const kind of ["clients", "pools"])
      for (const one of status.traffic[kind])
        counts.set(kind + "|" + one.name, {
          requests: one.requests,
          tokens: tokens_of(one.tokens),
          seconds: one.seconds?.buckets ?? [],
          first_byte_seconds: one.first_byte_seconds?.buckets ?? [],
        });
    this.history.push({ at: status.at, counts });
    while (this.history.length > 1 && this.history[0].at < status.at - keep_seconds) this.history.shift();
  }

  per_second(kind, name, what, over_seconds, least = 1) {
    const last = this.history.at(-1);
    const first = this.history.find((h) => h.at >= last.at - over_seconds);
    if (!first) return 0;
    const key = kind + "|" + name;
    const before = first.counts.get(key)?.[what] ?? 0;
    return Math.max(0, (last.counts.get(key)?.[what] ?? 0) - before) / Math.max(least, last.at - first.at);
  }

  requests_per_second(kind, name) {
    return this.per_second(kind, name, "requests", 10);
  }

  tokens_per_minute(kind, name) {
    return 60 * this.per_second(kind, name, "tokens", keep_seconds, least_seconds);
  }

  // Percentiles of a pool in the last minute, as far as this page has seen it; null when nothing was measured.
  times(name, what, bounds) {
    const key = "pools|" + name;
    const now = this.history.at(-1).counts.get(key)?.[what] ?? [];
    const before = this.history[0].counts.get(key)?.[what] ?? [];
    const counts = now.map((n, i) => n - (before[i] ?? 0));
    const count = counts.reduce((sum, n) => sum + n, 0);
    if (count === 0) return null;
    return { count, p50: quantile(bounds, counts, 0.5 * count), p95: quantile(bounds, counts, 0.95 * count), p99: quantile(bounds, counts, 0.99 * count) };
  }
}

// The value below which that many lie, taken as even within a bucket.
function quantile(bounds, counts, wanted) {
  let below = 0;
  for (let i = 0; i < bounds.length; ++i) {
    if (counts[i] > 0 && below + counts[i] >= wanted) {
      const from = i === 0 ? 0 : bounds[i - 1];
      return from + ((bounds[i] - from) * (wanted - below)) / counts[i];
    }
    below += counts[i];
  }
  return bounds.at(-1);
}
