#pragma once

#include <string_view>

namespace spillway::shared {

// All that happens in Redis, at once for one holder, by the clock of Redis. The words are redis_call's.
//
// KEYS  1 state: hash with `born` and `at` (us), `r` and `t` (units taken from the buckets of requests and tokens,
// that
//         flow back with time), and c:<gateway> (permits held, and until when in us)
//       2 budget of a period: hash with <gateway>.<process> -> spent tokens and money, reserved tokens and money,
//         until when; and <gateway>. -> all that it has spent, where the sum of its processes says less
// ARGV  1 <gateway>.<process>  2 heartbeat in us
//       3..8 requests: rate a minute, burst, given back (negative: charged), needed at once, wanted besides, and what
//            is known to be taken at least (a Redis that lost its memory is told by everybody: the highest holds)
//       9..14 tokens: the same
//       15 limit of concurrent requests or -1  16 in use here  17 needed in all  18 wanted in all
//       19 budget: 0 or 1  20, 21 limits or -1  22..25 this gateway's field  26 strict  27 end of the key in ms
//       28, 29 what is asked for, as part of the reservations: taken out again when it is refused
//       30.. what else is known to be spent: name, tokens, money
// What cannot be is taken for nothing: a bucket that owes more than a day counts as empty, and a sum of a period that
// nobody can have spent (2^50 tokens, 2^62 nanounits) as none. A version that wrote such figures is healed by this
// one. Gives 1 why refused (core::quota_limit)  2 permits  3, 4, 5 requests: granted besides, left (negative: debt),
// wait in
//       us  6, 7, 8 tokens: the same  9 when the state was born  10.. fields of the budget: name and four numbers
inline constexpr std::string_view redis_script = R"lua(
if redis.replicate_commands then redis.replicate_commands() end
local n = function(i) return tonumber(ARGV[i]) or 0 end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local me = ARGV[1]
local code = 0
local state = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do state[all[i]] = all[i + 1] end
local at = tonumber(state.at)
local born = tonumber(state.born) or now
local passed = at and math.max(0, now - at) or 0

local function bucket(level, base)
  local b = {rate = n(base) / 60000000, burst = n(base + 1), want = n(base + 4), more = 0, wait = 0}
  if b.rate <= 0 then b.level = 0 return b end
  b.level = math.max(0, (tonumber(level) or 0) - passed * b.rate)
  local most = b.burst + 86400000000 * b.rate
  if not (b.level <= most) then b.level = b.burst end
  b.level = math.min(most, math.max(0, math.max(b.level, n(base + 5)) - n(base + 2)))
  b.need = n(base + 3)
  if b.need > 0 then
    local over = b.level
    if b.need <= b.burst then over = b.level + b.need - b.burst end
    if over > 0.000001 then b.wait = math.ceil(over / b.rate) end
  end
  return b
end
local r = bucket(state.r, 3)
local t = bucket(state.t, 9)

local limit, used, need, want = n(15), n(16), n(17), n(18)
local permits = 0
if limit >= 0 then
  local others = 0
  for field, value in pairs(state) do
    if string.sub(field, 1, 2) == 'c:' and field ~= 'c:' .. me then
      local count, till = string.match(value, '^(%d+) (%d+)$')
      if not till or tonumber(till) < now then redis.call('HDEL', KEYS[1], field)
      else others = others + tonumber(count) end
    end
  end
  local free = math.max(0, limit - others)
  if need > used and need > free then code = 1 end
  permits = math.max(used, math.min(want, free))
end
if code == 0 and r.wait > 0 then code = 2 end
if code == 0 and t.wait > 0 then code = 3 end

local function possible(text, bits)
  local sum = tonumber(text) or 0
  return sum >= 0 and sum <= 2 ^ bits and sum or 0
end

local fields = {}
if ARGV[19] == '1' then
  local book = {}
  local flat = redis.call('HGETALL', KEYS[2])
  local function read(text)
    local st, sm, rt, rm, till = string.match(text or '', '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
    return {possible(st, 50), possible(sm, 62), possible(rt, 50), possible(rm, 62), tonumber(till) or 0}
  end
  for i = 1, #flat, 2 do book[flat[i]] = read(flat[i + 1]) end
  local changed = {}
  for i = 30, #ARGV - 2, 3 do
    local f = book[ARGV[i]] or read()
    f[1], f[2] = math.max(f[1], possible(ARGV[i + 1], 50)), math.max(f[2], possible(ARGV[i + 2], 62))
    book[ARGV[i]], changed[ARGV[i]] = f, true
  end
  local mine = book[me] or read()
  mine[1], mine[2] = math.max(mine[1], n(22)), math.max(mine[2], n(23))
  mine[3], mine[4], mine[5] = n(24), n(25), now + n(2)
  if mine[1] + mine[2] + mine[3] + mine[4] > 0 or book[me] then book[me], changed[me] = mine, true end
  local tokens, money = 0, 0
  local gateways = {}
  for name, f in pairs(book) do
    if f[5] < now then f[3], f[4] = 0, 0 end
    tokens, money = tokens + f[3], money + f[4]
    local of = string.match(name, '^(.*%.)') or ''
    local g = gateways[of] or {0, 0, 0, 0}
    if of == name then g[3], g[4] = f[1], f[2] else g[1], g[2] = g[1] + f[1], g[2] + f[2] end
    gateways[of] = g
  end
  for _, g in pairs(gateways) do
    tokens, money = tokens + math.max(g[1], g[3]), money + math.max(g[2], g[4])
  end
  if code == 0 and ARGV[26] == '1' then
    if n(20) >= 0 and tokens > n(20) then code = 4
    elseif n(21) >= 0 and money > n(21) then code = 5 end
  end
  if code ~= 0 then mine[3], mine[4] = math.max(0, mine[3] - n(28)), math.max(0, mine[4] - n(29)) end
  for name in pairs(changed) do
    local f = book[name]
    redis.call('HSET', KEYS[2], name, string.format('%.0f %.0f %.0f %.0f %.0f', f[1], f[2], f[3], f[4], f[5]))
  end
  if next(book) then redis.call('PEXPIREAT', KEYS[2], ARGV[27]) end
  for name, f in pairs(book) do
    fields[#fields + 1] = name
    for i = 1, 4 do fields[#fields + 1] = f[i] end
  end
end

for _, b in ipairs({r, t}) do
  if b.rate > 0 and code == 0 then
    b.level = b.level + b.need
    b.more = math.max(0, math.floor(math.min(b.want, b.burst - b.level)))
    b.level = b.level + b.more
  end
  b.left = math.floor(b.burst - b.level)
end
local ends = 60000000 + n(2)
for _, b in ipairs({r, t}) do
  if b.rate > 0 then ends = math.max(ends, 60000000 + b.level / b.rate) end
end
redis.call('HSET', KEYS[1], 'born', string.format('%.0f', born), 'at', string.format('%.0f', now), 'r', string.format('%.6f', r.level),
           't', string.format('%.6f', t.level))
if permits > 0 then redis.call('HSET', KEYS[1], 'c:' .. me, string.format('%.0f %.0f', permits, now + n(2)))
else redis.call('HDEL', KEYS[1], 'c:' .. me) end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(ends / 1000, 86600000)))
local out = {code, permits, r.more, r.left, r.wait, t.more, t.left, t.wait, born}
for i = 1, #fields do out[#out + 1] = fields[i] end
return out
)lua";

}  // namespace spillway::shared
