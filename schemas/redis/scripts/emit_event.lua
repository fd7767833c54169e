-- Library: defines emit_event(), which numbers, appends and publishes one event of a run. It is one step of the
-- server, so readers of the stream and subscribers of the channel see the same order.

-- Remove a key whose content is the reason for an error; any other error is raised by the next call.
local function drop_if(key, err, reasons)
    for _, reason in ipairs(reasons) do
        if string.find(err, reason) then redis.call('DEL', key) end
    end
end

local function emit_event(seq_key, events_key, channel, event, cap, expiry_s)
    local seq = redis.pcall('INCR', seq_key)
    if type(seq) ~= 'number' then
        drop_if(seq_key, seq.err, {'WRONGTYPE', 'not an integer', 'overflow'})
        seq = redis.call('INCR', seq_key)
    end
    local body = string.sub(event, 1, -2) .. ',"seq":' .. seq .. '}'
    local added = redis.pcall('XADD', events_key, 'MAXLEN', '~', cap, '*', 'event', body)
    if type(added) == 'table' and added.err then
        drop_if(events_key, added.err, {'WRONGTYPE', 'exhausted'})
        redis.call('XADD', events_key, 'MAXLEN', '~', cap, '*', 'event', body)
    end
    redis.call('EXPIRE', seq_key, expiry_s)
    redis.call('EXPIRE', events_key, expiry_s)
    redis.call('PUBLISH', channel, body)
    return seq
end
