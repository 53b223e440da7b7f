-- ARGV: for each key its type, how many values follow, and these, in place of what is there; a set keeps what it has.
local WRITE = {
  string = function(key, value) return redis.pcall('SET', key, value) end,
  list = function(key, value) return redis.pcall('RPUSH', key, value) end,
  set = function(key, value) return redis.pcall('SADD', key, value) end,
}
local at = 1
for _, key in ipairs(KEYS) do
  local kind, last = ARGV[at], at + 1 + ARGV[at + 1]
  if kind ~= 'set' then
    local gone = redis.pcall('DEL', key)
    if failed(gone) then return gone end
  end
  local step = kind == 'hash' and 2 or 1
  for n = at + 2, last, step do
    local done
    if kind == 'hash' then
      done = redis.pcall('HSET', key, ARGV[n], ARGV[n + 1])
    else
      done = WRITE[kind](key, ARGV[n])
    end
    if failed(done) then return done end
  end
  at = last + 1
end
return #KEYS
