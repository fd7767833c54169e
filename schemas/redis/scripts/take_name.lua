-- Take or keep a device's name, if what stands there is what the caller has seen. Returns what stands there otherwise.
--
-- KEYS[1]  string        served:<device>
-- ARGV[1]  JSON          the process that the caller has seen there; empty: none
-- ARGV[2]  JSON          the caller's process
-- ARGV[3]  milliseconds  how long the name is the caller's

local found = redis.pcall('GET', KEYS[1])
-- A key of another type is replaced.
if type(found) == 'string' and found ~= ARGV[1] then return found end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return false
