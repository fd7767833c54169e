-- Raise a run's event counter to the number of the last event in its log; a higher counter stays.
--
-- KEYS[1]  string   seq:<run>
-- ARGV[1]  integer  number of the last event in the log

if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end
