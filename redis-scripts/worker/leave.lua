-- leave: a host stops. Its workers take no more runs, so none of them is woken.
-- args   host
-- reply  left

function verbs.leave()
  local host = lib.next_arg()
  local about = lib.key("host:" .. host)
  lib.plan.stopped_hosts[host] = true
  local threads, queues = unpack(redis.call("HMGET", about, "threads", "queues"))
  if not threads then return { "left" } end
  lib.write("HSET", "host:" .. host, "leaving", "1")
  for thread = 1, tonumber(threads) do lib.wakeups.remove(host .. "." .. thread, queues) end
  return { "left" }
end
