-- queues: what stands in each queue.
-- args   none
-- reply  queues (queue ready oldest|"")…

function verbs.queues()
  local reply = { "queues" }
  for _, queue in ipairs(redis.call("SMEMBERS", lib.key("queues"))) do
    local head = redis.call("ZRANGE", lib.key("ready:" .. queue), 0, 0)
    reply[#reply + 1] = queue
    reply[#reply + 1] = redis.call("ZCARD", lib.key("ready:" .. queue))
    reply[#reply + 1] = head[1] or ""
  end
  return reply
end
