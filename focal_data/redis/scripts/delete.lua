-- KEYS: cold, hot. ARGV: cutoff, '1' if alone, '1' if only what is older than the cutoff goes.
-- Gives 1 if there was a session. Alone, as in a cluster, it leaves alone what leads there, and gives {1 or 0, last
-- activity, terms} of what was there. One that stays because it is young is {-1, last activity}.
local stored = read_cold(KEYS[1])
if failed(stored) then return stored end
stored = parsed(stored)
local young = stored and stored.activity >= tonumber(ARGV[1])
local activity = stored and string.format('%.0f', stored.activity) or ''
if young and ARGV[3] == '1' then return {-1, activity} end

local refused
if ARGV[2] == '1' then
  refused = redis.pcall('DEL', KEYS[1], KEYS[2])
  if not failed(refused) then refused = nil end
else
  local tenant, session = parts_of_cold(KEYS[1])
  refused = housekeeping().remove(tenant, session, stored)
end
if refused then return refused end
local found = (stored == false or young or (stored and ARGV[3] == '1')) and 1 or 0
return ARGV[2] == '1' and {found, activity, stored and stored.terms or ''} or found
