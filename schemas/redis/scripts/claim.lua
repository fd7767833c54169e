-- Begin an attempt: once, by one claimant, while it is the newest. A claimant whose reply got lost may ask again.
-- Returns 1 if the claimant has the attempt, else 0, as for a key that is no hash. Emits the event on the first success.
-- Needs the library emit_event.
--
-- KEYS[1]  hash     attempts:<run>
-- KEYS[2]  string   seq:<run>
-- KEYS[3]  stream   events:<run>
-- ARGV[1]  string   ROLE/NAME
-- ARGV[2]  integer  attempt
-- ARGV[3]  string   claimant
-- ARGV[4]  channel  telemetry:<run>
-- ARGV[5]  JSON     the event without its number; empty for none
-- ARGV[6]  integer  about how many events the stream keeps
-- ARGV[7]  seconds  expiry of the event keys

local known = redis.pcall('HGET', KEYS[1], ARGV[1])
local mine = ARGV[2] .. ' ' .. ARGV[3]
if known == mine then return 1 end
if known ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], mine)
if ARGV[5] ~= '' then emit_event(KEYS[2], KEYS[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]) end
return 1
