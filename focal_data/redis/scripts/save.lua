-- Both copies, the indexes and the age, or nothing at all.
-- KEYS: cold, hot. ARGV: milliseconds that hot lasts, cutoff, id of the write, head, hot body, cold body, '1' if alone.
-- Alone, as in a cluster, it touches this slot only: what leads here was written before.
-- Gives 0, less how many aged ones it swept, or {code}: 1 stale (with the revision), 2 absent, 3 another created_at (with it), 4 unreadable,
-- 5 something else under the name of an index (with the number of its term);
-- alone also {0, last activity, terms} of what was there, if that had other terms.
local SWEPT_BY_A_SAVE = 2
local AGE_SLICE = 3600 * 1000000 -- an hour
local cold, hot = KEYS[1], KEYS[2]
local cutoff, write, head = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local alone = ARGV[7] == '1'
local tenant, session = parts_of_cold(cold)
local revision, created, activity = struct.unpack('>I4i8i8', head)

local reply = read_cold(cold)
if failed(reply) then return reply end
local stored = parsed(reply)
if stored == false then return {4} end
local current = stored and stored.activity >= cutoff and stored or nil

if (current and current.revision or 0) ~= revision - 1 then
  -- A retry finds its own write, even under those of others who saw it.
  for at = 1, stored and 25 or 0, 8 do
    if string.sub(stored.ids, at, at + 7) == write then
      -- Written once more, so that whoever waits for replicas waits for what was written then.
      if alone then redis.pcall('SETRANGE', cold, 0, string.sub(reply, 1, 1)) end
      return 0
    end
  end
  return current and {1, current.revision} or {2}
end

local terms = string.sub(head, HEAD_BYTES + 1)
if current and current.created ~= created then return {3, string.format('%.0f', current.created)} end

-- An age may lag behind by a slice, since whoever sweeps looks at the session itself.
local ageing = not alone and (not stored or math.floor(stored.activity / AGE_SLICE) ~= math.floor(activity / AGE_SLICE))

-- The commands that a full or read-only server refuses come first: it refuses the first of them or none.
local score = score_of(activity)
if ageing then
  reply = redis.pcall('ZADD', ages_key(session), score, tag_of(tenant, session))
  if failed(reply) then return reply end
end
local indexes = indexes_of(tenant)
for at = 1, alone and 0 or #terms, TERM do
  reply = redis.pcall('ZADD', indexes .. string.sub(terms, at, at + TERM - 1), score, session)
  if failed(reply) then return string.find(reply.err, 'WRONGTYPE', 1, true) and {5, (at - 1) / TERM} or reply end
end

head = write .. (current and string.sub(current.ids, 1, 24) or string.rep('\0', 24)) .. head
reply = redis.pcall('SET', cold, '\2' .. head .. ARGV[6])
if failed(reply) then return reply end
redis.call('SET', hot, '\1' .. head .. ARGV[5], 'PX', ARGV[1])
if alone then
  return stored and stored.terms ~= terms and {0, string.format('%.0f', stored.activity), stored.terms} or 0
end
if stored and stored.terms ~= terms then housekeeping().unindex(tenant, session, stored.terms, terms) end
if not ageing then return 0 end
local _, swept = housekeeping().sweep(ages_key(session), cutoff, SWEPT_BY_A_SAVE)
return -(swept or 0)
