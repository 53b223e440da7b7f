-- What leads to an ideation session. KEYS: the index of a user. ARGV: score and member.
local reply = redis.pcall('ZADD', KEYS[1], ARGV[1], ARGV[2])
if failed(reply) then return reply end
return 0
