-- Corrects entries that still say what was seen. KEYS: an index, or ages.
-- ARGV: for each entry its member, the lowest and the highest score that it may have, and the one it gets, or '' to go.
-- Whoever saves meanwhile writes another score, which stays.
for at = 1, #ARGV, 4 do
  local score = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[at]) or 'nan')
  if score and score >= tonumber(ARGV[at + 1]) and score <= tonumber(ARGV[at + 2]) then
    if ARGV[at + 3] == '' then
      redis.call('ZREM', KEYS[1], ARGV[at])
    else
      redis.call('ZADD', KEYS[1], ARGV[at + 3], ARGV[at])
    end
  end
end
return 0
