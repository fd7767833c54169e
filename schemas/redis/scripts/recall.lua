-- Revoke an attempt that no worker has claimed. Returns its number and claim if one has; empty if it can no longer begin.
--
-- KEYS[1]  hash     attempts:<run>
-- ARGV[1]  string   ROLE/NAME
-- ARGV[2]  integer  attempt

local known = redis.pcall('HGET', KEYS[1], ARGV[1])
if type(known) == 'string' and string.sub(known, 1, #ARGV[2] + 1) == ARGV[2] .. ' ' then return known end
if known == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return ''
