-- The first session, of some candidates, that is young enough and the wanted agent's; a cold one becomes hot.
-- KEYS: hot and cold of each. ARGV: milliseconds that hot lasts, cutoff, digest of the agent or ''.
-- Gives the value if it is the first candidate's hot copy, else {value, place in KEYS},
-- with no value where something else is kept there, else nil.
local ttl, cutoff, agent = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local function wanted(value)
  local stored = parsed(value)
  if not stored then return true end -- the reader tells what is wrong with it
  return stored.activity >= cutoff and (agent == '' or string.find(stored.terms, agent, 1, true))
end

local function refusal(reply, at)
  return string.find(reply.err, 'WRONGTYPE', 1, true) and {false, at} or reply
end

for at = 1, #KEYS, 2 do
  local value = redis.pcall('GET', KEYS[at])
  if failed(value) then return refusal(value, at) end
  if value then
    if wanted(value) then
      -- A read is seldom a write: the hot copy gets its full time back when a sixteenth has gone.
      if redis.call('PTTL', KEYS[at]) * 16 < ttl * 15 then redis.pcall('PEXPIRE', KEYS[at], ttl) end
      return at == 1 and value or {value, at}
    end
  else
    value = redis.pcall('GET', KEYS[at + 1])
    if failed(value) then return refusal(value, at + 1) end
    if value and wanted(value) then
      redis.pcall('SET', KEYS[at], value, 'PX', ttl) -- a full or read-only server gives it all the same
      return {value, at + 1}
    end
  end
end
return false
