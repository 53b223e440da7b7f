-- Whether the set KEYS[1] has ARGV[1]; what is no set has nothing.
if redis.call('TYPE', KEYS[1]).ok ~= 'set' then return 0 end
return redis.call('SISMEMBER', KEYS[1], ARGV[1])
