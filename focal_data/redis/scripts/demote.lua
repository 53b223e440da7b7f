-- KEYS: cold, hot. ARGV: cutoff. Gives 1 if there was a hot copy, of a session that is not too old.
local stored = read_cold(KEYS[1])
if failed(stored) then return stored end
stored = parsed(stored)
if stored == nil then return 0 end -- the only copy is not thrown away
local dropped = redis.pcall('DEL', KEYS[2])
if failed(dropped) then return dropped end
return (stored == false or stored.activity >= tonumber(ARGV[1])) and dropped or 0
