-- Read the heartbeats that have not expired by the server's clock, as a flat list: its milliseconds, device, heartbeat,
-- device, ...
-- Keys of another type hold none.
--
-- KEYS[1]  zset     devices
-- KEYS[2]  hash     presences
-- ARGV[1]  integer  how many devices are read at most
-- ARGV[2]  integer  how many bytes of a heartbeat are read at most

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found, left = {now}, 64 * ARGV[2]
for _, device in ipairs(redis.pcall('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, ARGV[1])) do
    local heartbeat = redis.pcall('HGET', KEYS[2], device)
    if type(heartbeat) == 'string' and left > 0 then
        heartbeat = string.sub(heartbeat, 1, tonumber(ARGV[2]))
        left = left - #heartbeat
        found[#found + 1] = device
        found[#found + 1] = heartbeat
    end
end
return found
