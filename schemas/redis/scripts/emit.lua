-- Number, append and publish one event. Returns its number. Needs the library emit_event.
--
-- KEYS[1]  string   seq:<run>
-- KEYS[2]  stream   events:<run>
-- ARGV[1]  channel  telemetry:<run>
-- ARGV[2]  JSON     the event without its number
-- ARGV[3]  integer  about how many events the stream keeps
-- ARGV[4]  seconds  expiry of both keys

return emit_event(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
