-- Library: defines set_aside(), which records what could not be read, and heal(), which removes a key of a wrong type.

local KEPT, KEPT_BYTES, KEPT_S = 200, 200, 7 * 24 * 3600

local function printable(text)
    return (string.gsub(string.sub(text, 1, KEPT_BYTES), '.', function(each)
        local code = string.byte(each)
        return code >= 32 and code < 127 and each ~= '\\' and each or string.format('\\x%02x', code)
    end))
end

local function remove_unless(key, wanted)
    local found = redis.call('TYPE', key).ok
    if found ~= wanted and found ~= 'none' then redis.call('DEL', key) end
end

local function set_aside(letters_key, counts_key, place, key, reason, body)
    remove_unless(letters_key, 'list')
    remove_unless(counts_key, 'hash')
    local time = redis.call('TIME')
    redis.call('LPUSH', letters_key, cjson.encode({
        at = time[1] + 0, place = place, key = printable(key), reason = printable(reason), body = printable(body),
    }))
    redis.call('LTRIM', letters_key, 0, KEPT - 1)
    if type(redis.pcall('HINCRBY', counts_key, place, 1)) ~= 'number' then redis.call('HSET', counts_key, place, 1) end
    redis.call('EXPIRE', letters_key, KEPT_S)
    redis.call('EXPIRE', counts_key, KEPT_S)
end

local function heal(key, wanted, letters_key, counts_key)
    local found = redis.call('TYPE', key).ok
    local body = found == 'string' and redis.call('GETRANGE', key, 0, KEPT_BYTES) or ''
    if found == 'none' or found == wanted then return end
    if wanted == 'counter' and string.find(body, '^%d+$') and #body < 16 then return end
    redis.call('DEL', key)
    set_aside(letters_key, counts_key, 'key', key, 'a ' .. found .. ' instead of a ' .. wanted .. '; removed', body)
end
