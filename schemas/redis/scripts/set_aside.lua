-- Record what could not be read. Needs the library dead_letter.
--
-- KEYS[1]  list    dead-letters
-- KEYS[2]  hash    dead-letter-counts
-- ARGV[1]  string  kind of place
-- ARGV[2]  string  where it was
-- ARGV[3]  string  reason
-- ARGV[4]  string  its first bytes

set_aside(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
