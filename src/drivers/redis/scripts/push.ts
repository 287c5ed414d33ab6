/**
 * Stores a batch, all or none. ARGV: tag, now, 1 when the write must be waited for, packed items, queue names.
 * Answers one character a job: s stored, e exists.
 */
export const PUSH = `
local packed, pos, n = ARGV[4], 1, 0
local unpackStruct, packStruct = struct.unpack, struct.pack
local queues, ids, priorities, delays, runAts, maxLosses, bodies, larges = {}, {}, {}, {}, {}, {}, {}, {}
while pos <= #packed do
  n = n + 1
  queues[n], ids[n], priorities[n], delays[n], runAts[n], maxLosses[n], bodies[n], larges[n], pos =
    unpackStruct('>I2I2c0dddI4I4c0I4c0', packed, pos)
end
local known = call('HMGET', JOBS, unpack(ids))
local last = call('INCRBY', tag .. 'place', n) - n
local answers, seen, records, buckets = {}, {}, {}, {}
local ready, delayed, touched = {}, {}, {}

local function lineOf(lines, queue)
  local line = lines[queue]
  if not line then
    line = {}
    lines[queue] = line
  end
  return line
end

for i = 1, n do
  local id = ids[i]
  if known[i] or seen[id] then
    answers[i] = 'e'
  else
    answers[i] = 's'
    seen[id] = true
    local queue, priority, large = queues[i], priorities[i], larges[i]
    local place = format('%013.0f', last + i)
    local due = runAts[i] >= 0 and runAts[i] or now + delays[i]
    local available = nowMs
    if due > now then
      available = math.ceil(due)
      local line = lineOf(delayed, queue)
      line[#line + 1] = available
      line[#line + 1] = entryOf(place, priority, id)
    else
      touched[queue] = true
      if priority == 0 then
        local line = lineOf(ready, queue)
        line[#line + 1] = place .. ':0:' .. id
      else
        makeReady(ARGV[5 + queue], priority, entryOf(place, priority, id))
      end
    end
    local flags = 0
    if large ~= '' then
      flags = 1
      call('HSET', tag .. 'bodies', id, large)
    end
    records[#records + 1] = id
    records[#records + 1] = packStruct('>c13ddI4I4I4I4BB', place, available, 0, 0, 0, 0, maxLosses[i], 0, flags) .. bodies[i]
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
for index, entries in pairs(ready) do call('RPUSH', tag .. 'ready:' .. ARGV[5 + index], unpack(entries)) end
for index in pairs(touched) do
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
