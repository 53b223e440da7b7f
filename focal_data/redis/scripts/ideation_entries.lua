-- The first entries of the index of a user's ideation sessions, each a member and its score. KEYS: the index. ARGV: how many.
local reply = redis.pcall('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')
if failed(reply) then return reply end
return reply
