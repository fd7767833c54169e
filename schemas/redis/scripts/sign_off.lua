-- Remove a device's heartbeat.
--
-- KEYS[1]  zset    devices
-- KEYS[2]  hash    presences
-- ARGV[1]  string  device

redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
