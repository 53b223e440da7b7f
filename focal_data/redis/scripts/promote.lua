-- KEYS: cold, hot. ARGV: milliseconds that hot lasts, cutoff. Gives 1 if there is such a session, 2 if it can't be read.
local value = redis.pcall('GET', KEYS[1])
if failed(value) then return value end
local stored = parsed(value)
if stored == false then return 2 end
if not stored or stored.activity < tonumber(ARGV[2]) then return 0 end
local reply
if redis.call('EXISTS', KEYS[2]) == 1 then
  reply = redis.pcall('PEXPIRE', KEYS[2], ARGV[1])
else
  reply = redis.pcall('SET', KEYS[2], value, 'PX', ARGV[1])
end
return failed(reply) and reply or 1
