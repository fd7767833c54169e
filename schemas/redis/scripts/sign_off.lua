-- Remove a device's heartbeat.
--
-- KEYS[1]  zset    devices
-- KEYS[2]  hash    presences
-- ARGV[1]  string  device

redis.pcall('ZREM', KEYS[1], ARGV[1])
redis.pcall('HDEL', KEYS[2], ARGV[1])
