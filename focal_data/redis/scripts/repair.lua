-- Makes entries of indexes tell what the sessions say. ARGV: tenant, terms joined, then sessions.
-- Nothing can be written in between, so what was saved since the reader looked is not undone.
local own, tenant, terms = housekeeping(), ARGV[1], ARGV[2]
for at = 3, #ARGV do
  local session = ARGV[at]
  local stored = parsed(read_cold(cold_key(tag_of(tenant, session)))) or {terms = ''}
  own.each(terms, function(term)
    if own.has(stored.terms, term) then
      redis.pcall('ZADD', indexes_of(tenant) .. term, score_of(stored.activity), session)
    else
      redis.pcall('ZREM', indexes_of(tenant) .. term, session)
    end
  end)
end
return 0
