-- KEYS: cold, hot. ARGV: cutoff. Gives 1 if there was a session.
local stored = read_cold(KEYS[1])
if failed(stored) then return stored end
stored = parsed(stored)
local tenant, session = parts_of_cold(KEYS[1])
local refused = housekeeping().remove(tenant, session, stored)
if refused then return refused end
return (stored == false or (stored and stored.activity >= tonumber(ARGV[1]))) and 1 or 0
