-- Puts a ban, or that one was lifted, where every gateway reads it.
-- KEYS: entries (a hash), their order (a sorted set by number), their ends (a sorted set by time).
-- ARGV: whose, how old the news is, how long it is to be kept, what (sealed), entries at most.
-- Reply: 1 if it is news, 0 if newer is known; time.
-- An entry is "moment:sealed". Numbers rise by the clock, so that they go on rising when the set was lost.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local moment, ends = now - tonumber(ARGV[2]), now + tonumber(ARGV[3])

local function int(number)
  return string.format('%.0f', number)
end

local function drop(who)
  for _, name in ipairs(who) do
    redis.call('HDEL', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
    redis.call('ZREM', KEYS[3], name)
  end
end

local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and tonumber(string.match(known, '^%d+') or 0) > moment then return { 0, now } end

drop(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', int(now), 'LIMIT', 0, 64))
local excess = redis.call('HLEN', KEYS[1]) - tonumber(ARGV[5])
if excess >= 0 then drop(redis.call('ZRANGE', KEYS[3], 0, math.min(excess, 64))) end

local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
local number = math.max(now, tonumber(last[2] or 0) + 1)
redis.call('HSET', KEYS[1], ARGV[1], int(moment) .. ':' .. ARGV[4])
redis.call('ZADD', KEYS[2], int(number), ARGV[1])
redis.call('ZADD', KEYS[3], int(ends), ARGV[1])
local final = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')
local keep = int(math.ceil((tonumber(final[2]) - now) / 1000) + 1000)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, keep) end
return { 1, now }
