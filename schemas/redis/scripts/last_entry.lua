-- The id of a stream's last entry; empty for an empty stream and for a key of another type.
--
-- KEYS[1]  stream  what is asked about

local last = redis.pcall('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if last.err and not string.find(last.err, 'WRONGTYPE') then return last end
return last[1] and last[1][1] or ''
