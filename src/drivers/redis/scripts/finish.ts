/**
 * Releases and fails. ARGV: tag, now, 1 when failed jobs are kept, packed items. Answers { one character an item, what died ... }.
 * An item's flags: 1 gives the attempt back, 2 it threw, 4 counts as a lost lease.
 */
export const FINISH = `
local keep = ARGV[3] == '1'
local packed, pos = ARGV[4], 1
local answers, died = {}, {}

local function release(queue, priority, id, rec, h, delay, flags)
  if flags >= 4 then
    h.attempts = h.attempts + 1
    return lose(queue, priority, id, rec, h, died) or mark(queue)
  end
  if flags % 2 == 0 then h.attempts = h.attempts + 1 end
  local entry = entryOf(h.place, priority, id)
  h.available = delay > 0 and math.ceil(now + delay) or nowMs
  redis.call('HSET', JOBS, id, withHead(h, rec))
  if delay > 0 then
    redis.call('ZADD', tag .. 'delayed:' .. queue, h.available, entry)
    if redis.call('ZRANGE', tag .. 'delayed:' .. queue, 0, 0)[1] == entry then mark(queue) end
  else
    makeReady(queue, priority, entry)
    mark(queue)
  end
end

local function fail(queue, id, rec, h)
  if not keep then return forget(h.place, id) end
  h.attempts = h.attempts + 1
  rest(queue, id, rec, h)
end

while pos <= #packed do
  local kind, id, token, delay, flags, failure
  kind, id, token, delay, flags, failure, pos = struct.unpack('>BI2c0ddBI4c0', packed, pos)
  local rec = redis.call('HGET', JOBS, id)
  if not rec or not isHeld(id, token) then
    answers[#answers + 1] = '0'
  else
    answers[#answers + 1] = '1'
    local queue, priority = kindOf(rec)
    local h = readHead(rec)
    letGo(queue, id)
    setFailure(h, id, failure)
    if flags % 4 >= 2 then h.exceptions = h.exceptions + 1 end
    if kind == 1 then release(queue, priority, id, rec, h, delay, flags) else fail(queue, id, rec, h) end
  end
end
local answer = { table.concat(answers) }
for _, part in ipairs(died) do answer[#answer + 1] = part end
return answer
`;
