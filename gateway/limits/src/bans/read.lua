-- Reads the news after a number.
-- KEYS: entries, their order, a mark that is lost with them. ARGV: number, entries at most, a mark to set where there
-- is none, for how many milliseconds.
-- Reply: time, mark, then three for each entry: number, whose, "moment:sealed".

local time = redis.call('TIME')
local reply = { time[1] * 1000000 + time[2] }
if not redis.call('SET', KEYS[3], ARGV[3], 'NX', 'PX', ARGV[4]) and redis.call('PTTL', KEYS[3]) < ARGV[4] / 2 then
  redis.call('PEXPIRE', KEYS[3], ARGV[4])
end
reply[2] = redis.call('GET', KEYS[3])

local news = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for index = 1, #news, 2 do
  local entry = redis.call('HGET', KEYS[1], news[index])
  if entry then
    reply[#reply + 1] = tonumber(news[index + 1])
    reply[#reply + 1] = news[index]
    reply[#reply + 1] = entry
  end
end
return reply
