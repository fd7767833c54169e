-- Take the next free slot for a request to a vendor. Slots are evenly spaced; unused time is not saved up.
-- Returns when the slot begins, in microseconds of the server's clock, and how long that is from now.
--
-- KEYS[1]  string        pace:<vendor>
-- ARGV[1]  microseconds  length of a slot

local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local slot = tonumber(redis.pcall('GET', KEYS[1])) or 0
-- Also replaces what is no time at all.
if not (slot > now and slot < now + 3600 * 1000000) then slot = now end
local following = slot + tonumber(ARGV[1])
redis.call('SET', KEYS[1], string.format('%.0f', following), 'PX', math.ceil((following - now) / 1000))
return {slot, slot - now}
