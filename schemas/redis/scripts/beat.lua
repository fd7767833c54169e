-- Store a device's heartbeat, and remove those that have expired by the server's clock, whose milliseconds are the reply.
-- Needs the library dead_letter.
--
-- KEYS[1]  zset          devices
-- KEYS[2]  hash          presences
-- KEYS[3]  list          dead-letters
-- KEYS[4]  hash          dead-letter-counts
-- ARGV[1]  string        device
-- ARGV[2]  JSON          the heartbeat
-- ARGV[3]  milliseconds  how long the heartbeat is valid

heal(KEYS[1], 'zset', KEYS[3], KEYS[4])
heal(KEYS[2], 'hash', KEYS[3], KEYS[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, device in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
    redis.call('ZREM', KEYS[1], device)
    redis.call('HDEL', KEYS[2], device)
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
-- Without a live device nothing of this stays. A longer expiry, of another device's heartbeat, is not shortened.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return now
