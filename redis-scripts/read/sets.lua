-- sets: reads the sizes of the sets that hold runs: each unfinished run is in one of the first three kinds. Ready runs
-- with a deadline are in `delayed`, too; `owned` also has waiting runs whose coroutine is kept.
-- args   none
-- reply  sets (name size)…     delayed, ready:<queue>…, owned:<worker>…, failed, roots; without empty ones

function verbs.sets()
  local reply = { "sets" }
  local function add(name, command)
    local size = redis.call(command, lib.key(name))
    if size == 0 then return end
    reply[#reply + 1] = name
    reply[#reply + 1] = size
  end
  add("delayed", "ZCARD")
  for _, queue in ipairs(redis.call("ZRANGE", lib.key("queues"), 0, -1)) do add("ready:" .. queue, "ZCARD") end
  for _, workflow in ipairs(redis.call("SMEMBERS", lib.key("unknown"))) do add("ready:?" .. workflow, "ZCARD") end
  for _, host in ipairs(redis.call("ZRANGE", lib.key("leases"), 0, -1)) do
    for thread = 1, tonumber(redis.call("HGET", lib.key("host:" .. host), "threads") or 0) do
      add("owned:" .. host .. "." .. thread, "SCARD")
    end
  end
  add("failed", "ZCARD")
  add("roots", "ZCARD")
  return reply
end
