-- heartbeat: a host is alive. It renews its lease and does the periodic work of all hosts: it releases the runs of dead
-- hosts and runs that wait for a busy worker while another one is idle; it moves runs of unknown workflows to their
-- queues when these are announced; it wakes idle workers of queues that are not empty, because a message may have been
-- lost; it deletes expired keys of `dedupe`; and it takes removed workflows out of the registry.
-- args   host  lease_ms  max_crashes
-- moves  running -> ready, for the runs of dead hosts
-- reply  heartbeat reclaimed more("1"|"0") thread…     reclaimed: runs of dead hosts
--                                                      thread: a worker of this host that may find runs
--        lease_lost

local STALE_MS = 100 -- how long a ready run waits for the worker that keeps its coroutine

-- Whether a worker is in a long turn. If the record of that run cannot be read, nothing is known.
local function is_stalled(worker, report)
  local ok, id = pcall(lib.recovery.long_turn, worker, report)
  return ok and id ~= nil
end

-- Releases runs that have waited too long for a worker of this host. An instant in the future was written before Redis'
-- clock was put back.
local function release_stale(host)
  local about = lib.key("host:" .. host)
  local threads = tonumber(redis.call("HGET", about, "threads") or 0)
  for thread = 1, threads do
    local worker = host .. "." .. thread
    local stalled = is_stalled(worker, redis.call("HGET", about, "turn:" .. thread))
    lib.recovery.release_promoted(worker, "-inf", lib.now() - STALE_MS, stalled)
    lib.recovery.release_promoted(worker, "(" .. lib.now(), "+inf", stalled)
  end
end

function verbs.heartbeat()
  local host, lease_ms, max_crashes = lib.next_arg(), tonumber(lib.next_arg()), tonumber(lib.next_arg())
  lib.want_due = true

  local now = lib.now()
  local lease = redis.call("ZSCORE", lib.key("leases"), host)
  if not lease or lease == "0" then return { "lease_lost" } end -- 0: another host took over its name
  local leases = redis.call("ZRANGE", lib.key("leases"), 0, -1, "WITHSCORES")
  local last = tonumber(redis.call("HGET", lib.key("meta"), "heartbeat_at") or now)

  -- When no host could send a heartbeat, Redis stood still: all leases are extended by that time.
  local stalled = now - last > lease_ms / 2 and now - last or 0
  local reclaimed, more, alive = 0, false, {}
  for i = 1, #leases, 2 do
    local other, expires = leases[i], lib.recovery.lease_end(leases[i], tonumber(leases[i + 1]), lease_ms)
    if other ~= host and expires > 0 and stalled > 0 then
      expires = expires + stalled
      lib.write("ZADD", "leases", expires, other)
    end
    if other == host then
      lib.write("ZADD", "leases", now + lease_ms, host)
    elseif expires <= now and not more then
      local _, count = lib.recovery.reclaim_host(other, true, max_crashes)
      reclaimed, more = count, count > 0
    end
    if expires > now or other == host then alive[#alive + 1] = other end
  end
  for _, other in ipairs(alive) do release_stale(other) end
  for _, workflow in ipairs(redis.call("SMEMBERS", lib.key("unknown"))) do
    if lib.registry.find(workflow) and lib.recovery.route_unknown(workflow) then
      lib.write("SREM", "unknown", workflow)
    end
  end
  lib.dedupe.sweep_keys()
  lib.plan.looks_for_removed = true
  if lib.served[1] then lib.write("HSET", "host:" .. host, "queues", table.concat(lib.served, ",")) end
  lib.write("HSET", "meta", "heartbeat_at", now)
  more = more or lib.sweep_budget() == 0
  local reply = { "heartbeat", reclaimed, more and "1" or "0", host = host }
  lib.plan.to_wake = reply
  return reply
end
