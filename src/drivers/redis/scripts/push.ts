/**
 * Stores a batch, all or none. ARGV: tag, now, 1 when the write must be waited for, packed items, queue names. Answers one character a job:
 * s stored, e exists. An item brings its record from `finishedAt` on; place and availableAt are put before it here. Lua costs more than the
 * commands do, so there is little of it for a job without priority and delay.
 */
export const PUSH = `
local packed, pos, n = ARGV[4], 1, 0
local unpackStruct = struct.unpack
local queues, ids, tails, specials = {}, {}, {}, {}
while pos <= #packed do
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
local last = call('INCRBY', tag .. 'place', n) - n
local availableNow = struct.pack('>d', nowMs)
local answers, seen, records, buckets = {}, {}, {}, {}
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
    return struct.pack('>d', due)
  elseif priority == 0 then
    line = lineOf(ready, queue)
    line[#line + 1] = entry
  else
    makeReady(ARGV[5 + queue], priority, entry)
    ordered[queue] = true
  end
  return availableNow
end

for i = 1, n do
  local id = ids[i]
  if known[i] or seen[id] then
    answers[i] = 'e'
  else
    answers[i] = 's'
    seen[id] = true
    local queue, special, available = queues[i], specials[i], availableNow
    local place = format('%013.0f', last + i)
    if special then
      available = pushSpecial(queue, id, place, special)
    else
      local line = lineOf(ready, queue)
      line[#line + 1] = place .. ':0:' .. id
    end
    records[#records + 1] = id
    records[#records + 1] = place .. available .. tails[i]
    local bucket = lineOf(buckets, floor((last + i) / 256))
    bucket[#bucket + 1] = id
  end
end
if #records > 0 then
  call('HSET', JOBS, unpack(records))
  for number, members in pairs(buckets) do
    local bucket = format('%.0f', number)
    call('SADD', INDEX .. bucket, unpack(members))
    call('ZADD', tag .. 'buckets', bucket, bucket)
  end
end
for index, entries in pairs(ready) do
  local queue = ARGV[5 + index]
  -- Where jobs were in the line already, its name is known and the marker is set, or somebody has just taken it.
  if call('RPUSH', tag .. 'ready:' .. queue, unpack(entries)) == #entries then
    call('SADD', tag .. 'queues', queue)
    mark(queue)
  end
end
for index in pairs(ordered) do
  call('SADD', tag .. 'queues', ARGV[5 + index])
  mark(ARGV[5 + index])
end
for index, args in pairs(delayed) do
  local queue = ARGV[5 + index]
  local key = tag .. 'delayed:' .. queue
  local first = call('ZRANGE', key, 0, 0)[1]
  call('ZADD', key, unpack(args))
  call('SADD', tag .. 'queues', queue)
  -- Whoever sleeps until the first one must sleep less.
  if call('ZRANGE', key, 0, 0)[1] ~= first then mark(queue) end
end
-- WAITAOF waits for the newest write of this connection: there must be one, also when all ids were known.
if ARGV[3] == '1' and #records == 0 then call('HINCRBY', tag .. 'meta', 'touched', 1) end
return table.concat(answers)
`;

/**
 * One job without priority and delay, for producers that push one by one: half the time of the script above. It needs nothing of the prelude.
 * ARGV: tag, now, 1 when the write must be waited for, id, record from `finishedAt` on, queue.
 */
export const PUSH_ONE = `
local call = redis.call
local tag, id, queue = ARGV[1], ARGV[4], ARGV[6]
if call('HEXISTS', KEYS[1], id) == 1 then
  if ARGV[3] == '1' then call('HINCRBY', tag .. 'meta', 'touched', 1) end
  return 'e'
end
local now = ARGV[2]
if now == '' then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local number = call('INCR', tag .. 'place')
local place = string.format('%013.0f', number)
call('HSET', KEYS[1], id, place .. struct.pack('>d', math.floor(now)) .. ARGV[5])
local bucket = string.format('%.0f', math.floor(number / 256))
call('SADD', tag .. 'index:' .. bucket, id)
call('ZADD', tag .. 'buckets', bucket, bucket)
if call('RPUSH', tag .. 'ready:' .. queue, place .. ':0:' .. id) == 1 then
  call('SADD', tag .. 'queues', queue)
  local wake = tag .. 'wake:' .. queue
  if call('EXISTS', wake) == 0 then call('RPUSH', wake, 1) end
end
return 's'
`;
