#pragma once

#include <array>
#include <string>

#include <spillway/core/usage_record.hpp>

// What lies in the PostgreSQL database; same names and columns as the views of the SQLite file.
//
// usage_records  one row a request, by its id. Absent texts are empty, absent details NULL.
// usage_days     sums of the days whose records were deleted. `key` is the SHA-256 of all texts that rows differ in:
// as
//                columns of an index they could be too long. A record leaves usage_records in the statement that adds
//                it here, so a report adds both.
// usage_schema   one row: how many of `migrations` were taken.
namespace spillway::ledger::postgresql {

// Taken while the schema is looked at and made, and while one gateway compacts.
inline constexpr const char* lock_schema = "SELECT pg_advisory_xact_lock(1936747884, 1)";
inline constexpr const char* try_lock_compaction = "SELECT pg_try_advisory_xact_lock(1936747884, 2)::int";

inline constexpr const char* schema_1 = R"sql(
CREATE TABLE usage_records(
  id uuid PRIMARY KEY,
  time timestamptz NOT NULL,
  client text NOT NULL, labels jsonb NOT NULL, end_user text NOT NULL, route text NOT NULL, pool text NOT NULL,
  backend text NOT NULL, instance text NOT NULL, region text NOT NULL, deployment text NOT NULL, model text NOT NULL,
  operation text NOT NULL, streaming boolean NOT NULL, status integer NOT NULL, outcome text NOT NULL,
  code text NOT NULL, attempts integer NOT NULL, tries jsonb,
  prompt_tokens bigint NOT NULL, completion_tokens bigint NOT NULL, cached_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL, audio_prompt_tokens bigint NOT NULL, audio_completion_tokens bigint NOT NULL,
  token_source text NOT NULL, bytes_in bigint NOT NULL, bytes_out bigint NOT NULL,
  first_byte_seconds double precision, token_seconds double precision, duration_seconds double precision NOT NULL,
  price numeric(30, 9), gateway text NOT NULL, request_id text NOT NULL);
CREATE INDEX usage_records_time ON usage_records(time);

CREATE TABLE usage_days(
  day date NOT NULL, key bytea NOT NULL,
  client text NOT NULL, labels jsonb NOT NULL, route text NOT NULL, pool text NOT NULL, backend text NOT NULL,
  instance text NOT NULL, region text NOT NULL, deployment text NOT NULL, model text NOT NULL,
  operation text NOT NULL, outcome text NOT NULL, token_source text NOT NULL, gateway text NOT NULL,
  requests bigint NOT NULL, streaming bigint NOT NULL, attempts bigint NOT NULL,
  prompt_tokens numeric NOT NULL, completion_tokens numeric NOT NULL, cached_tokens numeric NOT NULL,
  reasoning_tokens numeric NOT NULL, audio_prompt_tokens numeric NOT NULL, audio_completion_tokens numeric NOT NULL,
  bytes_in numeric NOT NULL, bytes_out numeric NOT NULL, duration_seconds double precision NOT NULL,
  price numeric NOT NULL,
  PRIMARY KEY(day, key));
)sql";

inline constexpr std::array migrations{schema_1};

// Of a row: figures that no request, or no day with so many of them, can have.
inline std::string cannot_be(bool days) {
    const std::string most = std::to_string(core::most_tokens) + (days ? " * requests::numeric" : "");
    return "(prompt_tokens > " + most + " OR completion_tokens > " + most + " OR coalesce(price, 0) < 0)";
}

inline constexpr const char* find_version = "SELECT CASE WHEN to_regclass('usage_schema') IS NULL THEN 0 ELSE 1 END";

// One array for each column. A record that is there already stays as it is; sorted, so that two gateways that offer
// the same records wait for each other instead of ending in a deadlock.
inline constexpr const char* insert_records = R"sql(
INSERT INTO usage_records
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::text[],
  $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::boolean[], $15::integer[],
  $16::text[], $17::text[], $18::integer[], $19::jsonb[], $20::bigint[], $21::bigint[], $22::bigint[],
  $23::bigint[], $24::bigint[], $25::bigint[], $26::text[], $27::bigint[], $28::bigint[], $29::double precision[],
  $30::double precision[], $31::double precision[], $32::numeric[], $33::text[], $34::text[])
ORDER BY 1
ON CONFLICT (id) DO NOTHING)sql";
inline constexpr int insert_columns = 34;

// $1: records before this moment; $2: how many at most. Answers how many there were.
inline constexpr const char* compact_records = R"sql(
WITH old AS (SELECT id FROM usage_records WHERE time < $1::timestamptz ORDER BY time LIMIT $2::integer),
gone AS (DELETE FROM usage_records r USING old WHERE r.id = old.id RETURNING r.*),
kept AS (
  INSERT INTO usage_days AS d
  SELECT (time AT TIME ZONE 'UTC')::date,
    sha256(convert_to(jsonb_build_array(client, labels, route, pool, backend, instance, region, deployment, model,
      operation, outcome, token_source, gateway)::text, 'UTF8')),
    client, labels, route, pool, backend, instance, region, deployment, model, operation, outcome, token_source,
    gateway, count(*), count(*) FILTER (WHERE streaming), sum(attempts), sum(prompt_tokens), sum(completion_tokens),
    sum(cached_tokens), sum(reasoning_tokens), sum(audio_prompt_tokens), sum(audio_completion_tokens),
    sum(bytes_in), sum(bytes_out), sum(duration_seconds), coalesce(sum(price), 0)
  FROM gone
  GROUP BY 1, 2, client, labels, route, pool, backend, instance, region, deployment, model, operation, outcome,
    token_source, gateway
  ON CONFLICT (day, key) DO UPDATE SET
    requests = d.requests + excluded.requests, streaming = d.streaming + excluded.streaming,
    attempts = d.attempts + excluded.attempts, prompt_tokens = d.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = d.completion_tokens + excluded.completion_tokens,
    cached_tokens = d.cached_tokens + excluded.cached_tokens,
    reasoning_tokens = d.reasoning_tokens + excluded.reasoning_tokens,
    audio_prompt_tokens = d.audio_prompt_tokens + excluded.audio_prompt_tokens,
    audio_completion_tokens = d.audio_completion_tokens + excluded.audio_completion_tokens,
    bytes_in = d.bytes_in + excluded.bytes_in, bytes_out = d.bytes_out + excluded.bytes_out,
    duration_seconds = d.duration_seconds + excluded.duration_seconds, price = d.price + excluded.price)
SELECT count(*) FROM gone)sql";

// $1: days before this one; $2: how many rows at most.
inline constexpr const char* forget_days = R"sql(
WITH gone AS (
  DELETE FROM usage_days WHERE (day, key) IN
    (SELECT day, key FROM usage_days WHERE day < $1::date ORDER BY day LIMIT $2::integer) RETURNING 1)
SELECT count(*) FROM gone)sql";

}  // namespace spillway::ledger::postgresql
