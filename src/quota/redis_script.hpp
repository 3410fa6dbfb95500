#pragma once

#include <string_view>

namespace spillway::quota {

// All that happens in Redis, at once for one holder, by the clock of Redis. The words are redis_call's, the answer is
// taken apart by read_told().
//
// KEYS  1 state: hash with `born` and `at` (us), `r` and `t` (units taken from the buckets of requests and tokens,
//         that flow back with time), `of` (a moment, and the rates a minute that r and t were counted with at that
//         moment), `g` (generation), and c:<gateway> (permits held, and until when in us)
//       2 budget of a period: hash with <gateway>.<process> -> spent tokens and money, reserved tokens and money,
//         until when; <gateway>.- -> the sum of its processes that have ended; <gateway>. -> all that it has spent,
//         where the sum of its processes says less; and ~ -> generation, and since when all is
//         heard (us): the last pause, or word of a version that knows neither `of` nor `~`
// ARGV  1 <gateway>.<process>  2 heartbeat in us
//       3..8 requests: rate a minute, burst, given back (negative: charged), needed at once, wanted besides, and what
//            is known to be taken at least (every process tells it to a Redis that lost data: the highest holds)
//       9..14 tokens: the same
//       15 limit of concurrent requests or -1  16 in use here  17 needed in all  18 wanted in all
//       19 budget: 0 or 1  20, 21 limits or -1  22..25 this process's field  26 strict  27 end of the key in ms
//       28, 29 what is asked for, as part of the reservations: taken out again when it is refused
//       30 generation  31 reset: 0 or 1  32.. what gateways have spent in all: name, tokens, money
//       and at last the number of the question, which comes back first in the answer
//
// What cannot be is taken for nothing, so it heals: a text that is no finite number, a bucket that owes more than ten
// minutes (requests) or a day (tokens) counts as used up, and a figure of a budget that is above 100 times the budget
// (2^50 tokens, 2^62 nanounits) as not there. A time that is more than two heartbeats ahead was written by a clock
// that was wrong. A key that holds something else than a hash is replaced.
//
// A newer generation says that everything told before is void: what comes from gateways that have not heard of it is
// left aside, except what their own processes spent. Processes whose heartbeat is an hour old are summed
// up. One that lives would count twice, so that waits for an hour without a pause of five minutes, in which each that
// lives has been heard, and in which no older version spoke, which would tell the names again.
inline constexpr std::string_view redis_script = R"lua(
if redis.replicate_commands then redis.replicate_commands() end
local function number(text)
  local x = tonumber(text)
  if x and x == x and x < math.huge and x > -math.huge then return x end
end
local n = function(i) return number(ARGV[i]) or 0 end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local me, beat = ARGV[1], n(2)
local code = 0

local function hash(key)
  local flat = redis.pcall('HGETALL', key)
  if flat.err then
    if not string.find(flat.err, 'WRONGTYPE', 1, true) then return redis.call('HGETALL', key) end
    redis.pcall('DEL', key)
    return {}
  end
  return flat
end
local state = {}
local all = hash(KEYS[1])
for i = 1, #all, 2 do state[all[i]] = all[i + 1] end
local at = number(state.at)
local passed = at and math.max(0, now - at) or 0
local born = number(state.born) or now
if born <= 0 or born > now + 3600000000 then born = now end
local of_at, of_r, of_t = string.match(state.of or '', '^(%d+) (%d+) (%d+)$')
local counted = of_at ~= nil and of_at == state.at
local older = state.at ~= nil and not counted

local budgets, reset = ARGV[19] == '1', ARGV[31] == '1'
local flat = budgets and hash(KEYS[2]) or {}
local mark
for i = 1, #flat, 2 do if flat[i] == '~' then mark = flat[i + 1] end end
local mark_g, quiet = string.match(mark or '', '^(%d+) (%d+)$')
local function era(text)
  local x = number(text) or 0
  return x >= 0 and x <= now + 86400000000 and math.floor(x) or 0
end
local told = era(ARGV[30])
local gen = math.max(era(state.g), era(mark_g), told)
local stale = told < gen
if reset then
  gen = math.max(gen + 1, now)
  for i = 1, #flat, 2 do redis.call('HDEL', KEYS[2], flat[i]) end
  flat, mark, quiet = {}, nil, nil
end

local function bucket(level, before, base, longest)
  local b = {a_minute = n(base), burst = n(base + 1), want = n(base + 4), more = 0, wait = 0}
  level, before = number(level) or 0, counted and number(before) or 0
  if reset then level = 0 end
  if b.a_minute <= 0 then
    b.a_minute, b.rate, b.need, b.limited = before, before / 60000000, 0, false
    b.level = math.max(0, level - passed * b.rate)
    if before <= 0 or not (b.level <= 86400000000 * b.rate * 2) then b.level = 0 end
    return b
  end
  b.limited, b.rate = true, b.a_minute / 60000000
  if before <= 0 then before = b.a_minute end
  b.level = math.max(0, level - passed * before / 60000000) * b.a_minute / before
  local most = b.burst + longest * b.rate
  if not (b.level <= most) then b.level = b.burst end
  local least = stale and 0 or n(base + 5)
  b.level = math.min(most, math.max(0, math.max(b.level, least) - n(base + 2)))
  b.need = n(base + 3)
  if b.need > 0 then
    local over = b.level
    if b.need <= b.burst then over = b.level + b.need - b.burst end
    if over > 0.000001 then b.wait = math.ceil(over / b.rate) end
  end
  return b
end
local r = bucket(state.r, of_r, 3, 600000000)
local t = bucket(state.t, of_t, 9, 86400000000)

local limit, used, need, want = n(15), n(16), n(17), n(18)
local permits = 0
if limit >= 0 then
  local others = 0
  for field, value in pairs(state) do
    if string.sub(field, 1, 2) == 'c:' and field ~= 'c:' .. me then
      local count, till = string.match(value, '^(%d+) (%d+)$')
      till = number(till)
      if not till or till < now or till > now + 2 * beat then redis.call('HDEL', KEYS[1], field)
      else others = others + math.min(limit, number(count) or 0) end
    end
  end
  local free = math.max(0, limit - others)
  if need > used and need > free then code = 1 end
  permits = math.max(used, math.min(want, free))
end
if code == 0 and r.wait > 0 then code = 2 end
if code == 0 and t.wait > 0 then code = 3 end

local fields = {}
if budgets then
  local most_t, most_m = 2 ^ 50, 2 ^ 62
  local some_t = n(20) >= 0 and math.min(most_t, 100 * n(20)) or most_t
  local some_m = n(21) >= 0 and math.min(most_m, 100 * n(21)) or most_m
  local function possible(text, most)
    local x = number(text) or 0
    return x >= 0 and x <= most and x or 0
  end
  local function read(text)
    local st, sm, rt, rm, till = string.match(text or '', '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
    return {possible(st, some_t), possible(sm, some_m), possible(rt, some_t), possible(rm, some_m),
            number(till) or 0, st == nil or (number(st) or 0) > some_t or (number(sm) or 0) > some_m}
  end
  if #flat == 0 then quiet = 0
  elseif older or not mark or not at or passed > 300000000 then quiet = now
  else quiet = number(quiet) or now end
  local fold = quiet + 3600000000 < now

  local gateways, ended, gone = {}, {}, {}
  local function of_gateway(name)
    local g = gateways[name]
    if not g then g = {0, 0, 0, 0} gateways[name] = g end
    return g
  end
  local reserved_t, reserved_m, has_me = 0, 0, false
  for i = 1, #flat, 2 do
    local name = flat[i]
    local of = string.match(name, '^(.*%.)')
    if name == me then has_me = true
    elseif of then
      local f, g = read(flat[i + 1]), of_gateway(of)
      if name == of then g[3], g[4] = f[1], f[2]
      else
        g[1], g[2] = g[1] + f[1], g[2] + f[2]
        if f[5] >= now and f[5] <= now + 2 * beat then
          reserved_t, reserved_m = reserved_t + f[3], reserved_m + f[4]
        end
        if name == of .. '-' then ended[of] = {f[1], f[2], f[6]}
        elseif fold and #gone < 2000 and not f[6] and f[5] + 3600000000 < now then gone[#gone + 1] = {name, of, f} end
      end
    end
  end
  local sums, names = {}, {}
  for _, p in ipairs(gone) do
    local of, f = p[2], p[3]
    local e = sums[of] or ended[of] or {0, 0, false}
    if not e[3] and e[1] + f[1] <= some_t and e[2] + f[2] <= some_m then
      sums[of], names[#names + 1] = {e[1] + f[1], e[2] + f[2], false}, p[1]
    end
  end
  for i = 1, #names, 500 do redis.call('HDEL', KEYS[2], unpack(names, i, math.min(i + 499, #names))) end
  for of, e in pairs(sums) do redis.call('HSET', KEYS[2], of .. '-', string.format('%.0f %.0f 0 0 0', e[1], e[2])) end

  if not stale then
    for i = 32, #ARGV - 3, 3 do
      if string.match(ARGV[i], '%.$') then
        local g = of_gateway(ARGV[i])
        local st, sm = math.max(g[3], possible(ARGV[i + 1], most_t)), math.max(g[4], possible(ARGV[i + 2], most_m))
        if st > g[3] or sm > g[4] then
          g[3], g[4] = st, sm
          redis.call('HSET', KEYS[2], ARGV[i], string.format('%.0f %.0f 0 0 0', st, sm))
        end
      end
    end
  end
  local home = string.match(me, '^(.*%.)') or ''
  local own = of_gateway(home)
  local before_t, before_m = own[1], own[2]
  own[1], own[2] = own[1] + n(22), own[2] + n(23)
  local tokens, money = reserved_t + n(24), reserved_m + n(25)
  for _, g in pairs(gateways) do
    tokens, money = tokens + math.max(g[1], g[3]), money + math.max(g[2], g[4])
  end
  if code == 0 and ARGV[26] == '1' then
    if n(20) >= 0 and tokens > n(20) then code = 4
    elseif n(21) >= 0 and money > n(21) then code = 5 end
  end
  local mine_t, mine_m = n(24), n(25)
  if code ~= 0 then mine_t, mine_m = math.max(0, mine_t - n(28)), math.max(0, mine_m - n(29)) end
  if has_me or n(22) + n(23) + mine_t + mine_m > 0 then
    redis.call('HSET', KEYS[2], me, string.format('%.0f %.0f %.0f %.0f %.0f', n(22), n(23), mine_t, mine_m, now + beat))
  end
  local sign = string.format('%.0f %.0f', gen, quiet)
  if sign ~= mark then redis.call('HSET', KEYS[2], '~', sign) end
  redis.call('PEXPIREAT', KEYS[2], ARGV[27])

  local rest_t, rest_m, named = 0, 0, {}
  for name, g in pairs(gateways) do
    if name ~= home then
      local st, sm = math.max(g[1], g[3]), math.max(g[2], g[4])
      if #named < 768 then
        named[#named + 1], named[#named + 2], named[#named + 3] = name, math.min(st, most_m), math.min(sm, most_m)
      else rest_t, rest_m = rest_t + st, rest_m + sm end
    end
  end
  for _, x in ipairs({reserved_t, reserved_m, before_t, before_m, own[3], own[4], rest_t, rest_m}) do
    fields[#fields + 1] = math.min(x, most_m)
  end
  for i = 1, #named do fields[#fields + 1] = named[i] end
end

for _, b in ipairs({r, t}) do
  if b.limited and code == 0 then
    b.level = b.level + b.need
    b.more = math.max(0, math.floor(math.min(b.want, b.burst - b.level)))
    b.level = b.level + b.more
  end
  b.left = math.floor(b.burst - b.level)
end
local ends = 60000000 + beat
for _, b in ipairs({r, t}) do
  if b.rate > 0 then ends = math.max(ends, 60000000 + b.level / b.rate) end
end
local stamp = string.format('%.0f', now)
redis.call('HSET', KEYS[1], 'born', string.format('%.0f', born), 'at', stamp, 'r', string.format('%.6f', r.level),
           't', string.format('%.6f', t.level), 'of', string.format('%s %.0f %.0f', stamp, r.a_minute, t.a_minute),
           'g', string.format('%.0f', gen))
if permits > 0 then redis.call('HSET', KEYS[1], 'c:' .. me, string.format('%.0f %.0f', permits, now + beat))
else redis.call('HDEL', KEYS[1], 'c:' .. me) end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(ends / 1000, 86600000)))
local out = {ARGV[#ARGV], code, permits, r.more, r.left, r.wait, t.more, t.left, t.wait, born, gen}
for i = 1, #fields do out[#out + 1] = fields[i] end
return out
)lua";

}  // namespace spillway::quota
