const STATE = `
local function stateOf(id, rec, h)
  if h.rest == 1 then return 'failed' end
  if h.rest == 2 then return 'completed' end
  if call('HEXISTS', HELD, id) == 1 then return 'reserved' end
  local queue, priority = kindOf(rec)
  if call('ZSCORE', tag .. 'delayed:' .. queue, entryOf(h.place, priority, id)) then return 'delayed' end
  return 'pending'
end
`;

/** ARGV: tag, now, id. Answers { state, when it was reserved, result, rec, what lies elsewhere ... }, or nothing. */
export const GET: string = `${STATE}
local id = ARGV[3]
local rec = call('HGET', JOBS, id)
if not rec then return {} end
local held = call('HGET', HELD, id)
local result = call('HGET', tag .. 'results', id)
local answer = { stateOf(id, rec, readHead(rec)), held and string.match(held, ':(%d+)$') or '', result and '1' .. result or '' }
appendJob(answer, id, rec)
return answer
`;

/**
 * One step of a listing, without payloads. ARGV: tag, now, 'index', 'failed', 'completed' or 'reserved', after, most, then for 'reserved' a queue.
 * 'index' gives a bucket of all jobs, whose number is 'after'. Answers { where to go on or '', id, state, head and body up to the envelope, failure, ... }.
 */
export const LIST: string = `${STATE}
local source, after, most = ARGV[3], ARGV[4], tonumber(ARGV[5])
local ids, goOn = {}, ''
if source == 'index' then
  local bucket = call('ZRANGEBYSCORE', tag .. 'buckets', after, '+inf', 'LIMIT', 0, 1)[1]
  if bucket then
    ids = call('SMEMBERS', INDEX .. bucket)
    goOn = format('%.0f', tonumber(bucket) + 1)
  end
elseif source == 'reserved' then
  ids = call('ZRANGE', tag .. 'leases:' .. ARGV[6], after, after + most - 1)
  if #ids == most then goOn = format('%.0f', after + most) end
else
  ids = call('ZRANGEBYSCORE', tag .. source, '(' .. after, '+inf', 'LIMIT', 0, most)
  if #ids == most then goOn = call('ZSCORE', tag .. source, ids[#ids]) end
end
local answer = { goOn }
if #ids == 0 then return answer end
for _, id in ipairs(ids) do
  local rec = call('HGET', JOBS, id)
  if rec then
    local h = readHead(rec)
    local queueLength = struct.unpack('>I2', rec, 48)
    local metaLength = struct.unpack('>I4', rec, 58 + queueLength)
    answer[#answer + 1] = id
    answer[#answer + 1] = stateOf(id, rec, h)
    answer[#answer + 1] = sub(rec, 1, 61 + queueLength + metaLength)
    answer[#answer + 1] = h.flags >= 2 and call('HGET', tag .. 'failures', id) or ''
  end
end
return answer
`;

/**
 * ARGV: tag, now, 'remove', 'retry' or 'promote', place, state that is removed ('' for any), ids. Answers how many changed. What has a higher place came to where it is, or came at all,
 * after the call was made: it is another job, or another failure, than whoever made it saw.
 */
export const CHANGE: string = `${STATE}
local act, upTo, state, changed = ARGV[3], tonumber(ARGV[4]), ARGV[5], 0

local function remove(id, rec, h)
  if state ~= '' and stateOf(id, rec, h) ~= state then return false end
  local queue, priority = kindOf(rec)
  if h.rest == 1 then
    call('ZREM', tag .. 'failed', id)
    call('HINCRBY', tag .. 'queue:' .. queue, 'failed', -1)
  elseif h.rest == 2 then
    call('ZREM', tag .. 'completed', id)
  elseif call('HEXISTS', HELD, id) == 1 then
    return false
  elseif call('ZREM', tag .. 'delayed:' .. queue, entryOf(h.place, priority, id)) == 0 then
    -- Its entry stays in the line, which would have to be walked; a claim passes over it.
    call('HINCRBY', tag .. 'queue:' .. queue, 'gone', 1)
  end
  forget(h.place, id)
  return true
end

local function retry(id, rec, h)
  if h.rest ~= 1 then return false end
  local queue, priority = kindOf(rec)
  call('ZREM', tag .. 'failed', id)
  call('HINCRBY', tag .. 'queue:' .. queue, 'failed', -1)
  call('HDEL', tag .. 'failures', id)
  indexRemove(h.place, id)
  h.place, h.rest, h.finished, h.available = newPlace(), 0, 0, nowMs
  h.attempts, h.losses, h.exceptions, h.flags = 0, 0, 0, h.flags % 2
  indexAdd(h.place, id)
  call('HSET', JOBS, id, withHead(h, rec))
  makeReady(queue, priority, entryOf(h.place, priority, id))
  mark(queue)
  return true
end

local function promote(id, rec, h)
  local queue, priority = kindOf(rec)
  local entry = entryOf(h.place, priority, id)
  if call('ZREM', tag .. 'delayed:' .. queue, entry) == 0 then return false end
  h.available = nowMs
  call('HSET', JOBS, id, withHead(h, rec))
  makeReady(queue, priority, entry)
  mark(queue)
  return true
end

local acts = { remove = remove, retry = retry, promote = promote }
for i = 6, #ARGV do
  local id = ARGV[i]
  local rec = call('HGET', JOBS, id)
  local h = rec and readHead(rec)
  if h and tonumber(h.place) <= upTo and acts[act](id, rec, h) then changed = changed + 1 end
end
return changed
`;
