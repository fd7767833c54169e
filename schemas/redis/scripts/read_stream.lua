-- Read the entries after a cursor, as a flat list: id, value of a field, id, value, ... A missing field is empty, and
-- a long value is cut. A key of another type holds no entry.
--
-- KEYS[1]  stream   what is read
-- ARGV[1]  string   cursor: id of the last entry that was read
-- ARGV[2]  integer  how many entries are read at most
-- ARGV[3]  string   field
-- ARGV[4]  integer  how many bytes of a value are read at most; of all values, about twice as many

local found, left, most = {}, 2 * ARGV[4], tonumber(ARGV[4])
local reply = redis.pcall('XREAD', 'COUNT', ARGV[2], 'STREAMS', KEYS[1], ARGV[1])
if type(reply) == 'table' and reply.err and not string.find(reply.err, 'WRONGTYPE') then return reply end
local stream = type(reply) == 'table' and reply[1] or {}
for _, entry in ipairs(stream[2] or {}) do
    local value = ''
    for place = 1, #entry[2], 2 do
        if entry[2][place] == ARGV[3] then value = string.sub(entry[2][place + 1], 1, most) end
    end
    found[#found + 1] = entry[1]
    found[#found + 1] = value
    left = left - #value
    if left <= 0 then break end
end
return found
