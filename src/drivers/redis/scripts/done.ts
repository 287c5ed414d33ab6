/**
 * Completes a batch. ARGV: tag, now, 1 when completed jobs are kept, packed items, queue names. One character an item: 1 ok, 0 lost.
 * Most calls of a busy queue are this one: a fixed number of commands for the whole batch, and little Lua for each item, which costs more than
 * the commands do.
 */
export const DONE = `
local keep = ARGV[3] == '1'
local packed, pos, n = ARGV[4], 1, 0
local unpackStruct = struct.unpack
local queues, ids, tokens, buckets, plain, results = {}, {}, {}, {}, {}, {}
while pos <= #packed do
  n = n + 1
  queues[n], ids[n], tokens[n], buckets[n], plain[n], results[n], pos = unpackStruct('>I2I2c0I2c0dBI4c0', packed, pos)
end

local function keepIt(id, result)
  local rec = call('HGET', JOBS, id)
  local h = readHead(rec)
  indexRemove(h.place, id)
  h.place, h.rest, h.finished, h.attempts = newPlace(), 2, nowMs, h.attempts + 1
  indexAdd(h.place, id)
  call('HSET', JOBS, id, withHead(h, rec))
  call('ZADD', tag .. 'completed', tonumber(h.place), id)
  if result ~= '' then call('HSET', tag .. 'results', id, result) end
end

local held = call('HMGET', HELD, unpack(ids))
local answers, ended, seen, lines, members, elsewhere = {}, {}, {}, {}, {}, {}
for i = 1, n do
  local id, token = ids[i], tokens[i]
  if not held[i] or seen[id] or sub(held[i], 1, #token) ~= token then
    answers[i] = '0'
  else
    answers[i] = '1'
    seen[id] = true
    ended[#ended + 1] = id
    local line = lines[queues[i]]
    if not line then
      line = {}
      lines[queues[i]] = line
    end
    line[#line + 1] = id
    if keep then
      keepIt(id, results[i])
    else
      if plain[i] == 0 then elsewhere[#elsewhere + 1] = id end
      local bucket = buckets[i]
      if bucket < 0 then bucket = tonumber(bucketOf(sub(call('HGET', JOBS, id), 1, 13))) end
      local some = members[bucket]
      if not some then
        some = {}
        members[bucket] = some
      end
      some[#some + 1] = id
    end
  end
end
if #ended == 0 then return table.concat(answers) end
call('HDEL', HELD, unpack(ended))
for index, line in pairs(lines) do
  local queue = ARGV[5 + index]
  call('ZREM', tag .. 'leases:' .. queue, unpack(line))
  call('HINCRBY', tag .. 'queue:' .. queue, 'completed', #line)
end
if keep then return table.concat(answers) end
call('HDEL', JOBS, unpack(ended))
if #elsewhere > 0 then
  call('HDEL', tag .. 'bodies', unpack(elsewhere))
  call('HDEL', tag .. 'failures', unpack(elsewhere))
end
for number, some in pairs(members) do
  local bucket = format('%.0f', number)
  call('SREM', INDEX .. bucket, unpack(some))
  if call('EXISTS', INDEX .. bucket) == 0 then call('ZREM', tag .. 'buckets', bucket) end
end
return table.concat(answers)
`;
