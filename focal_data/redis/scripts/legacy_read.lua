-- For each key its type and what is there; of a list only the places from ARGV[1] to ARGV[2].
local READ = {
  string = function(key) return redis.pcall('GET', key) end,
  list = function(key) return redis.pcall('LRANGE', key, ARGV[1], ARGV[2]) end,
  hash = function(key) return redis.pcall('HGETALL', key) end,
  set = function(key) return redis.pcall('SMEMBERS', key) end,
}
local found = {}
for number, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  local value = READ[kind] and READ[kind](key) or false
  if failed(value) then return value end
  found[number] = { kind, value }
end
return found
