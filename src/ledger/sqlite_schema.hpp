#pragma once

#include <array>

// What lies in the SQLite file. PRAGMA user_version counts the steps of `sqlite_migrations` that were taken.
//
// kinds    everything that many records have in common, once: names and labels. `kind` is its number. Never deleted,
//          never changed, so that its numbers may be remembered.
// records  one row a request. Numbers are whole; absent texts and zero details are NULL.
//            key    orders by time: (milliseconds since 1970 << 21) | 21 bits. The milliseconds are at most one day
//            away
//                   from time_us, so a report from A to B (microseconds) reads
//                     WHERE key BETWEEN ((A/1000 - 86400000) << 21) AND ((B/1000 + 86400000) << 21)
//                       AND time_us >= A AND time_us < B
//            rest   what key does not hold of the record's id: its last 8 bytes as a number, or all 16 as a blob
//            facts  status | outcome << 16 | source << 20 | streaming << 24 | priced << 25 | attempts << 26, the
//                   numbers of core::usage_outcome and core::token_source
// days     sums of the days whose records were deleted: by day (days since 1970), kind, outcome and source. A day is
//          either in records or in days, but for the moment of its compaction, when each record is in one of the two;
//          so a report adds both.
//
// Views for people, with names and units: usage_records, usage_days.
//
// A report reads fastest row by row (kind, facts, time_us and the token columns come first in a row for this) and
// sums by kind in memory; the names of kinds are read once. GROUP BY in SQL sorts all rows and costs about three
// times that.
namespace spillway::ledger {

inline constexpr const char* sqlite_schema_1 = R"sql(
CREATE TABLE kinds(
  kind INTEGER PRIMARY KEY,
  gateway TEXT NOT NULL, client TEXT NOT NULL, labels TEXT NOT NULL, route TEXT NOT NULL, pool TEXT NOT NULL,
  backend TEXT NOT NULL, instance TEXT NOT NULL, region TEXT NOT NULL, deployment TEXT NOT NULL, model TEXT NOT NULL,
  operation TEXT NOT NULL,
  UNIQUE(client, pool, backend, model, operation, deployment, route, gateway, instance, region, labels));

CREATE TABLE records(
  key INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL, time_us INTEGER NOT NULL, facts INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, price_nanos INTEGER NOT NULL,
  cached_tokens INTEGER, reasoning_tokens INTEGER, audio_prompt_tokens INTEGER, audio_completion_tokens INTEGER,
  bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
  first_byte_us INTEGER NOT NULL, token_us INTEGER NOT NULL, duration_us INTEGER NOT NULL,
  rest NOT NULL,
  request_id TEXT, end_user TEXT, code TEXT, tries TEXT);

CREATE TABLE days(
  day INTEGER NOT NULL, kind INTEGER NOT NULL, outcome INTEGER NOT NULL, source INTEGER NOT NULL,
  requests INTEGER NOT NULL, streaming INTEGER NOT NULL, attempts INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL, audio_prompt_tokens INTEGER NOT NULL, audio_completion_tokens INTEGER NOT NULL,
  bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, duration_us INTEGER NOT NULL, price_nanos INTEGER NOT NULL,
  PRIMARY KEY(day, kind, outcome, source)) WITHOUT ROWID;

CREATE VIEW usage_records AS SELECT
  CASE typeof(r.rest) WHEN 'blob' THEN lower(
      substr(hex(r.rest), 1, 8) || '-' || substr(hex(r.rest), 9, 4) || '-' || substr(hex(r.rest), 13, 4) || '-' ||
      substr(hex(r.rest), 17, 4) || '-' || substr(hex(r.rest), 21))
    ELSE printf('%08x-%04x-7%03x-%04x-%012x', r.key >> 37, (r.key >> 21) & 0xffff, (r.key >> 9) & 0xfff,
                (r.rest >> 48) & 0xffff, r.rest & 0xffffffffffff) END AS id,
  strftime('%Y-%m-%dT%H:%M:%S', r.time_us / 1000000, 'unixepoch') || printf('.%06dZ', r.time_us % 1000000) AS time,
  k.client, k.labels, coalesce(r.end_user, '') AS end_user, k.route, k.pool, k.backend, k.instance, k.region,
  k.deployment, k.model, k.operation,
  (r.facts >> 24) & 1 AS streaming,
  r.facts & 0xffff AS status,
  CASE (r.facts >> 16) & 15 WHEN 0 THEN 'ok' WHEN 1 THEN 'client_left' WHEN 2 THEN 'broken' WHEN 3 THEN 'refused'
    WHEN 4 THEN 'failed' ELSE 'error' END AS outcome,
  coalesce(r.code, '') AS code,
  (r.facts >> 26) & 255 AS attempts,
  coalesce(r.tries, '') AS tries,
  r.prompt_tokens, r.completion_tokens, coalesce(r.cached_tokens, 0) AS cached_tokens,
  coalesce(r.reasoning_tokens, 0) AS reasoning_tokens, coalesce(r.audio_prompt_tokens, 0) AS audio_prompt_tokens,
  coalesce(r.audio_completion_tokens, 0) AS audio_completion_tokens,
  CASE (r.facts >> 20) & 15 WHEN 0 THEN 'none' WHEN 1 THEN 'exact' ELSE 'estimated' END AS token_source,
  r.bytes_in, r.bytes_out,
  CASE r.first_byte_us WHEN 0 THEN NULL ELSE r.first_byte_us / 1e6 END AS first_byte_seconds,
  CASE r.token_us WHEN 0 THEN NULL ELSE r.token_us / 1e6 END AS token_seconds,
  r.duration_us / 1e6 AS duration_seconds,
  CASE (r.facts >> 25) & 1 WHEN 1 THEN r.price_nanos / 1e9 END AS price,
  CASE (r.facts >> 25) & 1 WHEN 1 THEN r.price_nanos END AS price_nanos,
  k.gateway, coalesce(r.request_id, '') AS request_id
FROM records r JOIN kinds k ON k.kind = r.kind;

CREATE VIEW usage_days AS SELECT
  date(d.day * 86400, 'unixepoch') AS day,
  k.client, k.labels, k.route, k.pool, k.backend, k.instance, k.region, k.deployment, k.model, k.operation,
  CASE d.outcome WHEN 0 THEN 'ok' WHEN 1 THEN 'client_left' WHEN 2 THEN 'broken' WHEN 3 THEN 'refused'
    WHEN 4 THEN 'failed' ELSE 'error' END AS outcome,
  CASE d.source WHEN 0 THEN 'none' WHEN 1 THEN 'exact' ELSE 'estimated' END AS token_source,
  d.requests, d.streaming, d.attempts, d.prompt_tokens, d.completion_tokens, d.cached_tokens, d.reasoning_tokens,
  d.audio_prompt_tokens, d.audio_completion_tokens, d.bytes_in, d.bytes_out, d.duration_us / 1e6 AS duration_seconds,
  d.price_nanos / 1e9 AS price, d.price_nanos, k.gateway
FROM days d JOIN kinds k ON k.kind = d.kind;
)sql";

inline constexpr std::array sqlite_migrations{sqlite_schema_1};

}  // namespace spillway::ledger
