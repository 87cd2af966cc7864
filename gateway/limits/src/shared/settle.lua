-- Corrects counts after the fact. KEYS: one for each correction. ARGV: six for each: what, a, b, units, moment, lease.
--   1 gcra:        a and b as for taking; units to add, or to give back where they are negative
--   2 sliding_log: units (negative) to give back, of those taken at `moment`
--   3 window:      b span; units to add, or to give back to the window of `moment`
--   4 end a lease
--   5 renew a lease; b how long it lasts
-- Reply: time.

local now = time()

for index, key in ipairs(KEYS) do
  local at = (index - 1) * 6
  local what = tonumber(ARGV[at + 1])
  local a, b = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local units, moment, lease = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), ARGV[at + 6]
  if what == 1 then
    local backlog = gcra_read(key, a, now)
    gcra_write(key, a, backlog + math.min(units * b, MOST), now)
  elseif what == 2 then
    if units < 0 then redis.call('LREM', key, int(units), int(moment)) end
  elseif what == 3 then
    local last, used = window_read(key, b, now)
    if units > 0 or window_end(b, moment) == last then
      window_write(key, last, used + units, now)
    end
  elseif what == 4 then
    redis.call('ZREM', key, lease)
  else
    lease_write(key, b, lease, now)
  end
end
return now
