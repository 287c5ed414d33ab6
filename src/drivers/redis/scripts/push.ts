/** `finishedAt`, attempts, losses and exceptions of a record: nothing has happened to the job yet. */
const NOTHING = "\\0".repeat(20);

/**
 * Stores a batch, all or none. ARGV: tag, now, packed items, queue names. Answers the numbers of those that
 * were there already, from 1. An item brings its record from `maxLosses` on; what stands before that is put there here. Lua costs more than
 * the commands do, and each string the time of a hash over all of it, so there is little of both for a job without priority and delay.
 */
export const PUSH: string = `
local packed, pos, n = ARGV[3], 1, 0
local unpackStruct, size = struct.unpack, #ARGV[3]
local queues, ids, tails, specials = {}, {}, {}, {}
while pos <= size do
  n = n + 1
  local special
  queues[n], special, ids[n], tails[n], pos = unpackStruct('>I2BI2c0I4c0', packed, pos)
  if special == 1 then
    local priority, delay, runAt, large
    priority, delay, runAt, large, pos = unpackStruct('>dddI4c0', packed, pos)
    specials[n] = { priority, runAt >= 0 and runAt or now + delay, large }
  end
end
local known = call('HMGET', JOBS, unpack(ids))
-- Also the write that WAITAOF waits for, when all ids are known.
local last = call('INCRBY', tag .. 'place', n) - n
local NOTHING = '${NOTHING}'
local availableNow = struct.pack('>d', nowMs) .. NOTHING
local answers, seen, records, stored = nil, {}, {}, 0
local buckets, bucketNumber, bucket = {}, nil, nil
local ready, delayed, ordered = {}, {}, {}

local function lineOf(lines, queue)
  local line = lines[queue]
  if not line then
    line = {}
    lines[queue] = line
  end
  return line
end

local function pushSpecial(queue, id, place, special)
  local priority, due, large = special[1], special[2], special[3]
  if large ~= '' then call('HSET', tag .. 'bodies', id, large) end
  local entry = entryOf(place, priority, id)
  local line
  if due > now then
    due = math.ceil(due)
    line = lineOf(delayed, queue)
    line[#line + 1] = due
    line[#line + 1] = entry
    return struct.pack('>d', due) .. NOTHING
  elseif priority == 0 then
    line = lineOf(ready, queue)
    line[#line + 1] = entry
  else
    makeReady(ARGV[4 + queue], priority, entry)
    ordered[queue] = true
  end
  return availableNow
end

local lineQueue, line
for i = 1, n do
  local id = ids[i]
  if known[i] or seen[id] then
    answers = answers or {}
    answers[#answers + 1] = i
  else
    seen[id] = true
    local queue, special, available, number = queues[i], specials[i], availableNow, last + i
    local place = format(PLACE, number)
    if special then
      available = pushSpecial(queue, id, place, special)
    else
      if queue ~= lineQueue then lineQueue, line = queue, lineOf(ready, queue) end
      line[#line + 1] = place .. ':0:' .. id
    end
    records[stored + 1], records[stored + 2] = id, place .. available .. tails[i]
    stored = stored + 2
    number = floor(number / 256)
    if number ~= bucketNumber then bucketNumber, bucket = number, lineOf(buckets, number) end
    bucket[#bucket + 1] = id
  end
end
if stored > 0 then
  call('HSET', JOBS, unpack(records))
  for number, members in pairs(buckets) do
    local name = format(WHOLE, number)
    call('SADD', INDEX .. name, unpack(members))
    call('ZADD', tag .. 'buckets', name, name)
  end
end
for index, entries in pairs(ready) do
  local queue = ARGV[4 + index]
  -- Where jobs were in the line already, its name is known and the marker is set, or somebody has just taken it.
  if call('RPUSH', tag .. 'ready:' .. queue, unpack(entries)) == #entries then
    call('SADD', tag .. 'queues', queue)
    mark(queue)
  end
end
for index in pairs(ordered) do
  call('SADD', tag .. 'queues', ARGV[4 + index])
  mark(ARGV[4 + index])
end
for index, args in pairs(delayed) do
  local queue = ARGV[4 + index]
  local key = tag .. 'delayed:' .. queue
  local first = call('ZRANGE', key, 0, 0)[1]
  call('ZADD', key, unpack(args))
  call('SADD', tag .. 'queues', queue)
  -- Whoever sleeps until the first one must sleep less.
  if call('ZRANGE', key, 0, 0)[1] ~= first then mark(queue) end
end
return answers or {}
`;

/**
 * One job without priority and delay, for producers that push one by one: half the time of the script above. It needs nothing of the prelude.
 * ARGV: tag, now, id, record from `maxLosses` on, queue. Answers as above.
 */
export const PUSH_ONE: string = `
local call, format = redis.call, string.format
local tag, id, queue = ARGV[1], ARGV[3], ARGV[5]
local now = ARGV[2]
if now == '' then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local number = call('INCR', tag .. 'place')
local place = format('%013.0f', number)
local record = place .. struct.pack('>d', math.floor(now)) .. '${NOTHING}' .. ARGV[4]
-- What is known already costs a place, which is also the write that WAITAOF waits for.
if call('HSETNX', KEYS[1], id, record) == 0 then return { 1 } end
local bucket = format('%.0f', math.floor(number / 256))
call('SADD', tag .. 'index:' .. bucket, id)
call('ZADD', tag .. 'buckets', bucket, bucket)
if call('RPUSH', tag .. 'ready:' .. queue, place .. ':0:' .. id) == 1 then
  call('SADD', tag .. 'queues', queue)
  local wake = tag .. 'wake:' .. queue
  if call('EXISTS', wake) == 0 then call('RPUSH', wake, 1) end
end
return {}
`;
