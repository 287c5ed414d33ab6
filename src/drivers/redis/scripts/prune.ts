/** Finished jobs beyond the retention, oldest first. ARGV: tag, now, 'failed' or 'completed', count to keep, age in ms (-1: any), most. Answers how many went. */
export const PRUNE = `
local line, count, age, most = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local key = tag .. line
local surplus = count < 0 and 0 or redis.call('ZCARD', key) - count
local ids = redis.call('ZRANGE', key, 0, most - 1)
local removed = 0
for i, id in ipairs(ids) do
  local rec = redis.call('HGET', JOBS, id)
  local h = rec and readHead(rec)
  if i > surplus and not (age >= 0 and h and h.finished < now - age) then break end
  redis.call('ZREM', key, id)
  if rec then
    if line == 'failed' then redis.call('HINCRBY', tag .. 'queue:' .. kindOf(rec), 'failed', -1) end
    forget(h.place, id)
  end
  removed = removed + 1
end
return removed
`;
