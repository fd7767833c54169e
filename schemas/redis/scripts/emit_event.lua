-- Library: defines emit_event(), which numbers, appends and publishes one event of a run. It is one step of the
-- server, so readers of the stream and subscribers of the channel see the same order.

local function emit_event(seq_key, events_key, channel, event, cap, expiry_s)
    local seq = redis.call('INCR', seq_key)
    local body = string.sub(event, 1, -2) .. ',"seq":' .. seq .. '}'
    redis.call('XADD', events_key, 'MAXLEN', '~', cap, '*', 'event', body)
    redis.call('EXPIRE', seq_key, expiry_s)
    redis.call('EXPIRE', events_key, expiry_s)
    redis.call('PUBLISH', channel, body)
    return seq
end
