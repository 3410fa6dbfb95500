#pragma once

#include <array>

// What lies in the SQLite file. PRAGMA user_version counts the steps of `sqlite_migrations` that were taken.
//
// kinds    everything that many records have in common, once: names and labels. `kind` is its number. Never deleted,
//          never changed, so that its numbers may be remembered.
// records  one row a request. What people seldom ask for is packed, because every column costs time at every record.
//          Numbers are whole, absent texts NULL.
//            key      orders by time: (milliseconds since 1970 << 21) | 21 bits. The milliseconds are at most one day
//                     away from the record's time, so a report from A to B (microseconds) reads
//                       WHERE key BETWEEN ((A/1000 - 86400000) << 21) AND ((B/1000 + 86400000) << 21)
//                     and of these the ones whose time, (key >> 21) * 1000 + late, is from A until before B
//            facts    status | outcome << 16 | source << 20 | streaming << 24 | priced << 25 | attempts << 26 |
//                     kind << 34, with the numbers of core::usage_outcome and core::token_source
//            parts    cached | reasoning << 31, audio  prompt | completion << 31: tokens, each below 2^31
//            traffic  bytes in | bytes out << 31, below 2^31 and 2^32
//            waits    microseconds: first byte | each token << 32, below 2^32 and 2^31
//            rest     what key does not hold of the record's id: its last 8 bytes as a number, or all 16 as a blob
//            notes    code, line feed, tries
// days     sums of the days whose records were deleted: by day (days since 1970), kind, outcome and source. A day is
//          either in records or in days, but for the moment of its compaction, when each record is in one of the two;
//          so a report adds both.
//
// Views for people, with names and units: usage_records, usage_days.
//
// A report reads fastest row by row (what it needs comes first in a row) and sums by kind in memory; the names of
// kinds are read once. GROUP BY in SQL sorts all rows and costs about three times that.
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
  facts, late, prompt_tokens, completion_tokens, price_nanos, parts, audio, traffic, waits, duration_us, rest,
  request_id, end_user, notes);

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
  strftime('%Y-%m-%dT%H:%M:%S', ((r.key >> 21) * 1000 + r.late) / 1000000, 'unixepoch') ||
    printf('.%06dZ', ((r.key >> 21) * 1000 + r.late) % 1000000) AS time,
  k.client, k.labels, coalesce(r.end_user, '') AS end_user, k.route, k.pool, k.backend, k.instance, k.region,
  k.deployment, k.model, k.operation,
  (r.facts >> 24) & 1 AS streaming,
  r.facts & 0xffff AS status,
  CASE (r.facts >> 16) & 15 WHEN 0 THEN 'ok' WHEN 1 THEN 'client_left' WHEN 2 THEN 'broken' WHEN 3 THEN 'refused'
    WHEN 4 THEN 'failed' ELSE 'error' END AS outcome,
  coalesce(substr(r.notes, 1, instr(r.notes, char(10)) - 1), '') AS code,
  (r.facts >> 26) & 255 AS attempts,
  coalesce(substr(r.notes, instr(r.notes, char(10)) + 1), '') AS tries,
  r.prompt_tokens, r.completion_tokens, r.parts & 0x7fffffff AS cached_tokens, r.parts >> 31 AS reasoning_tokens,
  r.audio & 0x7fffffff AS audio_prompt_tokens, r.audio >> 31 AS audio_completion_tokens,
  CASE (r.facts >> 20) & 15 WHEN 0 THEN 'none' WHEN 1 THEN 'exact' ELSE 'estimated' END AS token_source,
  r.traffic & 0x7fffffff AS bytes_in, r.traffic >> 31 AS bytes_out,
  CASE r.waits & 0xffffffff WHEN 0 THEN NULL ELSE (r.waits & 0xffffffff) / 1e6 END AS first_byte_seconds,
  CASE r.waits >> 32 WHEN 0 THEN NULL ELSE (r.waits >> 32) / 1e6 END AS token_seconds,
  r.duration_us / 1e6 AS duration_seconds,
  CASE (r.facts >> 25) & 1 WHEN 1 THEN r.price_nanos / 1e9 END AS price,
  CASE (r.facts >> 25) & 1 WHEN 1 THEN r.price_nanos END AS price_nanos,
  k.gateway, coalesce(r.request_id, '') AS request_id
FROM records r JOIN kinds k ON k.kind = r.facts >> 34;

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

// Of `facts`.
inline constexpr int sqlite_kind_shift = 34;
// The milliseconds of a key.
inline constexpr int sqlite_ms_shift = 21;
// The upper one of two numbers of tokens or bytes.
inline constexpr int sqlite_half_shift = 31;

inline constexpr std::array sqlite_migrations{sqlite_schema_1};

}  // namespace spillway::ledger
