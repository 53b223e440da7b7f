-- KEYS: where to put them. ARGV: the milliseconds after which they expire, then the values.
for number, key in ipairs(KEYS) do
  local put = redis.pcall('SET', key, ARGV[number + 1], 'PX', ARGV[1])
  if failed(put) then return put end
end
return #KEYS
