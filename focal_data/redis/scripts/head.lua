-- KEYS: cold, hot. Gives {last activity, terms} of the session, or nil without one that can be read.
local stored = parsed(read_cold(KEYS[1]))
return stored and {string.format('%.0f', stored.activity), stored.terms} or false
