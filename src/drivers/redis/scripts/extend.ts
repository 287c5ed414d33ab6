/** ARGV: tag, now, packed items, queue names. One character an item: 1 ok, 0 lost. */
export const EXTEND = `
local packed, pos = ARGV[3], 1
local answers = {}
while pos <= #packed do
  local queue, id, token, lease
  queue, id, token, lease, pos = struct.unpack('>I2I2c0dd', packed, pos)
  if isHeld(id, token) then
    redis.call('ZADD', tag .. 'leases:' .. ARGV[4 + queue], math.ceil(now + lease), id)
    answers[#answers + 1] = '1'
  else
    answers[#answers + 1] = '0'
  end
end
return table.concat(answers)
`;
