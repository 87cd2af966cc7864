-- Forgets that an address was banned or offended. KEYS: as many logs and records as there are. Reply: how many went.
return redis.call('DEL', unpack(KEYS))
