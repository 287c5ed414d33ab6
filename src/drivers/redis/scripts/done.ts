/**
 * Completes a batch. ARGV: tag, now, 1 when completed jobs are kept, packed items, queue names. One character an item: 1 ok, 0 lost.
 * Most calls of a busy queue are this one: a fixed number of commands for the whole batch.
 */
export const DONE = `
local keep = ARGV[3] == '1'
local packed, pos = ARGV[4], 1
local items, ids = {}, {}
while pos <= #packed do
  local queue, id, token, place, result
  queue, id, token, place, result, pos = struct.unpack('>I2I2c0dI2c0I4c0', packed, pos)
  items[#items + 1] = { ARGV[5 + queue], string.format('%.0f:', token), place, result }
  ids[#ids + 1] = id
end
local held = redis.call('HMGET', HELD, unpack(ids))
local answers, ended, lines, buckets = {}, {}, {}, {}
for i, id in ipairs(ids) do
  local queue, token, place, result = unpack(items[i])
  if not held[i] or string.sub(held[i], 1, #token) ~= token then
    answers[i] = '0'
  else
    answers[i] = '1'
    for k = i + 1, #ids do if ids[k] == id then held[k] = false end end
    ended[#ended + 1] = id
    lines[queue] = lines[queue] or {}
    table.insert(lines[queue], id)
    if keep or place == '' then place = string.sub(redis.call('HGET', JOBS, id), 1, 13) end
    if keep then
      local rec = redis.call('HGET', JOBS, id)
      local h = readHead(rec)
      indexRemove(h.place, id)
      h.place, h.rest, h.finished, h.attempts = newPlace(), 2, nowMs, h.attempts + 1
      indexAdd(h.place, id)
      redis.call('HSET', JOBS, id, withHead(h, rec))
      redis.call('ZADD', tag .. 'completed', tonumber(h.place), id)
      if result ~= '' then redis.call('HSET', tag .. 'results', id, result) end
    else
      local bucket = bucketOf(place)
      buckets[bucket] = buckets[bucket] or {}
      table.insert(buckets[bucket], id)
    end
  end
end
if #ended == 0 then return table.concat(answers) end
redis.call('HDEL', HELD, unpack(ended))
for queue, line in pairs(lines) do
  redis.call('ZREM', tag .. 'leases:' .. queue, unpack(line))
  redis.call('HINCRBY', tag .. 'queue:' .. queue, 'completed', #line)
end
if keep then return table.concat(answers) end
redis.call('HDEL', JOBS, unpack(ended))
redis.call('HDEL', tag .. 'bodies', unpack(ended))
redis.call('HDEL', tag .. 'failures', unpack(ended))
for bucket, members in pairs(buckets) do
  redis.call('SREM', INDEX .. bucket, unpack(members))
  if redis.call('EXISTS', INDEX .. bucket) == 0 then redis.call('ZREM', tag .. 'buckets', bucket) end
end
return table.concat(answers)
`;
