import { script } from "./script.ts";
import type { Script } from "./script.ts";

/** Bump with every change of a key or record. */
export const COORDINATION_LAYOUT = 1;
/** What one message names at most; beyond it names nothing, which means anything. */
const MAX_NAMED_BYTES = 16_384;
const EXPIRED_PORTION = 100;
/** Arguments of one command in a script. */
const CHUNK = 1_000;

/**
 * What every script starts with. All keys begin with one hash tag and "c:", so a script touches one slot; KEYS[1] only routes it. ARGV: tag, now
 * (empty: the server's TIME). `keys:AREA` is a hash of records "version:session:value", `index:AREA` the same keys in the order of their bytes,
 * `removed` the version of each area's last removal, `sessions` the ends of all sessions, `ttls` their times to live, `owned:SESSION` its keys,
 * `version` the last version given. Names of changed keys are published on the channel `changes`.
 *
 * A version is above every one before and at least the time in microseconds: so it rises also when a fail-over lost the newest ones, as long as
 * the clocks of the servers agree.
 */
const PRELUDE = `
local call, format, match, sub = redis.call, string.format, string.match, string.sub
local tag = ARGV[1] .. 'c:'
local now
if ARGV[2] == '' then
  local time = call('TIME')
  now = time[1] * 1000 + time[2] / 1000
else
  now = tonumber(ARGV[2])
end
local SESSIONS, TTLS, VERSION, REMOVED = tag .. 'sessions', tag .. 'ttls', tag .. 'version', tag .. 'removed'

local function areaOf(key)
  return match(key, '^[^/]+/[^/]+')
end

local drawn
local function version()
  if not drawn then
    local last = tonumber(call('GET', VERSION) or '0')
    drawn = format('%.0f', math.max(last + 1, math.floor(now * 1000)))
    call('SET', VERSION, drawn)
  end
  return drawn
end

-- version, session ('' without), both nil when there is no such key
local function headOf(key)
  local rec = call('HGET', tag .. 'keys:' .. areaOf(key), key)
  if rec then return match(rec, '^(%d+):([^:]*):') end
end

local changed = {}

local function put(key, session, value)
  local area = areaOf(key)
  local known, owner = headOf(key)
  if known and owner ~= '' and owner ~= session then call('SREM', tag .. 'owned:' .. owner, key) end
  call('HSET', tag .. 'keys:' .. area, key, version() .. ':' .. session .. ':' .. value)
  if not known then call('ZADD', tag .. 'index:' .. area, 0, key) end
  if session ~= '' and owner ~= session then call('SADD', tag .. 'owned:' .. session, key) end
  changed[#changed + 1] = key
end

local function remove(key)
  local area = areaOf(key)
  local known, owner = headOf(key)
  if not known then return end
  call('HDEL', tag .. 'keys:' .. area, key)
  call('ZREM', tag .. 'index:' .. area, key)
  if owner ~= '' then call('SREM', tag .. 'owned:' .. owner, key) end
  call('HSET', REMOVED, area, version())
  changed[#changed + 1] = key
end

local function endSession(id)
  if call('ZREM', SESSIONS, id) == 0 then return end
  call('HDEL', TTLS, id)
  for _, key in ipairs(call('SMEMBERS', tag .. 'owned:' .. id)) do remove(key) end
end

local function lives(id)
  local ends = call('ZSCORE', SESSIONS, id)
  return ends and tonumber(ends) > now
end

-- Whoever comes ends what is past its time, all of it: nobody may see keys of such a session.
repeat
  local expired = call('ZRANGEBYSCORE', SESSIONS, '-inf', format('%.3f', now), 'LIMIT', 0, ${EXPIRED_PORTION})
  for _, id in ipairs(expired) do endSession(id) end
until #expired < ${EXPIRED_PORTION}

-- The last step of every script: whoever watches is told.
local function answer(reply)
  if #changed > 0 then
    local names = table.concat(changed, ' ')
    if #names > ${MAX_NAMED_BYTES} then names = '' end
    -- A hint: a user who may not publish must not be left with half an answer.
    redis.pcall('PUBLISH', tag .. 'changes', names)
  end
  return reply
end
`;

/** ARGV: tag, now, session or '', number of compares, for each key and version or '', for each write 'p' (put), 'o' (put under the session) or 'd', key, value. Answers false or the version. */
const TRANSACT = `
local session, compares = ARGV[3], tonumber(ARGV[4])
-- A write all the same, the newest of its connection: whoever reads back next wants what it sees here to have reached the replicas, and WAIT waits for writes.
local function refused()
  call('SET', VERSION, call('GET', VERSION) or '0')
  return answer(false)
end
if session ~= '' and not lives(session) then return refused() end
for at = 5, 3 + 2 * compares, 2 do
  local known = headOf(ARGV[at])
  if (known or '') ~= ARGV[at + 1] then return refused() end
end
for at = 5 + 2 * compares, #ARGV, 3 do
  if ARGV[at] == 'd' then remove(ARGV[at + 1])
  else put(ARGV[at + 1], ARGV[at] == 'o' and session or '', ARGV[at + 2]) end
end
return answer(version())
`;

/** ARGV: tag, now, key. Answers false or the record. */
const GET = `
return answer(call('HGET', tag .. 'keys:' .. areaOf(ARGV[3]), ARGV[3]))
`;

/** ARGV: tag, now, area, least, most (as ZRANGEBYLEX has them), limit. Answers { newest version, area's last removal, keys, records }. */
const LIST = `
local area = ARGV[3]
local keys = call('ZRANGEBYLEX', tag .. 'index:' .. area, ARGV[4], ARGV[5], 'LIMIT', 0, ARGV[6])
local records = {}
for from = 1, #keys, ${CHUNK} do
  local part = call('HMGET', tag .. 'keys:' .. area, unpack(keys, from, math.min(from + ${CHUNK} - 1, #keys)))
  for _, record in ipairs(part) do records[#records + 1] = record end
end
return answer({ call('GET', VERSION) or '0', call('HGET', REMOVED, area) or '0', keys, records })
`;

/**
 * ARGV: tag, now, newest version that was seen, for each prefix area, least and most. Answers { newest version, milliseconds to the next end of a
 * session or -1 }, and, unless that version is the one that was seen, number of keys and highest version of each prefix.
 */
const LOOK = `
local ends = call('ZRANGE', SESSIONS, 0, 0, 'WITHSCORES')
local newest = call('GET', VERSION) or '0'
local reply = { newest, ends[2] and math.max(0, math.ceil(tonumber(ends[2]) - now)) or -1 }
if newest ~= ARGV[3] then
  for at = 4, #ARGV, 3 do
    local keys = call('ZRANGEBYLEX', tag .. 'index:' .. ARGV[at], ARGV[at + 1], ARGV[at + 2])
    local highest = 0
    for _, key in ipairs(keys) do
      highest = math.max(highest, tonumber((headOf(key))))
    end
    reply[#reply + 1] = #keys
    reply[#reply + 1] = format('%.0f', highest)
  end
end
return answer(reply)
`;

/** ARGV: tag, now, id, time to live. */
const OPEN_SESSION = `
call('ZADD', SESSIONS, format('%.3f', now + tonumber(ARGV[4])), ARGV[3])
call('HSET', TTLS, ARGV[3], ARGV[4])
return answer(1)
`;

/** ARGV: tag, now, id. Answers 1, or 0 for one that has ended. */
const RENEW_SESSION = `
if not lives(ARGV[3]) then return answer(0) end
call('ZADD', SESSIONS, format('%.3f', now + tonumber(call('HGET', TTLS, ARGV[3]))), ARGV[3])
return answer(1)
`;

/** ARGV: tag, now, id. */
const CLOSE_SESSION = `
endSession(ARGV[3])
return answer(1)
`;

/** ARGV: tag, now, layout. Answers the layout that is there. */
const OPEN = `
call('SETNX', tag .. 'layout', ARGV[3])
return answer(call('GET', tag .. 'layout'))
`;

type Name = "transact" | "get" | "list" | "look" | "openSession" | "renewSession" | "closeSession" | "open";

export const coordinationScripts: Readonly<Record<Name, Script>> = {
  transact: script(TRANSACT, PRELUDE),
  get: script(GET, PRELUDE),
  list: script(LIST, PRELUDE),
  look: script(LOOK, PRELUDE),
  openSession: script(OPEN_SESSION, PRELUDE),
  renewSession: script(RENEW_SESSION, PRELUDE),
  closeSession: script(CLOSE_SESSION, PRELUDE),
  open: script(OPEN, PRELUDE),
};
