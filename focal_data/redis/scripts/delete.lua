-- KEYS: cold, hot, ages. ARGV: cutoff, tag. Gives 1 if there was a session.
local stored = read_cold(KEYS[1])
if failed(stored) then return stored end
stored = parsed(stored)
local refused = remove(ARGV[2], KEYS[3], stored)
if refused then return refused end
return (stored == false or (stored and stored.activity >= tonumber(ARGV[1]))) and 1 or 0
