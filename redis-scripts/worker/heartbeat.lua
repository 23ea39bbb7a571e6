-- heartbeat: a host is alive. It renews its lease, and tells which of its workers are idle while their queues are not,
-- because a message may have been lost. The first heartbeat of an interval also does the rounds, the periodic work of
-- all hosts, so that this costs as much with 100 hosts as with one: it releases the runs of dead hosts and runs that
-- wait for a busy worker while another one is idle; it moves runs of unknown workflows to their queues when these are
-- announced; it wakes idle workers of other hosts; it deletes expired keys of `dedupe`; it takes removed workflows out
-- of the registry; and it notes how many runs started and ended. When runs of dead hosts are left, the rounds are not
-- over: the next heartbeat of any host goes on.
-- args   host  lease_ms  max_crashes
-- moves  running -> ready, for the runs of dead hosts
-- reply  heartbeat reclaimed more("1"|"0") thread…     reclaimed: runs of dead hosts
--                                                      thread: a worker of this host that may find runs
--        renewed thread…                               another heartbeat of this interval did the rounds
--        lease_lost

local STALE_MS = 100 -- how long a ready run waits for the worker that keeps its coroutine
-- In a lease. Hosts send four heartbeats in it, so that each one of a lone host does the rounds.
local INTERVALS = 6

-- Whether a worker is in a long turn. If the record of that run cannot be read, nothing is known.
local function is_stalled(worker, report)
  local ok, id = pcall(lib.recovery.long_turn, worker, report)
  return ok and id ~= nil
end

-- Releases runs that have waited too long for workers of these hosts: { host =, threads = }. An instant in the future
-- was written before Redis' clock was put back. `queues`: all that the hosts serve.
local function release_stale(hosts, queues)
  local any_idle -- whether any worker is idle; read when needed
  for _, one in ipairs(hosts) do
    for thread = 1, one.threads do
      local worker = one.host .. "." .. thread
      if redis.call("EXISTS", lib.key("ready:@" .. worker)) == 1 then
        local stalled = is_stalled(worker, redis.call("HGET", lib.key("host:" .. one.host), "turn:" .. thread))
        if any_idle == nil then any_idle = lib.wakeups.is_any_idle(queues) end
        if stalled or any_idle then
          lib.recovery.release_promoted(worker, "-inf", lib.now() - STALE_MS, stalled)
          lib.recovery.release_promoted(worker, "(" .. lib.now(), "+inf", stalled)
        end
      end
    end
  end
end

-- Looks at the leases of all hosts. `gap`: by how much they are extended. Returns how many runs of dead hosts were
-- released, and whether more are left.
local function look_at_hosts(host, lease_ms, max_crashes, gap)
  local now, reclaimed, more = lib.now(), 0, false
  local living, queues = {}, {}
  local leases = redis.call("ZRANGE", lib.key("leases"), 0, -1, "WITHSCORES")
  for i = 1, #leases, 2 do
    local other, expires = leases[i], lib.recovery.lease_end(leases[i], tonumber(leases[i + 1]), lease_ms)
    if other ~= host and expires > 0 and gap > 0 then
      expires = expires + gap
      lib.write("ZADD", "leases", expires, other)
    end
    if expires > now or other == host then
      local about = redis.call("HMGET", lib.key("host:" .. other), "threads", "queues")
      lib.push(living, { host = other, threads = tonumber(about[1] or 0) })
      for queue in string.gmatch(about[2] or "*", "[^,]+") do queues[queue] = true end
    elseif not more then
      local done, count = lib.recovery.reclaim_host(other, true, max_crashes)
      reclaimed, more = count, not done
    end
  end
  release_stale(living, queues)
  return reclaimed, more
end

local function do_rounds(host, lease_ms, max_crashes, gap)
  local reclaimed, more = look_at_hosts(host, lease_ms, max_crashes, gap)
  for _, workflow in ipairs(redis.call("SMEMBERS", lib.key("unknown"))) do
    if lib.registry.find(workflow) and lib.recovery.route_unknown(workflow) then
      lib.write("SREM", "unknown", workflow)
    end
  end
  lib.dedupe.sweep_keys()
  lib.tally.note()
  lib.plan.looks_for_removed = true
  more = more or lib.sweep_budget() == 0
  if not more then lib.write("HSET", "meta", "rounds_at", lib.now()) end
  return { "heartbeat", reclaimed, more and "1" or "0", host = host }
end

function verbs.heartbeat()
  local host, lease_ms, max_crashes = lib.next_arg(), tonumber(lib.next_arg()), tonumber(lib.next_arg())
  lib.want_due = true

  local now = lib.now()
  local lease = redis.call("ZSCORE", lib.key("leases"), host)
  if not lease or lease == "0" then return { "lease_lost" } end -- 0: another host took over its name
  local about = redis.call("HMGET", lib.key("meta"), "heartbeat_at", "rounds_at")
  local silence, since = now - tonumber(about[1] or now), now - tonumber(about[2] or 0)

  -- When no host could send a heartbeat, Redis stood still: all leases are extended by that time.
  local gap = silence > lease_ms / 2 and silence or 0
  local reply
  if gap == 0 and since >= 0 and since < lease_ms / INTERVALS then -- negative: Redis' clock was put back
    -- It takes no memory, so a full Redis accepts it: a host must not lose its lease while others keep theirs.
    lib.plan.renews_only, lib.plan.frees_memory = true, true
    reply = { "renewed", host = host }
  else
    reply = do_rounds(host, lease_ms, max_crashes, gap)
  end
  lib.write("ZADD", "leases", now + lease_ms, host)
  lib.write("HSET", "meta", "heartbeat_at", now)
  lib.plan.to_wake = reply
  return reply
end
