// How single values are shown: numbers, times, states, bars, countdowns.

import { element, set_text, set_tone } from "./table.js";

export const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
export const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
export const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });

const states = {
  closed: ["good", "●", "in use"],
  throttled: ["warn", "◷", "throttled"],
  unhealthy: ["bad", "✕", "unhealthy"],
  misconfigured: ["bad", "▲", "misconfigured"],
  half_open: ["warn", "◐", "half open"],
  busy: ["warn", "■", "busy"],
  usable: ["good", "●", "usable"],
  dead: ["bad", "✕", "dead"],
  up: ["good", "●", "up"],
  away: ["bad", "✕", "away"],
  failing: ["warn", "▲", "failing"],
  off: ["quiet", "○", "off"],
};

export function show_state(cell, name) {
  if (cell.dataset.state === name) return;
  cell.dataset.state = name;
  const [tone, icon, text] = Object.hasOwn(states, name) ? states[name] : ["quiet", "?", name];
  set_tone(cell, tone);
  cell.replaceChildren(element("span", { class: "icon", "aria-hidden": "true" }, icon), text);
}

// "3 h 12 min"
export function span_text(s) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([size]) => s >= size);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .map(([size, name], i) => Math.floor(i === 0 ? s / size : (s % parts[first][0]) / size) + " " + name)
    .join(" ");
}

export function duration_text(s) {
  if (s === null || s === undefined) return "–";
  if (s < 0.01) return tenth.format(s * 1000) + " ms";
  if (s < 1) return whole.format(s * 1000) + " ms";
  return s < 60 ? tenth.format(s) + " s" : span_text(s);
}

export function time_text(epoch) {
  return epoch ? new Date(epoch * 1000).toLocaleString() : "never";
}

export function percent(part) {
  return whole.format(part * 100) + " %";
}

// A picture of what the text beside it says.
export function show_bar(cell, part, tone, text) {
  if (!cell.firstChild) {
    const bar = element("span", { class: "bar", "aria-hidden": "true" }, element("span"));
    cell.append(bar, element("span"));
  }
  const [bar, words] = cell.children;
  bar.firstChild.style.width = Math.min(100, Math.max(0, part * 100)) + "%";
  set_tone(bar, tone);
  set_text(words, text);
}

// Countdowns run between events: what an event tells is turned into a moment of this browser's clock.
const countdowns = new Map();

export function show_countdown(cell, seconds) {
  if (seconds > 0) countdowns.set(cell, performance.now() + seconds * 1000);
  else countdowns.delete(cell);
  draw_countdown(cell);
}

function draw_countdown(cell) {
  const until = countdowns.get(cell);
  const left = until === undefined ? 0 : (until - performance.now()) / 1000;
  set_text(cell, until === undefined ? "" : left <= 0 ? "now" : left < 60 ? tenth.format(left) + " s" : span_text(left));
}

export function tick_countdowns() {
  for (const cell of countdowns.keys()) {
    if (cell.isConnected) draw_countdown(cell);
    else countdowns.delete(cell);
  }
}
