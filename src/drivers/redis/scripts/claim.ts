/**
 * Promotes, recovers and takes, over all queues that were asked for, in one call. Atomic because Redis runs one script at a time.
 * ARGV: tag, now, leaseMs, max, free, most bytes, partitions, number of this one, queue names.
 * Answers { now, first token, next due, number of elements about died jobs, those elements ..., taken jobs ... }.
 */
export const CLAIM = `
local leaseMs, max, free, bytesLeft = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local step, part = tonumber(ARGV[7]), tonumber(ARGV[8])
local PORTION = 200
-- Numbers become text once: a call turns each number that it is given into text of 17 digits.
local byte, leaseEnd = string.byte, format(WHOLE, math.ceil(now + leaseMs))
local jobs, died, held, leases, taken, gone = {}, {}, {}, {}, 0, 0
local stopped = false

-- Looks at entries in their order. Returns the index from which on they must go back.
local function accept(queue, entries, idAt, placeAt)
  local ids = {}
  for i = 1, #entries do ids[i] = idAt(entries[i]) end
  local records = call('HMGET', JOBS, unpack(ids))
  local lease = leases[queue]
  if not lease then
    lease = {}
    leases[queue] = lease
  end
  local last = #lease
  for i = 1, #ids do
    local id, rec = ids[i], records[i]
    if not rec or sub(rec, 1, 13) ~= sub(entries[i], placeAt, placeAt + 12) then
      gone = gone + 1 -- it was removed while it waited
    else
      local a, b, c, d = byte(rec, 34, 37) -- losses
      if a + b + c + d > 0 then
        if free <= 0 then return i end
        free = free - 1
      end
      if bytesLeft <= 0 then return i end
      if byte(rec, 47) == 0 then
        jobs[#jobs + 1] = rec
        bytesLeft = bytesLeft - #rec
      else
        local before = #jobs
        appendJob(jobs, id, rec)
        for k = before + 1, #jobs do bytesLeft = bytesLeft - #jobs[k] end
      end
      taken = taken + 1
      held[2 * taken - 1] = id
      lease[last + 1], lease[last + 2] = leaseEnd, id
      last = last + 2
    end
  end
  return nil
end

local function idInLine(entry) return sub(entry, 17) end

local function takeFromLine(queue)
  local key = tag .. 'ready:' .. queue
  while not stopped and taken < max do
    local entries = call('LPOP', key, math.min(100, max - taken))
    if not entries or #entries == 0 then return end
    local back = accept(queue, entries, idInLine, 1)
    if back then
      stopped = true
      local again = {}
      for i = #entries, back, -1 do again[#again + 1] = entries[i] end
      call('LPUSH', key, unpack(again))
    end
  end
end

local function idInOrder(member) return string.match(member, '^%d+:%d+:%-?%d+:(.*)$') end

-- high: only those above the default priority.
local function takeByPriority(queue, high)
  local key = tag .. 'prio:' .. queue
  while not stopped and taken < max do
    local limit = high and '(0' or '+inf'
    local members = call('ZRANGEBYSCORE', key, '-inf', limit, 'WITHSCORES', 'LIMIT', 0, math.min(100, max - taken))
    if #members == 0 then return end
    local entries, scores = {}, {}
    for i = 1, #members, 2 do
      entries[#entries + 1] = members[i]
      scores[#scores + 1] = members[i + 1]
    end
    call('ZREM', key, unpack(entries))
    local back = accept(queue, entries, idInOrder, 15)
    if back then
      stopped = true
      for i = back, #entries do call('ZADD', key, scores[i], entries[i]) end
    end
  end
end

local next, full = -1, false
for i = 9, #ARGV do
  local queue = ARGV[i]
  local promoted = promoteDue(queue, PORTION)
  local _, expired = recoverExpired(queue, PORTION, died)
  if call('HGET', tag .. 'queue:' .. queue, 'paused') == '1' then
    call('DEL', tag .. 'wake:' .. queue)
  elseif not full then
    local goneBefore = gone
    local ordered = call('EXISTS', tag .. 'prio:' .. queue) == 1
    if ordered then takeByPriority(queue, true) end
    takeFromLine(queue)
    if ordered then takeByPriority(queue, false) end
    if gone > goneBefore then call('HINCRBY', tag .. 'queue:' .. queue, 'gone', goneBefore - gone) end
    full = stopped or taken >= max
    if full and hasReady(queue) then mark(queue) else call('DEL', tag .. 'wake:' .. queue) end
    if taken == 0 or promoted == PORTION or expired == PORTION then next = sooner(next, nextDueIn(queue)) end
  end
end

local first = 0
if taken > 0 then
  local last = tonumber(call('GET', tag .. 'token') or '0')
  -- Not below the clock: after a fail-over to a replica that missed the newest claims no token comes twice.
  first = math.ceil(math.max(last + 1, floor(now * 1000)) / step) * step + part
  call('SET', tag .. 'token', first + (taken - 1) * step)
  local value = WHOLE .. ':' .. format(WHOLE, nowMs)
  for i = 1, taken do held[2 * i] = format(value, first + (i - 1) * step) end
  call('HSET', HELD, unpack(held))
  for queue, args in pairs(leases) do
    if #args > 0 then call('ZADD', tag .. 'leases:' .. queue, unpack(args)) end
  end
end
local answer = { nowMs, first, next, #died }
for _, part in ipairs(died) do answer[#answer + 1] = part end
for _, part in ipairs(jobs) do answer[#answer + 1] = part end
return answer
`;
