-- Read the heartbeats that have not expired by the server's clock, as a flat list: device, heartbeat, device, ...
--
-- KEYS[1]  zset  devices
-- KEYS[2]  hash  presences

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, device in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')) do
    local heartbeat = redis.call('HGET', KEYS[2], device)
    if heartbeat then
        found[#found + 1] = device
        found[#found + 1] = heartbeat
    end
end
return found
