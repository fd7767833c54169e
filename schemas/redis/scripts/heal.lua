-- Remove the keys that are of another type than they must be. Needs the library dead_letter.
--
-- KEYS[1]  list    dead-letters
-- KEYS[2]  hash    dead-letter-counts
-- ARGV[1]  JSON    a type for each key: {"KEY": "hash", ...}; a counter is a string of digits

for key, wanted in pairs(cjson.decode(ARGV[1])) do heal(key, wanted, KEYS[1], KEYS[2]) end
