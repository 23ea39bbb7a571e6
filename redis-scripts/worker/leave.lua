-- leave: a host stops. Its workers take no more runs, so none of them is woken.
-- args   host
-- reply  left

function verbs.leave()
  local host = lib.next_arg()
  local about = lib.key("host:" .. host)
  lib.plan.stopped_hosts[host] = true
  local threads = tonumber(redis.call("HGET", about, "threads"))
  if not threads then return { "left" } end
  lib.write("HSET", "host:" .. host, "leaving", "1")
  for thread = 1, threads do lib.write("HDEL", "idle", host .. "." .. thread) end
  return { "left" }
end
