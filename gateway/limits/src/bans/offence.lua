-- Counts an offence, whichever gateway saw it. Times are microseconds of this server's clock.
-- KEYS: log of moments (a list, oldest first), record of bans (a hash).
-- ARGV: after, per, whether a gateway has banned already, length of the first ban, factor of each further one, length
--       at most, age of the offence.
-- Reply: 1 if this one makes the ban (2: it is made already; 0: no ban), time, when it was made, its end, its level.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local after, per, reached = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local first, factor, longest = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local moment = now - tonumber(ARGV[7])

local function int(number)
  return string.format('%.0f', number)
end

local record = redis.call('HMGET', KEYS[2], 'made', 'until', 'level')
local made, ends, level = tonumber(record[1] or 0), tonumber(record[2] or 0), tonumber(record[3] or 0)
if ends > now then return { 2, now, made, ends, level } end

redis.call('RPUSH', KEYS[1], int(moment))
redis.call('LTRIM', KEYS[1], -after, -1)
redis.call('PEXPIRE', KEYS[1], int(math.ceil(per / 1000)))
if not reached then
  local oldest = tonumber(redis.call('LINDEX', KEYS[1], 0))
  if redis.call('LLEN', KEYS[1]) < after or oldest + per <= moment then return { 0, now, 0, 0, 0 } end
end

level = level + 1
local length = first
for _ = 2, math.min(level, 64) do length = math.min(length * factor, longest) end
ends = now + math.min(length, longest)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[2], 'made', int(now), 'until', int(ends), 'level', int(level))
redis.call('PEXPIRE', KEYS[2], int(math.ceil((ends - now + longest) / 1000)))
return { 1, now, now, ends, level }
