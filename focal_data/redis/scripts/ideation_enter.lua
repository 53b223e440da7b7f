-- What leads to an ideation session. KEYS: the index of a user. ARGV: score and member.
return redis.pcall('ZADD', KEYS[1], ARGV[1], ARGV[2])
