/** ARGV: tag, now, 1 to pause or 0 to resume, queue. */
export const PAUSE = `
local queue = ARGV[4]
redis.call('SADD', tag .. 'queues', queue)
redis.call('HSET', tag .. 'queue:' .. queue, 'paused', ARGV[3])
if ARGV[3] == '0' and hasReady(queue) then mark(queue) end
return 1
`;

/**
 * Takes the next portion out of one line of a queue, from its front. ARGV: tag, now, 'ready', 'prio' or 'delayed', most, queue.
 * Answers { entries taken, jobs removed }.
 */
export const CLEAR = `
local line, most, queue = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local key = tag .. line .. ':' .. queue
local entries
if line == 'ready' then
  entries = redis.call('LPOP', key, most) or {}
else
  entries = redis.call('ZRANGE', key, 0, most - 1)
  if #entries > 0 then redis.call('ZREM', key, unpack(entries)) end
end
local from, removed = line == 'prio' and 15 or 1, 0
for _, entry in ipairs(entries) do
  local place, id = string.match(entry, '^(%d+):%-?%d+:(.*)$', from)
  local rec = redis.call('HGET', JOBS, id)
  if rec and string.sub(rec, 1, 13) == place then
    forget(place, id)
    removed = removed + 1
  else
    redis.call('HINCRBY', tag .. 'queue:' .. queue, 'gone', -1)
  end
end
return { #entries, removed }
`;

/**
 * The lengths of lines of some queues. ARGV: tag, now, queue names.
 * Answers for each { pending, delayed, reserved, failed, completed, paused, oldest or -1, line, prio }: the last two as they lie, removed jobs included.
 */
export const STATS = `
-- Whoever is in front of a line of one priority became pending first. Removed jobs are passed over, as far as 20.
local function availableOf(place, id)
  local rec = redis.call('HGET', JOBS, id)
  if rec and string.sub(rec, 1, 13) == place then return readHead(rec).available end
end

local function oldestOf(queue)
  local oldest = math.huge
  for _, entry in ipairs(redis.call('LRANGE', tag .. 'ready:' .. queue, 0, 19)) do
    local available = availableOf(string.sub(entry, 1, 13), string.sub(entry, 17))
    if available then
      oldest = available
      break
    end
  end
  local score = '-inf'
  for _ = 1, 100 do
    local front = redis.call('ZRANGEBYSCORE', tag .. 'prio:' .. queue, score, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if #front == 0 then break end
    local place, id = string.match(front[1], '^(%d+):%-?%d+:(.*)$', 15)
    oldest = math.min(oldest, availableOf(place, id) or math.huge)
    score = '(' .. front[2]
  end
  return oldest == math.huge and -1 or oldest
end

local answer = {}
for i = 3, #ARGV do
  local queue = ARGV[i]
  local counts = redis.call('HMGET', tag .. 'queue:' .. queue, 'failed', 'completed', 'paused', 'gone')
  local line, prio = redis.call('LLEN', tag .. 'ready:' .. queue), redis.call('ZCARD', tag .. 'prio:' .. queue)
  answer[#answer + 1] = {
    line + prio - (tonumber(counts[4] or '0') or 0),
    redis.call('ZCARD', tag .. 'delayed:' .. queue),
    redis.call('ZCARD', tag .. 'leases:' .. queue),
    tonumber(counts[1] or '0') or 0,
    tonumber(counts[2] or '0') or 0,
    counts[3] == '1' and 1 or 0,
    oldestOf(queue),
    line,
    prio,
  }
end
return answer
`;

/** Makes the store or looks at what is there. ARGV: tag, now, layout, partitions. Answers { layout, partitions } as they are stored. */
export const OPEN = `
local key = tag .. 'meta'
if redis.call('EXISTS', key) == 0 then redis.call('HSET', key, 'layout', ARGV[3], 'partitions', ARGV[4]) end
return { tonumber(redis.call('HGET', key, 'layout')) or -1, tonumber(redis.call('HGET', key, 'partitions')) or -1 }
`;
