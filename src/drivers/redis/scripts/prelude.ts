/**
 * What every script starts with. All keys begin with the hash tag of one partition, so a script touches one slot; KEYS[1] only routes it.
 * `now` is the server's TIME (writes are replicated as effects, so a replica need not read the same clock). With the option time: "clock",
 * which is for tests, the time comes as ARGV[2].
 *
 * A job lies in the hash `jobs` as head and body. The head changes: place, availableAt, finishedAt, attempts, losses, exceptions, maxLosses,
 * rest (0 not at rest, 1 failed, 2 completed), flags (1 payload lies in `bodies`, 2 a failure lies in `failures`). The body is written
 * once: queue, priority and what only clients read. docs/backends/redis.md has the whole layout.
 */
export const PRELUDE = `
local call, sub, format, floor = redis.call, string.sub, string.format, math.floor
local tag = ARGV[1]
local now
if ARGV[2] == '' then
  local time = call('TIME')
  now = time[1] * 1000 + time[2] / 1000
else
  now = tonumber(ARGV[2])
end
local nowMs = floor(now)
-- For whole numbers: a third of the time of '%.0f', which goes by way of arithmetic of any length. Where the server's long has 32 bits it will not do.
local WHOLE = format('%d', 2 ^ 52) == '4503599627370496' and '%d' or '%.0f'
local PLACE = WHOLE == '%d' and '%013d' or '%013.0f'
local JOBS, HELD, INDEX = tag .. 'jobs', tag .. 'held', tag .. 'index:'

local function newPlace()
  return format(PLACE, call('INCR', tag .. 'place'))
end

local function readHead(rec)
  local place, available, finished, attempts, losses, exceptions, maxLosses, rest, flags = struct.unpack('>c13ddI4I4I4I4BB', rec)
  return { place = place, available = available, finished = finished, attempts = attempts, losses = losses,
    exceptions = exceptions, maxLosses = maxLosses, rest = rest, flags = flags }
end

local function packHead(h)
  return struct.pack('>c13ddI4I4I4I4BB', h.place, h.available, h.finished, h.attempts, h.losses, h.exceptions, h.maxLosses, h.rest, h.flags)
end

local function withHead(h, rec)
  return packHead(h) .. sub(rec, 48)
end

-- queue, priority
local function kindOf(rec)
  local queue, priority = struct.unpack('>I2c0d', rec, 48)
  return queue, priority
end

local function entryOf(place, priority, id)
  if priority == 0 then return place .. ':0:' .. id end
  return place .. ':' .. format('%.0f', priority) .. ':' .. id
end

local function bucketOf(place)
  return format('%.0f', floor(tonumber(place) / 256))
end

local function indexAdd(place, id)
  local bucket = bucketOf(place)
  call('SADD', INDEX .. bucket, id)
  call('ZADD', tag .. 'buckets', bucket, bucket)
end

local function indexRemove(place, id)
  local bucket = bucketOf(place)
  call('SREM', INDEX .. bucket, id)
  if call('EXISTS', INDEX .. bucket) == 0 then call('ZREM', tag .. 'buckets', bucket) end
end

-- One marker is enough: whoever takes it claims, and sets it again when jobs are left.
local function mark(queue)
  local key = tag .. 'wake:' .. queue
  if call('EXISTS', key) == 0 then call('RPUSH', key, 1) end
end

-- Behind those that are ready in its priority.
local function makeReady(queue, priority, entry)
  if priority == 0 then
    call('RPUSH', tag .. 'ready:' .. queue, entry)
  else
    call('ZADD', tag .. 'prio:' .. queue, -priority, newPlace() .. ':' .. entry)
  end
end

local function hasReady(queue)
  return call('EXISTS', tag .. 'ready:' .. queue, tag .. 'prio:' .. queue) > 0
end

local function isHeld(id, token)
  local held = call('HGET', HELD, id)
  local wanted = format('%.0f:', token)
  return held and sub(held, 1, #wanted) == wanted
end

local function letGo(queue, id)
  call('HDEL', HELD, id)
  call('ZREM', tag .. 'leases:' .. queue, id)
end

-- Everything that is kept of a job but its places in lines.
local function forget(place, id)
  call('HDEL', JOBS, id)
  call('HDEL', tag .. 'bodies', id)
  call('HDEL', tag .. 'failures', id)
  call('HDEL', tag .. 'results', id)
  indexRemove(place, id)
end

local function setFailure(h, id, failure)
  if failure == '' then return end
  call('HSET', tag .. 'failures', id, failure)
  if h.flags < 2 then h.flags = h.flags + 2 end
end

-- To failed, at a new place: failed jobs stand in the order in which they came to rest.
local function rest(queue, id, rec, h)
  indexRemove(h.place, id)
  h.place, h.rest, h.finished = newPlace(), 1, nowMs
  indexAdd(h.place, id)
  call('ZADD', tag .. 'failed', tonumber(h.place), id)
  call('HINCRBY', tag .. 'queue:' .. queue, 'failed', 1)
  local stored = withHead(h, rec)
  call('HSET', JOBS, id, stored)
  return stored
end

-- rec, then what its flags say lies elsewhere.
local function appendJob(list, id, rec)
  list[#list + 1] = rec
  local flags = string.byte(rec, 47)
  if flags % 2 == 1 then list[#list + 1] = call('HGET', tag .. 'bodies', id) or '' end
  if flags >= 2 then list[#list + 1] = call('HGET', tag .. 'failures', id) or '' end
end

-- One loss more; at maxLosses to failed. The job is no longer held. Says whether it died.
local function lose(queue, priority, id, rec, h, died)
  h.losses = h.losses + 1
  if h.losses < h.maxLosses then
    h.available = nowMs
    call('HSET', JOBS, id, withHead(h, rec))
    makeReady(queue, priority, entryOf(h.place, priority, id))
    return false
  end
  local times = h.losses == 1 and 'once' or h.losses .. ' times'
  setFailure(h, id, '{"code":"LEASE_EXPIRED","name":"JobferryError","message":"The lease ran out ' .. times
    .. ' before the job was finished: its worker died, or held it longer than its lease."}')
  appendJob(died, id, rest(queue, id, rec, h))
  return true
end

-- Delayed jobs whose time has come, in the order of their times.
local function promoteDue(queue, max)
  local key = tag .. 'delayed:' .. queue
  local due = call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, max)
  if #due == 0 then return 0 end
  call('ZREM', key, unpack(due))
  for _, entry in ipairs(due) do
    local colon = string.find(entry, ':', 15, true)
    makeReady(queue, tonumber(sub(entry, 15, colon - 1)), entry)
  end
  return #due
end

-- Jobs whose lease ran out: back, or failed at their last loss.
local function recoverExpired(queue, max, died)
  local key = tag .. 'leases:' .. queue
  local expired = call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, max)
  local recovered = 0
  for _, id in ipairs(expired) do
    letGo(queue, id)
    local rec = call('HGET', JOBS, id)
    if rec then
      local h = readHead(rec)
      local _, priority = kindOf(rec)
      h.attempts = h.attempts + 1
      if not lose(queue, priority, id, rec, h, died) then recovered = recovered + 1 end
    end
  end
  return recovered, #expired
end

-- Milliseconds until something becomes due or runs out; -1: nothing will.
local function nextDueIn(queue)
  local delayed = call('ZRANGE', tag .. 'delayed:' .. queue, 0, 0, 'WITHSCORES')
  local leases = call('ZRANGE', tag .. 'leases:' .. queue, 0, 0, 'WITHSCORES')
  local at = math.min(tonumber(delayed[2] or 'inf'), tonumber(leases[2] or 'inf'))
  if at == math.huge then return -1 end
  return math.max(0, math.ceil(at - now))
end

local function sooner(a, b)
  if a < 0 then return b end
  if b < 0 then return a end
  return math.min(a, b)
end
`;
