-- Both copies, the indexes and the age, or nothing at all.
-- KEYS: cold, hot, ages. ARGV: expected revision, id of the write, milliseconds that hot lasts, cutoff, tenant, session,
-- head, hot body, cold body, how many old sessions to sweep.
-- Gives 0, or {code}: 1 stale (with the revision), 2 absent, 3 another created_at (with it), 4 unreadable.
local cold, hot, ages = KEYS[1], KEYS[2], KEYS[3]
local expected, cutoff, tenant, session, head = tonumber(ARGV[1]), tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]

local old = read_cold(cold)
if failed(old) then return old end
local stored = parsed(old)
if stored == false then return {4} end

-- A retry finds its own write, even under those of others who saw it.
if stored then
  for at = 1, 25, 8 do
    if string.sub(stored.ids, at, at + 7) == ARGV[2] then return 0 end
  end
end

local current = stored
if stored and stored.activity < cutoff then current = nil end
if current then
  if current.revision ~= expected then return {1, current.revision} end
elseif expected ~= 0 then
  return {2}
end

local new = parsed(string.char(1) .. string.rep('\0', 32) .. head)
if current and current.created ~= new.created then return {3, string.format('%.0f', current.created)} end

-- The commands that a full or read-only server refuses come first: it refuses the first of them or none.
local score = score_of(new.activity)
local refused = redis.pcall('ZADD', ages, score, tag_of(tenant, session))
if failed(refused) then return refused end
for at = 1, #new.terms, TERM do
  refused = redis.pcall('ZADD', index_key(tenant, string.sub(new.terms, at, at + TERM - 1)), score, session)
  if failed(refused) then return refused end
end

local ids = ARGV[2] .. (current and string.sub(current.ids, 1, 24) or string.rep('\0', 24))
redis.call('SET', cold, '\2' .. ids .. head .. ARGV[9])
redis.call('SET', hot, '\1' .. ids .. head .. ARGV[8], 'PX', ARGV[3])
if stored and stored.terms ~= new.terms then unindex(tenant, session, stored.terms, new.terms) end
sweep(ages, cutoff, tonumber(ARGV[10]))
return 0
