-- Publish a run's share, and read those of the other runs as a flat list: run, share, run, ... Older ones are removed by
-- the server's clock. Needs the library dead_letter.
--
-- KEYS[1]  hash          shares
-- KEYS[2]  list          dead-letters
-- KEYS[3]  hash          dead-letter-counts
-- ARGV[1]  string        run
-- ARGV[2]  JSON          its share
-- ARGV[3]  milliseconds  how long a share is valid
-- ARGV[4]  integer       how many shares are read at most

heal(KEYS[1], 'hash', KEYS[2], KEYS[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, found = redis.call('HGETALL', KEYS[1]), {}
if #all > 2 * ARGV[4] then
    redis.call('DEL', KEYS[1])
    all = {}
end
for place = 1, #all, 2 do
    local run, at, body = all[place], string.match(all[place + 1], '^(%d+) (.*)$')
    if not at or math.abs(now - at) > tonumber(ARGV[3]) then
        redis.call('HDEL', KEYS[1], run)
    elseif run ~= ARGV[1] then
        found[#found + 1] = run
        found[#found + 1] = body
    end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now) .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return found
