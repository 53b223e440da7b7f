-- KEYS: cold, hot. Gives {last activity, terms} of the session, nil without one, or 0 for one that can't be read.
local stored = parsed(read_cold(KEYS[1]))
if stored == false then return 0 end
return stored and {string.format('%.0f', stored.activity), stored.terms} or false
