/**
 * Promotes, recovers and takes, over all queues that were asked for, in one call. Atomic because Redis runs one script at a time.
 * ARGV: tag, now, leaseMs, max, free, most bytes, partitions, number of this one, queue names.
 * Answers { now, first token, next due, number of elements about died jobs, those elements ..., taken jobs ... }.
 */
export const CLAIM = `
local leaseMs, max, free, bytesLeft = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local step, part = tonumber(ARGV[7]), tonumber(ARGV[8])
local PORTION = 200
local jobs, died, taken, queueOf, gone = {}, {}, {}, {}, 0
local stopped = false

-- Looks at entries in their order. Returns the index from which on they must go back.
local function accept(queue, entries, idAt, placeAt)
  local ids = {}
  for i, entry in ipairs(entries) do ids[i] = idAt(entry) end
  local records = redis.call('HMGET', JOBS, unpack(ids))
  for i, id in ipairs(ids) do
    local rec = records[i]
    if not rec or string.sub(rec, 1, 13) ~= string.sub(entries[i], placeAt, placeAt + 12) then
      gone = gone + 1 -- it was removed while it waited
    else
      if string.sub(rec, 34, 37) ~= '\\0\\0\\0\\0' then
        if free <= 0 then return i end
        free = free - 1
      end
      if bytesLeft <= 0 then return i end
      local before = #jobs
      appendJob(jobs, id, rec)
      for k = before + 1, #jobs do bytesLeft = bytesLeft - #jobs[k] end
      taken[#taken + 1] = id
      queueOf[#taken] = queue
    end
  end
  return nil
end

local function idInLine(entry) return string.sub(entry, 17) end

local function takeFromLine(queue)
  local key = tag .. 'ready:' .. queue
  while not stopped and #taken < max do
    local entries = redis.call('LPOP', key, math.min(100, max - #taken))
    if not entries or #entries == 0 then return end
    local back = accept(queue, entries, idInLine, 1)
    if back then
      stopped = true
      local again = {}
      for i = #entries, back, -1 do again[#again + 1] = entries[i] end
      redis.call('LPUSH', key, unpack(again))
    end
  end
end

local function idInOrder(member) return string.match(member, '^%d+:%d+:%-?%d+:(.*)$') end

-- high: only those above the default priority.
local function takeByPriority(queue, high)
  local key = tag .. 'prio:' .. queue
  while not stopped and #taken < max do
    local limit = high and '(0' or '+inf'
    local members = redis.call('ZRANGEBYSCORE', key, '-inf', limit, 'WITHSCORES', 'LIMIT', 0, math.min(100, max - #taken))
    if #members == 0 then return end
    local entries, scores = {}, {}
    for i = 1, #members, 2 do
      entries[#entries + 1] = members[i]
      scores[#scores + 1] = members[i + 1]
    end
    redis.call('ZREM', key, unpack(entries))
    local back = accept(queue, entries, idInOrder, 15)
    if back then
      stopped = true
      for i = back, #entries do redis.call('ZADD', key, scores[i], entries[i]) end
    end
  end
end

local next, full = -1, false
for i = 9, #ARGV do
  local queue = ARGV[i]
  local promoted = promoteDue(queue, PORTION)
  local _, expired = recoverExpired(queue, PORTION, died)
  if redis.call('HGET', tag .. 'queue:' .. queue, 'paused') == '1' then
    redis.call('DEL', tag .. 'wake:' .. queue)
  elseif not full then
    local goneBefore = gone
    local ordered = redis.call('EXISTS', tag .. 'prio:' .. queue) == 1
    if ordered then takeByPriority(queue, true) end
    takeFromLine(queue)
    if ordered then takeByPriority(queue, false) end
    if gone > goneBefore then redis.call('HINCRBY', tag .. 'queue:' .. queue, 'gone', goneBefore - gone) end
    full = stopped or #taken >= max
    if full and hasReady(queue) then mark(queue) else redis.call('DEL', tag .. 'wake:' .. queue) end
    if #taken == 0 or promoted == PORTION or expired == PORTION then next = sooner(next, nextDueIn(queue)) end
  end
end

local first = 0
if #taken > 0 then
  local last = tonumber(redis.call('GET', tag .. 'token') or '0')
  -- Not below the clock: after a fail-over to a replica that missed the newest claims no token comes twice.
  first = math.ceil(math.max(last + 1, math.floor(now * 1000)) / step) * step + part
  redis.call('SET', tag .. 'token', first + (#taken - 1) * step)
  local held, leases, leaseEnd = {}, {}, math.ceil(now + leaseMs)
  for i, id in ipairs(taken) do
    held[#held + 1] = id
    held[#held + 1] = string.format('%.0f:%.0f', first + (i - 1) * step, nowMs)
    local line = leases[queueOf[i]] or {}
    leases[queueOf[i]] = line
    line[#line + 1] = leaseEnd
    line[#line + 1] = id
  end
  redis.call('HSET', HELD, unpack(held))
  for queue, args in pairs(leases) do redis.call('ZADD', tag .. 'leases:' .. queue, unpack(args)) end
end
local answer = { nowMs, first, next, #died }
for _, part in ipairs(died) do answer[#answer + 1] = part end
for _, part in ipairs(jobs) do answer[#answer + 1] = part end
return answer
`;
