/**
 * Completes a batch. ARGV: tag, now, 1 when completed jobs are kept, packed items, queue names. One character an item: 1 ok, 0 lost.
 * Most calls of a busy queue are this one: a fixed number of commands for the whole batch, and little Lua for each item, which costs more than
 * the commands do. An item says its queue, its bucket of the index, whether nothing of it lies outside of its record, and its result, only where
 * that is not as with the one before.
 */
export const DONE = `
local keep = ARGV[3] == '1'
local packed, pos, n = ARGV[4], 1, 0
local unpackStruct, size = struct.unpack, #ARGV[4]
local ids, tokens, others = {}, {}, {}
while pos <= size do
  n = n + 1
  local isOther
  isOther, ids[n], tokens[n], pos = unpackStruct('>BI2c0I2c0', packed, pos)
  if isOther == 1 then
    local other = {}
    other.queue, other.bucket, other.plain, other.result, pos = unpackStruct('>I2dBI4c0', packed, pos)
    others[n] = other
  end
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

local function listOf(lists, key)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  return list
end

local held = call('HMGET', HELD, unpack(ids))
local answers, ended, seen, lines, members, elsewhere = {}, {}, {}, {}, {}, {}
local line, some
for i = 1, n do
  local id, token, other = ids[i], tokens[i], others[i]
  if other then line, some = listOf(lines, other.queue), listOf(members, other.bucket) end
  if not held[i] or seen[id] or sub(held[i], 1, #token) ~= token then
    answers[i] = '0'
  else
    answers[i] = '1'
    seen[id] = true
    ended[#ended + 1] = id
    line[#line + 1] = id
    if keep then
      keepIt(id, other and other.result or '')
    else
      some[#some + 1] = id
      if other and other.plain == 0 then elsewhere[#elsewhere + 1] = id end
    end
  end
end
if #ended == 0 then return table.concat(answers) end
call('HDEL', HELD, unpack(ended))
for index, line in pairs(lines) do
  if #line > 0 then
    local queue = ARGV[5 + index]
    call('ZREM', tag .. 'leases:' .. queue, unpack(line))
    call('HINCRBY', tag .. 'queue:' .. queue, 'completed', #line)
  end
end
if keep then return table.concat(answers) end
-- Where an item did not say it, the record does.
for _, id in ipairs(members[-1] or {}) do
  local some = listOf(members, tonumber(bucketOf(sub(call('HGET', JOBS, id), 1, 13))))
  some[#some + 1] = id
end
members[-1] = nil
call('HDEL', JOBS, unpack(ended))
if #elsewhere > 0 then
  call('HDEL', tag .. 'bodies', unpack(elsewhere))
  call('HDEL', tag .. 'failures', unpack(elsewhere))
end
for number, some in pairs(members) do
  if #some > 0 then
    local bucket = format(WHOLE, number)
    call('SREM', INDEX .. bucket, unpack(some))
    if call('EXISTS', INDEX .. bucket) == 0 then call('ZREM', tag .. 'buckets', bucket) end
  end
end
return table.concat(answers)
`;
