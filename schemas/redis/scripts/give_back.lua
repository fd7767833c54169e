-- Let another worker begin an attempt that this claimant has claimed and not begun.
--
-- KEYS[1]  hash     attempts:<run>
-- ARGV[1]  string   ROLE/NAME
-- ARGV[2]  integer  attempt
-- ARGV[3]  string   claimant

if redis.pcall('HGET', KEYS[1], ARGV[1]) == ARGV[2] .. ' ' .. ARGV[3] then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
