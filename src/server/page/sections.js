// What the page shows of one event, section by section.

import { duration_text, money, percent, show_bar, show_countdown, show_state, tenth, time_text, whole } from "./cells.js";
import { tokens_of } from "./rates.js";
import { Table, element, set_text } from "./table.js";

const name_or = (name, otherwise) => name || otherwise;
const place = (id) => document.getElementById(id);
const number = (title, value, text) => ({ title, value, text: text ?? ((row) => whole.format(value(row))), number: true });
const state_column = (title, value) => ({ title, value, style: "state", fill: (cell, row) => show_state(cell, value(row)) });

const pool_columns = [
  { title: "Pool", value: (p) => p.name },
  state_column("Health", (p) => p.health),
  {
    title: "Capacity left",
    value: (p) => p.capacity,
    style: "used",
    fill: (cell, p) => show_bar(cell, p.capacity, p.capacity < 0.2 ? "bad" : p.capacity < 0.5 ? "warn" : "good", percent(p.capacity)),
  },
  { title: "Model", value: (p) => p.model + " " + p.version },
  { title: "Balance", value: (p) => p.balance },
];

// What part of its pool's weight a backend has among those of its priority.
function with_shares(pool) {
  const weights = new Map();
  for (const b of pool.backends) weights.set(b.priority, (weights.get(b.priority) ?? 0) + b.weight);
  return pool.backends.map((b) => ({ ...b, pool: pool.name, share: weights.get(b.priority) ? b.weight / weights.get(b.priority) : 0 }));
}

const backend_columns = [
  { title: "Backend", value: (b) => b.name },
  { title: "Pool", value: (b) => b.pool },
  state_column("State", (b) => b.breaker.state),
  {
    title: "Back in",
    value: (b) => b.breaker.seconds_left ?? 0,
    number: true,
    style: "countdown",
    fill: (cell, b) => show_countdown(cell, b.breaker.seconds_left ?? 0),
  },
  {
    title: "Proved",
    value: (b) => b.proof.seconds_ago ?? Infinity,
    text: (b) => (b.proof.by ? duration_text(b.proof.seconds_ago) + " ago, by a " + b.proof.by : "–"),
  },
  number("In flight", (b) => b.outstanding),
  number("Latency", (b) => b.latency_seconds, (b) => (b.latency_seconds > 0 ? duration_text(b.latency_seconds) : "–")),
  number("Priority", (b) => b.priority),
  number("Share", (b) => b.share, (b) => percent(b.share)),
  { title: "Region", value: (b) => b.region },
  { title: "Type", value: (b) => b.type },
];

function traffic_columns(title, nobody, kind, rates, currency) {
  return [
    { title, value: (t) => t.name, text: (t) => name_or(t.name, nobody) },
    number("Requests/s", (t) => rates.requests_per_second(kind, t.name), (t) => tenth.format(rates.requests_per_second(kind, t.name))),
    number("Tokens/min", (t) => rates.tokens_per_minute(kind, t.name)),
    number("Requests", (t) => t.requests),
    number("4xx", (t) => t.statuses["4xx"]),
    number("5xx", (t) => t.statuses["5xx"]),
    number("Tokens", (t) => tokens_of(t.tokens)),
    number("Estimated", (t) => t.tokens.estimated.prompt + t.tokens.estimated.completion),
    number("Spend", (t) => t.price_nanos, (t) => money.format(t.price_nanos / 1e9) + " " + currency()),
  ];
}

const limit_names = {
  requests: (q) => whole.format(q.limit) + " requests a minute",
  tokens: (q) => whole.format(q.limit) + " tokens a minute",
  concurrent: () => "requests at the same time",
  budget_tokens: (q, period) => "tokens in " + period,
  budget_money_nanos: (q, period) => "money in " + period,
};

function quota_rows(quotas) {
  const rows = [];
  for (const h of quotas?.holders ?? [])
    for (const [limit, q] of Object.entries(h.limits)) {
      const what = limit_names[limit]?.(q, h.period) ?? limit;
      rows.push([h.name + "|" + limit, { ...q, holder: h.name, what, money: limit === "budget_money_nanos", refused: h.refused }]);
    }
  return rows;
}

function quota_columns(currency) {
  // Of a rate: what of its bucket is taken.
  const room = (q) => q.room ?? q.limit;
  const part = (q) => (room(q) > 0 ? q.used / room(q) : 1);
  const text = (q) =>
    q.money
      ? `${money.format(q.used / 1e9)} of ${money.format(q.limit / 1e9)} ${currency()}`
      : `${whole.format(q.used)} of ${whole.format(room(q))}`;
  return [
    { title: "Holder", value: (q) => q.holder },
    { title: "Limit", value: (q) => q.what },
    {
      title: "Used",
      value: part,
      style: "used",
      fill: (cell, q) => show_bar(cell, part(q), part(q) >= 1 ? "bad" : part(q) > 0.8 ? "warn" : "good", text(q)),
    },
    number("Full again in", (q) => q.reset_seconds ?? 0, (q) => (q.reset_seconds > 0 ? duration_text(q.reset_seconds) : "–")),
    number("Refused", (q) => q.refused),
  ];
}

function latency_columns() {
  const times = (title, kind) =>
    ["p50", "p95", "p99"].map((p) => number(`${title} ${p}`, (t) => t[kind]?.[p] ?? 0, (t) => duration_text(t[kind]?.[p])));
  return [
    { title: "Pool", value: (t) => t.name },
    number("Requests", (t) => t.seconds?.count ?? 0),
    ...times("First byte", "first_byte_seconds"),
    ...times("Whole answer", "seconds"),
  ];
}

const store_columns = [
  { title: "Part", value: (s) => s.part },
  state_column("State", (s) => s.state),
  { title: "Where", value: (s) => s.where },
  { title: "Counts", value: (s) => s.counts },
  { title: "Last error", value: (s) => s.error ?? "–" },
];

function store_rows({ usage, quotas, traces }) {
  const off = (part) => ({ part, state: "off", where: "–", counts: "–" });
  const ledger = usage && {
    part: "Ledger",
    state: !usage.up ? "away" : usage.spool_full ? "failing" : "up",
    where: usage.store,
    counts: `${whole.format(usage.written)} written, ${whole.format(usage.waiting)} waiting, ${whole.format(usage.lost)} lost; spool ${whole.format(usage.spool_bytes / 1048576)} of ${whole.format(usage.spool_limit / 1048576)} MiB`,
    error: usage.last_error,
  };
  const store = quotas && {
    part: "Quota store",
    state: quotas.up ? "up" : "away",
    where: quotas.store,
    counts: `${whole.format(quotas.round_trips)} round trips, ${whole.format(quotas.failures)} failures; the last took ${duration_text(quotas.round_trip_seconds)}`,
    error: quotas.last_error,
  };
  const spans = traces && {
    part: "Traces",
    state: traces.last_error ? "failing" : "up",
    where: "–",
    counts: `${whole.format(traces.exported)} spans exported, ${whole.format(traces.dropped)} dropped`,
    error: traces.last_error,
  };
  return [ledger ?? off("Ledger"), store ?? off("Quota store"), spans ?? off("Traces")].map((s) => [s.part, s]);
}

const any = (list) => (list.length > 0 ? list.join(", ") : "any");

const route_columns = [
  { title: "Route", value: (r) => r.name },
  number("Order", (r) => r.order),
  { title: "Clients", value: (r) => any(r.clients) },
  { title: "Deployment", value: (r) => r.deployment },
  { title: "Operations", value: (r) => any(r.operations) },
  { title: "Pools", value: (r) => r.pools.map((p) => (r.pools.length > 1 ? `${p.pool} (weight ${p.weight})` : p.pool)).join(", ") },
];

const error_columns = [
  { title: "Time", value: (e) => e.at, text: (e) => time_text(e.at), number: true },
  number("Status", (e) => e.status, (e) => String(e.status)),
  { title: "Code", value: (e) => e.code },
  { title: "Client", value: (e) => e.client },
  { title: "Pool", value: (e) => e.pool },
  { title: "Backend", value: (e) => e.backend },
  { title: "Operation", value: (e) => e.operation },
  { title: "Request id", value: (e) => e.request_id },
];

// The same moment, request and code may come twice.
function error_rows(errors) {
  const seen = new Map();
  return errors.map((e) => {
    const key = [e.at, e.request_id, e.code].join("|");
    const times = seen.get(key) ?? 0;
    seen.set(key, times + 1);
    return [key + "|" + times, e];
  });
}

function show_list(list, lines) {
  const now = lines.join("\n");
  if (list.dataset.now === now) return;
  list.dataset.now = now;
  list.replaceChildren(...lines.map((line) => element("li", {}, line)));
}

export class Sections {
  constructor(rates) {
    this.currency = "";
    const currency = () => this.currency;
    this.pools = new Table(place("pool-table"), "Pools", pool_columns);
    this.backends = new Table(place("backend-table"), "Backends", backend_columns, { sort: 1 });
    this.clients = new Table(place("client-table"), "By client, since the start", traffic_columns("Client", "(not known)", "clients", rates, currency), { sort: 3, descending: true });
    this.pool_traffic = new Table(place("pool-traffic-table"), "By pool, since the start", traffic_columns("Pool", "(none)", "pools", rates, currency), { sort: 3, descending: true });
    this.quotas = new Table(place("quota-table"), "Limits and what is used of them", quota_columns(currency), { empty: "No limits are configured" });
    this.rates = rates;
    this.recent = new Table(place("recent-table"), "By pool, in the last minute that this page has seen", latency_columns(), { empty: "No requests while this page is open" });
    this.latency = new Table(place("latency-table"), "By pool, since the start", latency_columns());
    this.stores = new Table(place("store-table"), "Where records, counts and spans go", store_columns);
    this.routes = new Table(place("route-table"), "Routes; the first that matches is taken", route_columns, { sort: 1 });
    this.errors = new Table(place("error-table"), "The last answers that were no success", error_columns, { descending: true, empty: "None since the start" });
  }

  show(status) {
    this.currency = status.traffic.currency;
    const by_name = (list) => list.map((one) => [one.name, one]);
    this.pools.update(by_name(status.pools));
    this.backends.update(status.pools.flatMap(with_shares).map((b) => [b.pool + "|" + b.name, b]));
    this.clients.update(by_name(status.traffic.clients));
    this.pool_traffic.update(by_name(status.traffic.pools));
    this.quotas.update(quota_rows(status.quotas));
    const measured = status.traffic.pools.filter((p) => p.name);
    this.recent.update(by_name(measured.map((p) => this.recent_times(p.name, status.traffic.bucket_bounds)).filter((p) => p.seconds)));
    this.latency.update(by_name(measured));
    this.stores.update(store_rows(status));
    this.routes.update(status.routes.map((r, i) => [i, { ...r, order: i + 1 }]));
    this.errors.update(error_rows(status.errors));
    this.show_configuration(status.configuration);
    place("attention").hidden = status.attention.length === 0;
    show_list(place("attention-list"), status.attention);
  }

  recent_times(name, bounds) {
    const times = (what) => this.rates.times(name, what, bounds);
    return { name, seconds: times("seconds"), first_byte_seconds: times("first_byte_seconds") };
  }

  show_configuration(c) {
    const refused = c.last_bad ? `; last refused ${time_text(c.last_bad)}` : "";
    set_text(place("reloads"), `Loaded ${time_text(c.loaded_at)}. Reloads: ${c.reloads.good} good, ${c.reloads.bad} refused${refused}.`);
    show_list(place("issues"), c.issues.map((i) => i.text));
  }
}
