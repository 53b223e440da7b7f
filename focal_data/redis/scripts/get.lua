-- The first session, of some candidates, that is young enough and the wanted agent's; a cold one becomes hot.
-- KEYS: hot and cold of each. ARGV: milliseconds that hot lasts, cutoff, digest of the agent or ''.
-- Gives the value if it is the first candidate's hot copy, else {value, place in KEYS},
-- with no value where something else is kept there, else nil. The first candidate's is given when it is too old, too:
-- the reader looks whether that is what it says, or damage.
local ttl, cutoff, agent = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local function wanted(value)
  local stored = parsed(value)
  if not stored then return true end -- the reader tells what is wrong with it
  if stored.activity < cutoff then return #KEYS == 2, true end
  return agent == '' or string.find(stored.terms, agent, 1, true)
end

local function refusal(reply, at)
  return string.find(reply.err, 'WRONGTYPE', 1, true) and {false, at} or reply
end

for at = 1, #KEYS, 2 do
  local value = redis.pcall('GET', KEYS[at])
  if failed(value) then return refusal(value, at) end
  if value then
    local found, old = wanted(value)
    if found then
      -- A read is seldom a write: the hot copy gets its full time back when a sixteenth has gone.
      if not old and redis.call('PTTL', KEYS[at]) * 16 < ttl * 15 then redis.pcall('PEXPIRE', KEYS[at], ttl) end
      return at == 1 and value or {value, at}
    end
  else
    value = redis.pcall('GET', KEYS[at + 1])
    if failed(value) then return refusal(value, at + 1) end
    local found, old = wanted(value or '')
    if value and found then
      -- A full or read-only server gives it all the same.
      if not old then redis.pcall('SET', KEYS[at], value, 'PX', ttl) end
      return {value, at + 1}
    end
  end
end
return false
