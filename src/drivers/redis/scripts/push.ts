/**
 * Stores a batch, all or none. ARGV: tag, now, 1 when the write must be waited for, packed items, queue names.
 * Answers one character a job: s stored, e exists.
 */
export const PUSH = `
local packed, pos = ARGV[4], 1
local items, ids = {}, {}
while pos <= #packed do
  local queue, id, priority, delay, runAt, maxLosses, body, large
  queue, id, priority, delay, runAt, maxLosses, body, large, pos = struct.unpack('>I2I2c0dddI4I4c0I4c0', packed, pos)
  items[#items + 1] = { ARGV[5 + queue], priority, delay, runAt, maxLosses, body, large }
  ids[#ids + 1] = id
end
local known = redis.call('HMGET', JOBS, unpack(ids))
local last = redis.call('INCRBY', tag .. 'place', #ids) - #ids
local answers, seen, records, ready, delayed, buckets = {}, {}, {}, {}, {}, {}
for i, id in ipairs(ids) do
  if known[i] or seen[id] then
    answers[i] = 'e'
  else
    local queue, priority, delay, runAt, maxLosses, body, large = unpack(items[i])
    local place = string.format('%013.0f', last + i)
    local bucket = bucketOf(place)
    local due = runAt >= 0 and runAt or now + delay
    local isDelayed = due > now
    local entry = entryOf(place, priority, id)
    answers[i] = 's'
    seen[id] = true
    records[#records + 1] = id
    records[#records + 1] = struct.pack('>c13ddI4I4I4I4BB', place, isDelayed and math.ceil(due) or nowMs, 0, 0, 0, 0, maxLosses, 0,
      large == '' and 0 or 1) .. body
    if large ~= '' then redis.call('HSET', tag .. 'bodies', id, large) end
    buckets[bucket] = buckets[bucket] or {}
    table.insert(buckets[bucket], id)
    local line = isDelayed and delayed or ready
    line[queue] = line[queue] or {}
    if isDelayed then
      table.insert(line[queue], math.ceil(due))
      table.insert(line[queue], entry)
    elseif priority == 0 then
      table.insert(line[queue], entry)
    else
      makeReady(queue, priority, entry)
    end
  end
end
if #records > 0 then
  redis.call('HSET', JOBS, unpack(records))
  for bucket, members in pairs(buckets) do
    redis.call('SADD', INDEX .. bucket, unpack(members))
    redis.call('ZADD', tag .. 'buckets', bucket, bucket)
  end
end
for queue, entries in pairs(ready) do
  if #entries > 0 then redis.call('RPUSH', tag .. 'ready:' .. queue, unpack(entries)) end
  redis.call('SADD', tag .. 'queues', queue)
  mark(queue)
end
for queue, args in pairs(delayed) do
  local key = tag .. 'delayed:' .. queue
  local first = redis.call('ZRANGE', key, 0, 0)[1]
  redis.call('ZADD', key, unpack(args))
  redis.call('SADD', tag .. 'queues', queue)
  -- Whoever sleeps until the first one must sleep less.
  if redis.call('ZRANGE', key, 0, 0)[1] ~= first then mark(queue) end
end
-- WAITAOF waits for the newest write of this connection: there must be one, also when all ids were known.
if ARGV[3] == '1' and #records == 0 then redis.call('HINCRBY', tag .. 'meta', 'touched', 1) end
return table.concat(answers)
`;
