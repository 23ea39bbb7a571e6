-- register: a host joins and gets its number. A name belongs to one host at a time. Numbers are never repeated, also
-- when the dataset was emptied while a host lived: the first number in a dataset is taken from the clock.
-- args   node  boot  namespace  pid  started  threads  lease_ms  takeover|""  max_payload
--        queues
--        takeover: a host that is known to be dead; max_payload: bytes, the largest payload that clients send;
--        queues: those that its workers serve, separated by commas
-- reply  registered host
--        alive host boot namespace pid started expires_at     the lease of this node has not ended; nothing is written.
--                                                             A lease that is too long because Redis' clock was put
--                                                             back is shortened

local EPOCH = 1767225600000 -- 2026-01-01, for shorter numbers

function verbs.register()
  local node, boot, namespace, pid = lib.next_arg(), lib.next_arg(), lib.next_arg(), lib.next_arg()
  local started, threads, lease_ms, takeover = lib.next_arg(), lib.next_arg(), tonumber(lib.next_arg()), lib.next_arg()
  local max_payload, queues = lib.next_arg(), lib.next_arg()

  local previous = redis.call("HGET", lib.key("nodes"), node)
  local expires = previous and redis.call("ZSCORE", lib.key("leases"), previous)
  local until_ms = expires and lib.recovery.lease_end(previous, tonumber(expires), lease_ms)
  if expires and until_ms > lib.now() and previous ~= takeover then
    local v = redis.call("HMGET", lib.key("host:" .. previous), "boot", "namespace", "pid", "started")
    return { "alive", previous, v[1] or "", v[2] or "", v[3] or "", v[4] or "",
      string.format("%d", until_ms) }
  end

  local last = tonumber(redis.call("HGET", lib.key("meta"), "hosts") or lib.now() - EPOCH)
  local host = string.format("%d", last + 1)
  lib.write("HSET", "meta", "hosts", host)
  if expires then
    lib.write("ZADD", "leases", 0, previous)
    lib.write("HDEL", "meta", "rounds_at") -- the next heartbeat releases its runs
  end
  lib.write("HSET", "nodes", node, host)
  lib.write("HSET", "host:" .. host, "node", node, "boot", boot, "namespace", namespace, "pid", pid,
    "started", started, "threads", threads, "max_payload", max_payload, "queues", queues, "registered_at", lib.now(),
    "lease_ms", lease_ms)
  lib.write("ZADD", "leases", lib.now() + lease_ms, host)
  return { "registered", host }
end
