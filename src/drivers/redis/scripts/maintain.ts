/** One portion of some queues. ARGV: tag, now, most promotions, most recoveries, queue names. Answers { promoted, recovered, lost, next due, died ... }. */
export const MAINTAIN = `
local promotable, recoverable = tonumber(ARGV[3]), tonumber(ARGV[4])
local promoted, recovered, lost, died, next = 0, 0, 0, {}, -1
for i = 5, #ARGV do
  local queue = ARGV[i]
  local before = promoted + lost
  if promotable > promoted then promoted = promoted + promoteDue(queue, promotable - promoted) end
  if recoverable > lost then
    local back, expired = recoverExpired(queue, recoverable - lost, died)
    recovered = recovered + back
    lost = lost + expired
  end
  if promoted + lost > before and hasReady(queue) then mark(queue) end
  next = sooner(next, nextDueIn(queue))
end
local answer = { promoted, recovered, lost, next }
for _, part in ipairs(died) do answer[#answer + 1] = part end
return answer
`;
