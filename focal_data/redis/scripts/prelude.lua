-- What the scripts share; codec.py says how a stored value is laid out.
-- On a single server a script may use keys that it was not given; KEYS are those that the call is about.

local NEWEST_FORMAT = 2
local IDS_AT, HEAD_AT, COUNT_AT, TERMS_AT = 2, 34, 58, 59
local HEAD_BYTES = TERMS_AT - HEAD_AT
local LONGEST_HEAD = TERMS_AT + 8 * TERM

local function failed(reply)
  if type(reply) ~= 'table' or not reply.err then return false end
  reply.err = string.gsub(reply.err, '^@user_script: ?%d+: %-?', '') -- Redis 6 puts it before the code
  return true
end

-- nil: there is none; false: it can't be read.
local function parsed(value)
  if not value or value == '' then return nil end
  local format = #value >= COUNT_AT and string.byte(value) or 0
  if format < 1 or format > NEWEST_FORMAT then return false end
  local revision, created, activity = struct.unpack('>I4i8i8', value, HEAD_AT)
  return {
    ids = string.sub(value, IDS_AT, HEAD_AT - 1),
    revision = revision,
    created = created,
    activity = activity,
    terms = string.sub(value, TERMS_AT, TERMS_AT - 1 + string.byte(value, COUNT_AT) * TERM),
  }
end

local function read_cold(key) return redis.pcall('GETRANGE', key, 0, LONGEST_HEAD - 1) end

local function score_of(activity) return string.format('%.0f', -activity) end

-- What few calls need is made only for them: a server makes every function anew for every call.
local function housekeeping()
  local own = {}

  function own.each(terms, visit)
    for at = 1, #terms, TERM do visit(string.sub(terms, at, at + TERM - 1)) end
  end

  function own.has(terms, wanted)
    local found = false
    own.each(terms, function(term) found = found or term == wanted end)
    return found
  end

  function own.unindex(tenant, session, terms, kept)
    own.each(terms, function(term)
      if not own.has(kept, term) then redis.pcall('ZREM', indexes_of(tenant) .. term, session) end
    end)
  end

  -- Both copies and all that points to them. What a read-only server answers to the first command is given back.
  function own.remove(tenant, session, stored)
    local tag = tag_of(tenant, session)
    local reply = redis.pcall('DEL', hot_key(tag), cold_key(tag))
    if failed(reply) then return reply end
    if stored then own.unindex(tenant, session, stored.terms, '') end
    redis.call('ZREM', ages_key(session), tag)
  end

  -- Removes up to `limit` sessions of this shard that were last active before `cutoff`, by what they say themselves.
  -- Tells how many entries it looked at and how many sessions it removed; or a refusal.
  function own.sweep(ages, cutoff, limit)
    local due = redis.call('ZREVRANGEBYSCORE', ages, '+inf', '(' .. score_of(cutoff), 'LIMIT', 0, limit)
    local removed = 0
    for _, tag in ipairs(due) do
      local stored = parsed(read_cold(cold_key(tag)))
      if stored and stored.activity >= cutoff then
        redis.call('ZADD', ages, score_of(stored.activity), tag)
      else
        local tenant, session = parts_of_tag(tag)
        local refused = own.remove(tenant, session, stored)
        if refused then return refused end
        redis.call('ZREM', ages, tag) -- one that is no session's is in no shard of its own
        if stored ~= nil then removed = removed + 1 end
      end
    end
    return #due, removed
  end

  return own
end
