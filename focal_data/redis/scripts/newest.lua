-- The next entries of some indexes of the same kind of thing, in one order.
-- KEYS: the indexes. ARGV: score and member to begin behind (or '-inf' and ''), last score, how many.
-- Gives one string of member (32) and score (8) each: a reply of hundreds of parts takes a client long to read.
-- Where something else is kept under one of the keys, it gives its number.
local score, member, count = ARGV[1], ARGV[2], tonumber(ARGV[4])
local floor = tonumber(score) or -math.huge
local found = {}

for number, key in ipairs(KEYS) do
  local offset, taken = 0, 0
  repeat
    local part = redis.pcall('ZRANGEBYSCORE', key, score, ARGV[3], 'WITHSCORES', 'LIMIT', offset, count)
    if failed(part) then return string.find(part.err, 'WRONGTYPE', 1, true) and number or part end
    for at = 1, #part, 2 do
      local behind = tonumber(part[at + 1])
      if taken < count and (behind > floor or part[at] > member) then
        found[#found + 1] = {part[at], behind}
        taken = taken + 1
      end
    end
    offset = offset + count
  until taken == count or #part < 2 * count
end

if #KEYS > 1 then
  table.sort(found, function(a, b) return a[2] < b[2] or (a[2] == b[2] and a[1] < b[1]) end)
end
local packed = {}
for at = 1, math.min(count, #found) do packed[at] = found[at][1] .. struct.pack('>d', found[at][2]) end
return table.concat(packed)
