-- The first entries of the index of a user's ideation sessions, each a member and its score. KEYS: the index. ARGV: how many.
return redis.pcall('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')
