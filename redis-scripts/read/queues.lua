-- queues: reads the number and the first of the ready runs of each queue that is not empty.
-- args   none
-- reply  queues (queue ready first since)…     `?<workflow>`: runs of a workflow that no host has announced
--        since: when the first run became ready, as far as its record tells: its last outcome, `ready_at` or its start.
--        0: the record cannot be read

-- The instant of the last outcome, which made the run ready.
local function last_outcome(id, number)
  local outcome = lib.resolve_value(id, number, redis.call("HGET", lib.key("r:" .. id), number))
  return string.match(outcome or "", "^[^\t]*\t[^\t]*\t(%d+)")
end

local function ready_since(id)
  local v = redis.call("HMGET", lib.key("r:" .. id), "created_at", "ready_at", "last_number")
  local outcome = v[3] and last_outcome(id, v[3])
  return string.format("%d", math.max(tonumber(v[1] or 0), tonumber(v[2] or 0), tonumber(outcome or 0)))
end

local function add(reply, queue)
  local head = redis.call("ZRANGE", lib.key("ready:" .. queue), 0, 0)
  if not head[1] then return end
  reply[#reply + 1] = queue
  reply[#reply + 1] = redis.call("ZCARD", lib.key("ready:" .. queue))
  reply[#reply + 1] = head[1]
  local ok, since = pcall(ready_since, head[1])
  reply[#reply + 1] = ok and since or "0"
end

function verbs.queues()
  local reply = { "queues" }
  for _, queue in ipairs(redis.call("ZRANGE", lib.key("queues"), 0, -1)) do add(reply, queue) end
  for _, workflow in ipairs(redis.call("SMEMBERS", lib.key("unknown"))) do add(reply, "?" .. workflow) end
  return reply
end
