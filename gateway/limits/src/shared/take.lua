-- Decides about several quotas of one request: all of them are charged, or none.
-- KEYS: one for each quota. ARGV: seven for each: algorithm, a, b, c, cost, whether it refuses, lease.
--   1 gcra:        a units of weight that drain in a microsecond, b weight of a unit, c weight at once
--   2 sliding_log: a limit, b period
--   3 window:      a limit, b span (0: a month)
--   4 concurrency: a limit, b how long a lease lasts
-- Reply: time, then four for each quota: allowed, remaining, microseconds until there is more, until there is enough.

local now = time()
local quotas, named = {}, {}
local all = true

for index, key in ipairs(KEYS) do
  local at = (index - 1) * 7
  local quota = {
    key = key,
    algorithm = tonumber(ARGV[at + 1]),
    a = tonumber(ARGV[at + 2]),
    b = tonumber(ARGV[at + 3]),
    c = tonumber(ARGV[at + 4]),
    cost = tonumber(ARGV[at + 5]),
    lease = ARGV[at + 7],
    now = now,
  }
  if quota.algorithm == 1 then
    quota.held = gcra_read(key, quota.a, now)
    quota.most = quota.c
    quota.wanted = math.min(quota.held + quota.cost * quota.b, 2 * MOST)
  elseif quota.algorithm == 2 then
    quota.held, quota.now = log_read(key, quota.b, now)
    quota.most = quota.a
    quota.wanted = quota.held + quota.cost
  elseif quota.algorithm == 3 then
    quota.last, quota.held = window_read(key, quota.b, now)
    quota.most = quota.a
    quota.wanted = quota.held + quota.cost
  else
    quota.held = lease_read(key, now)
    quota.most = quota.a
    quota.wanted = quota.held + quota.cost
  end
  -- Named twice: the second comes after the first.
  quota.untouched = quota.held
  local before = named[key]
  if before and before.allowed then
    quota.wanted = before.wanted + quota.wanted - quota.held
    quota.held = before.wanted
  end
  named[key] = quota
  quota.allowed = quota.wanted <= quota.most
  if not quota.allowed and ARGV[at + 6] == '1' then all = false end
  quotas[index] = quota
end

local function commit(quota)
  if quota.cost == 0 then
    return
  elseif quota.algorithm == 1 then
    gcra_write(quota.key, quota.a, quota.wanted, now)
  elseif quota.algorithm == 2 then
    log_write(quota.key, quota.b, quota.cost, quota.now)
  elseif quota.algorithm == 3 then
    window_write(quota.key, quota.last, quota.wanted, now)
  else
    lease_write(quota.key, quota.b, quota.lease, now)
  end
end

-- remaining, until there is more, until there is enough
local standing = {}

standing[1] = function(quota)
  local remaining = math.floor(math.max(0, quota.most - quota.taken) / quota.b)
  local reset, retry = 0, 0
  if quota.taken > 0 then
    reset = math.ceil(math.max(0, (remaining + 1) * quota.b + quota.taken - quota.most) / quota.a)
  end
  if not quota.allowed then retry = math.ceil((quota.wanted - quota.most) / quota.a) end
  return remaining, reset, retry
end

standing[2] = function(quota)
  local function left(index)
    return (redis.call('LINDEX', quota.key, index) or quota.now) + quota.b - quota.now
  end
  local reset, retry = 0, 0
  if quota.taken > 0 then reset = left(0) end
  if not quota.allowed then
    local excess = quota.wanted - quota.most
    retry = excess > quota.held and quota.b or left(excess - 1)
  end
  return math.max(0, quota.most - quota.taken), reset, retry
end

standing[3] = function(quota)
  local left = quota.last - now
  return math.max(0, quota.most - quota.taken), quota.taken > 0 and left or 0, quota.allowed and 0 or left
end

standing[4] = function(quota)
  return math.max(0, quota.most - quota.taken), 0, quota.allowed and 0 or 1000000
end

local reply = { now }
for _, quota in ipairs(quotas) do
  local taken = all and quota.allowed
  if taken then commit(quota) end
  quota.taken = taken and quota.wanted or all and quota.held or quota.untouched
  local remaining, reset, retry = standing[quota.algorithm](quota)
  for _, number in ipairs({ quota.allowed and 1 or 0, remaining, reset, retry }) do
    reply[#reply + 1] = number
  end
end
return reply
