-- KEYS: ages. ARGV: cutoff, how many at most. Gives how many it looked at, and how many sessions it removed.
local looked, removed = housekeeping().sweep(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))
return failed(looked) and looked or {looked, removed}
