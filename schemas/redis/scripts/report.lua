-- Append an outcome to its run's stream. A late outcome of a run that has ended and was cleared expires soon.
-- Needs the library dead_letter.
--
-- KEYS[1]  stream   outcomes:<run>
-- KEYS[2]  hash     attempts:<run>
-- KEYS[3]  list     dead-letters
-- KEYS[4]  hash     dead-letter-counts
-- ARGV[1]  JSON     outcome
-- ARGV[2]  seconds  expiry while the run goes on
-- ARGV[3]  seconds  expiry after its end

heal(KEYS[1], 'stream', KEYS[3], KEYS[4])
local added = redis.pcall('XADD', KEYS[1], '*', 'outcome', ARGV[1])
if type(added) == 'table' and added.err then
    -- An entry with the last possible id lets none follow. Any other error, such as full memory, is raised below.
    if string.find(added.err, 'exhausted') then redis.call('DEL', KEYS[1]) end
    redis.call('XADD', KEYS[1], '*', 'outcome', ARGV[1])
end
redis.call('EXPIRE', KEYS[1], redis.call('EXISTS', KEYS[2]) == 1 and ARGV[2] or ARGV[3])
