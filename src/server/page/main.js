// Starts the page: connection, header, key, theme, reload button, and what is told to those who do not see it.

import { span_text, tick_countdowns } from "./cells.js";
import { Rates } from "./rates.js";
import { Sections } from "./sections.js";
import { Stream, authorization, forget_key, keep_key } from "./stream.js";
import { set_text, set_tone } from "./table.js";

const place = (id) => document.getElementById(id);
const rates = new Rates();
const sections = new Sections(rates);
let last = null;
let last_at = 0;
let stale = false;

// Only changes of state are spoken, and many at once as their number.
function announce(lines) {
  if (lines.length === 0) return;
  set_text(place("announcer"), lines.length > 3 ? `${lines.length} states changed` : lines.join(". "));
}

function ready_text(gateway) {
  return gateway.draining ? "draining" : gateway.ready ? "ready" : "not ready";
}

function states_of(status) {
  const out = new Map([["Gateway", ready_text(status.gateway)], ["Configuration", status.configuration.hash]]);
  for (const pool of status.pools)
    for (const b of pool.backends) out.set(`${b.name} in ${pool.name}`, b.breaker.state.replace("_", " "));
  for (const line of status.attention) out.set(line, "needs attention");
  return out;
}

function announce_changes(before, after) {
  const old = states_of(before);
  const now = states_of(after);
  announce([...now].filter(([what, state]) => old.get(what) !== state).map(([what, state]) => `${what}: ${state}`));
}

function show_header(status) {
  const g = status.gateway;
  const ready = ready_text(g);
  set_text(place("name"), g.name || "Spillway");
  set_text(place("ready"), ready);
  set_tone(place("ready"), ready === "ready" ? "good" : ready === "draining" ? "warn" : "bad");
  set_text(place("version"), g.version);
  set_text(place("hash"), status.configuration.hash);
  const title = `${g.name || "Spillway"}: ${ready}`;
  if (document.title !== title) document.title = title;
}

// Between events, too.
function tick() {
  tick_countdowns();
  if (last && !stale) {
    const up = last.at - last.gateway.started_at + (performance.now() - last_at) / 1000;
    set_text(place("uptime"), span_text(up));
  }
}

function wants_key(wrong) {
  forget_key();
  stale = true;
  place("key-form").hidden = false;
  set_text(place("connection"), wrong ? "the key is wrong" : "wants a key");
  set_tone(place("connection"), "warn");
  document.body.dataset.connection = "key";
  announce([wrong ? "The key is wrong" : "A key is wanted"]);
  place("key").focus();
}

const stream = new Stream({
  status(status) {
    if (last) announce_changes(last, status);
    last = status;
    last_at = performance.now();
    rates.add(status);
    show_header(status);
    sections.show(status);
    tick();
  },
  live() {
    if (place("connection").dataset.tone === "good") return;
    place("key-form").hidden = true;
    set_text(place("connection"), "live");
    set_tone(place("connection"), "good");
    document.body.dataset.connection = "live";
    if (stale) announce(["Connected again"]);
    stale = false;
  },
  stale(why) {
    if (stale) return;
    stale = true;
    set_text(place("connection"), last ? `stale since ${new Date().toLocaleTimeString()}` : why);
    set_tone(place("connection"), "bad");
    document.body.dataset.connection = "stale";
    announce([why]);
  },
  wants_key,
});

place("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = place("key").value.trim();
  place("key").value = "";
  // What no header field can carry is no key either.
  if (!/^[\x20-\x7e\xa0-\xff]+$/.test(key)) return wants_key(true);
  keep_key(key);
  stream.start();
});

async function reload() {
  const button = place("reload");
  button.setAttribute("aria-disabled", "true");
  set_text(place("reload-result"), "reading the file …");
  try {
    const answer = await fetch("config/reload", { method: "POST", headers: authorization(), cache: "no-store" });
    const words = { 200: "The file was read and runs.", 409: "Refused; what ran before keeps running.", 401: "The key is wrong." };
    set_text(place("reload-result"), words[answer.status] ?? `Refused with status ${answer.status}.`);
  } catch {
    set_text(place("reload-result"), "The gateway does not answer.");
  }
  button.removeAttribute("aria-disabled");
}

place("reload").addEventListener("click", () => {
  if (!place("reload").hasAttribute("aria-disabled")) reload();
});

const themes = ["system", "dark", "light"];

function show_theme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  set_text(place("theme"), `Theme: ${theme}`);
}

let theme = themes.includes(localStorage.getItem("spillway-theme")) ? localStorage.getItem("spillway-theme") : "system";
show_theme(theme);
place("theme").addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  localStorage.setItem("spillway-theme", theme);
  show_theme(theme);
});

setInterval(tick, 200);
stream.start();
