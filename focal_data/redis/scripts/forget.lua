-- Takes one tenant's sessions out of the ages. KEYS: ages. ARGV: tenant, cursor.
-- Gives the next cursor, which is '0' after the last part.
local reply = redis.pcall('ZSCAN', KEYS[1], ARGV[2], 'MATCH', tag_of(ARGV[1], '*'), 'COUNT', 1000)
if failed(reply) then return reply end
for at = 1, #reply[2], 2 do
  local removed = redis.pcall('ZREM', KEYS[1], reply[2][at])
  if failed(removed) then return removed end
end
return reply[1]
