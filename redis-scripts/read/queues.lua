-- queues: reads the number and the first of the ready runs of each queue that is not empty.
-- args   none
-- reply  queues (queue ready oldest)…      `?<workflow>`: runs of a workflow that no host has announced

local function add(reply, queue)
  local head = redis.call("ZRANGE", lib.key("ready:" .. queue), 0, 0)
  if not head[1] then return end
  reply[#reply + 1] = queue
  reply[#reply + 1] = redis.call("ZCARD", lib.key("ready:" .. queue))
  reply[#reply + 1] = head[1]
end

function verbs.queues()
  local reply = { "queues" }
  for _, queue in ipairs(redis.call("ZRANGE", lib.key("queues"), 0, -1)) do add(reply, queue) end
  for _, workflow in ipairs(redis.call("SMEMBERS", lib.key("unknown"))) do add(reply, "?" .. workflow) end
  return reply
end
