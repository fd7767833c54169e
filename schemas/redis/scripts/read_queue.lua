-- Read the messages of a queue that are taken next. A key of another type, and what is too long, hold none.
--
-- KEYS[1]  list     a device's queue
-- ARGV[1]  integer  how many messages are read at most
-- ARGV[2]  integer  how long a message may be; all together, about 16 times as many bytes

local found, most, left = {}, tonumber(ARGV[2]), 16 * ARGV[2]
if redis.call('TYPE', KEYS[1]).ok ~= 'list' then return found end
for _, message in ipairs(redis.call('LRANGE', KEYS[1], -ARGV[1], -1)) do
    if #message <= most and left > 0 then
        found[#found + 1] = message
        left = left - #message
    end
end
return found
