-- Some commands on one ideation session, at one moment: WATCH, MULTI and EXEC without a connection that is held meanwhile.
-- KEYS: as keys.py has them, the session first. ARGV: the id of this write, or '' to look only; the write that was seen last,
-- '' if there was no session; then for each command how many words follow, the number of its key, its name, its arguments.
-- Gives the last write and what the commands answer; 0, with nothing written, when another wrote since; or minus the number of a
-- key of another type.
local WRITE, WRITES = 8, 32
local session, write = KEYS[1], ARGV[1]

-- All that could be refused later is looked at now: half of the commands would be as bad as another's.
for at, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= (at == 1 and 'string' or 'hash') then return -at end
end

local writes = redis.call('GETRANGE', session, 0, WRITES - 1)
local last = string.sub(writes, 1, WRITE)

if write ~= '' and last ~= ARGV[2] then
  for at = 1, #writes - WRITE + 1, WRITE do
    if string.sub(writes, at, at + WRITE - 1) == write then
      -- Sent again, since its answer was lost. Written anew, so that whoever waits for replicas waits for it.
      redis.call('SETRANGE', session, 0, writes)
      return {write}
    end
  end
  return 0
end

local replies = {write == '' and last or write}
local at = 3
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  local reply = redis.pcall(ARGV[at + 2], KEYS[tonumber(ARGV[at + 1])], unpack(ARGV, at + 3, at + words))
  if failed(reply) then return reply end -- a full or read-only server refuses the first write or none
  replies[#replies + 1] = reply
  at = at + words + 1
end

if write ~= '' and redis.call('EXISTS', session) == 1 then
  if writes == '' then writes = string.rep('\0', WRITES) end
  redis.call('SETRANGE', session, 0, write .. string.sub(writes, 1, WRITES - WRITE))
end
return replies
