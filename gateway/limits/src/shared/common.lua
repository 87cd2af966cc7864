-- Counts as the gateways keep them together. Times are microseconds of this server's clock. All numbers are whole and
-- below 2^53, where Lua's are exact; they are written with %.0f, since tostring() keeps 14 digits only.

local MOST = 4503599627370496
local LONGEST = 366 * 86400 * 1000000

local function int(number)
  return string.format('%.0f', number)
end

local function time()
  local now = redis.call('TIME')
  return now[1] * 1000000 + now[2]
end

local function milliseconds(span)
  return int(math.max(1, math.ceil(span / 1000)))
end

-- "a:b", or nothing where something else stands there.
local function pair(key)
  local text = redis.call('GET', key)
  if not text then return nil end
  local a, b = string.match(text, '^(%d+):(%d+)$')
  return tonumber(a), tonumber(b)
end

-- === gcra: "the moment at which the backlog has drained : how much earlier it has, in 1/rate" ===

local function gcra_most(rate)
  return math.min(MOST, LONGEST * rate)
end

local function gcra_read(key, rate, now)
  local drained, early = pair(key)
  if not drained then return 0 end
  local backlog = math.min((drained - now) * rate, gcra_most(rate)) - early
  return math.max(0, backlog)
end

local function gcra_write(key, rate, backlog, now)
  if backlog <= 0 then
    redis.call('DEL', key)
    return
  end
  backlog = math.min(backlog, gcra_most(rate))
  local wait = math.ceil(backlog / rate)
  redis.call('SET', key, int(now + wait) .. ':' .. int(wait * rate - backlog), 'PX', milliseconds(wait))
end

-- === window: "the end of the window : units used in it" ===

local DAY = 86400 * 1000000

-- The first day of the month after that of `day`, in days since 1970-01-01; years that begin in March.
local function next_month(day)
  local shifted = day + 719468
  local era = math.floor(shifted / 146097)
  local of_era = shifted % 146097
  local year_of_era = math.floor(
    (of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year_of_era + math.floor(year_of_era / 4) - math.floor(year_of_era / 100))
  local month = math.floor((5 * of_year + 2) / 153)
  local first = day - (of_year - math.floor((153 * month + 2) / 5))
  if month < 11 then
    return first + math.floor((153 * (month + 1) + 2) / 5) - math.floor((153 * month + 2) / 5)
  end
  local year = era * 400 + year_of_era + 1
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return first + (leap and 29 or 28)
end

-- `span` in microseconds; 0 is a month of the calendar.
local function window_end(span, now)
  if span > 0 then return now - now % span + span end
  return next_month(math.floor(now / DAY)) * DAY
end

local function window_read(key, span, now)
  local last = window_end(span, now)
  local stored, used = pair(key)
  if stored and stored >= last and stored <= last + LONGEST then return stored, math.min(used, MOST) end
  return last, 0
end

local function window_write(key, last, used, now)
  if used <= 0 then
    redis.call('DEL', key)
    return
  end
  redis.call('SET', key, int(last) .. ':' .. int(math.min(used, MOST)), 'PX', milliseconds(last - now))
end

-- === sliding_log: a list of moments, oldest first ===

-- Drops the moments that count no longer, and says how many are left. A clock that was set back counts as standing still.
local function log_read(key, period, now)
  local length = redis.call('LLEN', key)
  if length == 0 then return 0, now end
  now = math.max(now, tonumber(redis.call('LINDEX', key, -1)))
  local function counts(index)
    return redis.call('LINDEX', key, index) + period > now
  end
  if counts(0) then return length, now end
  local low, high = 1, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    if counts(middle) then high = middle else low = middle + 1 end
  end
  if low == length then
    redis.call('DEL', key)
  else
    redis.call('LTRIM', key, low, -1)
  end
  return length - low, now
end

local function log_write(key, period, cost, now)
  local moment = int(now)
  for _ = 1, cost do redis.call('RPUSH', key, moment) end
  redis.call('PEXPIRE', key, milliseconds(period))
end

-- === concurrency: a sorted set of leases by their end ===

local function lease_read(key, now)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', int(now))
  return redis.call('ZCARD', key)
end

local function lease_write(key, span, lease, now)
  redis.call('ZADD', key, int(now + span), lease)
  redis.call('PEXPIRE', key, milliseconds(span))
end
