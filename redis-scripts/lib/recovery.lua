-- recovery: runs go back to the shared queues, a bounded number a call. Either a worker owned them, or no worker could
-- claim them.

local runs, ends = lib.runs, lib.ends
local call, push = redis.call, lib.push
local recovery = {}
lib.recovery = recovery

local function wake(run)
  if run and run.state == "ready" then push(lib.plan.woken, run) end
end

--- Move runs of an announced workflow from the queue `?<workflow>` to their queues, a bounded number a call. Returns
--- true when none is left.
function recovery.route_unknown(workflow)
  local unknown = "ready:?" .. workflow
  local waiting = call("ZRANGE", lib.key(unknown), 0, lib.sweep_budget()) -- one more, to see whether any is left
  local all = #waiting <= lib.sweep_budget()
  if not all then waiting[#waiting] = nil end
  lib.use_sweep_budget(#waiting)
  for _, id in ipairs(waiting) do
    lib.write("ZREM", unknown, id)
    runs.handle(id, wake)
  end
  return all
end

-- ---------------------------------------------------------------------------------------------------------------
-- Runs of a worker

--- Take a run from the worker that owns it; any worker can go on with it from its journal. A ready run goes to its
--- queue. A running one becomes ready before all others of its priority. A waiting one goes on waiting. The worker is
--- told to drop its coroutine, unless it asked itself, or runs it: then it learns of that when its turn is refused.
function recovery.release(run)
  if run.state ~= "running" and run.owner ~= lib.worker then
    local host, thread = string.match(run.owner, "^(%d+)%.(%d+)$")
    if host and not lib.plan.stopped_hosts[host] then
      lib.publish("wake:" .. host, thread .. " " .. run.turn .. " " .. run.id)
    end
  end
  if run.state == "ready" then
    runs.unqueue(run)
    push(lib.plan.woken, run)
  end
  runs.set_owner(run, "")
  if run.state == "running" then
    run.given_back = true
    ends.make_ready(run)
  end
end

--- Release runs that were promoted for a worker between two instants: all of them when the worker `is_stalled`, else
--- those that an idle worker takes. A busy worker resumes its coroutines sooner than others replay the journals.
function recovery.release_promoted(worker, from, to, is_stalled)
  local promoted = call("ZRANGEBYSCORE", lib.key("ready:@" .. worker), from, to, "LIMIT", 0, lib.sweep_budget())
  lib.use_sweep_budget(#promoted)
  for _, id in ipairs(promoted) do
    runs.handle(id, function(run)
      if not run then return lib.write("ZREM", "ready:@" .. worker, id) end
      local may_go = is_stalled or lib.wakeups.is_awaited(run)
      if run.state == "ready" and may_go then recovery.release(run) end
    end)
  end
end

-- ---------------------------------------------------------------------------------------------------------------
-- Dead hosts
--
-- The run that ended its process is known if it had a long turn, or if its host tried it as a suspect: the host has
-- reported either to Redis. Of a worker with no report, any of its runs may be the cause. So the crash counts for all
-- of them until they are suspects, and a suspect is blamed only for the end of a process that tried it.

local SUSPECT = 2 -- crashes; host/serve/run.c has the same number

--- Return the run that is in a long turn in a worker, or was when its process ended, and since when; or nil. `report`:
--- of the host, about that turn. The turn is over when the run has another turn number.
function recovery.long_turn(worker, report)
  local id, turn, since = string.match(report or "", "^(.-)\t(%d+)\t(%d+)$")
  local run = id and runs.load(id)
  if run and run.state == "running" and run.owner == worker and run.turn == tonumber(turn) then return id, since end
end

-- Finds the runs that are to blame, and stores them in the hash of the host, because many calls may be needed to take
-- its runs back.
local function find_blamed(host, threads)
  local about = lib.key("host:" .. host)
  local v = call("HMGET", about, "quarantine", "blamed")
  local blamed = {}
  if v[2] then
    for thread, id in string.gmatch(v[2], "(%d+)\t([^\n]*)\n") do blamed[host .. "." .. thread] = id end
    return blamed
  end
  local quarantined = v[1] and runs.load(v[1])
  local lines = {}
  for thread = 1, threads do
    local worker = host .. "." .. thread
    local id = recovery.long_turn(worker, call("HGET", about, "turn:" .. thread))
    if not id and quarantined and quarantined.owner == worker then id = quarantined.id end
    blamed[worker] = id
    if id then lines[#lines + 1] = thread .. "\t" .. id .. "\n" end
  end
  lib.write("HSET", "host:" .. host, "blamed", table.concat(lines))
  return blamed
end

local function is_to_blame(run, blamed, max_crashes)
  if blamed == run.id then return true end
  return not blamed and ((run.crashes or 0) < SUSPECT or max_crashes <= SUSPECT)
end

-- Returns why a run fails now that is to blame for the end of a process; nil when it has another try. A host that
-- aborts because of a run has identified it, so the second such host is enough.
local function reason_to_fail(run, max_crashes)
  if run.stuck and string.find(run.stuck, " ", 1, true) then
    return "2 processes ended, as it kept a worker for longer than --max-stuck"
  end
  return run.crashes >= max_crashes and run.crashes .. " processes died while they ran it" or nil
end

local function count_crash(run, max_crashes)
  runs.set_rare(run, "crashes", (run.crashes or 0) + 1)
  local reason = reason_to_fail(run, max_crashes)
  if reason then lib.cancellation.record_end(run, "crash_loop", "crash_loop: " .. reason) end
end

local function remove_host(host)
  local node = call("HGET", lib.key("host:" .. host), "node")
  if node and call("HGET", lib.key("nodes"), node) == host then lib.write("HDEL", "nodes", node) end
  lib.write("ZREM", "leases", host)
  lib.write("DEL", "host:" .. host)
  lib.plan.forgotten[host] = true
  lib.plan.looks_for_removed = true
end

--- Return when the lease of a host ends. No lease is longer than `lease_ms`: a longer one was given before Redis' clock
--- was put back. It is shortened, because a dead host would keep its runs until the clock has caught up.
function recovery.lease_end(host, expires, lease_ms)
  local longest = lib.now() + lease_ms
  if expires <= longest then return expires end
  lib.write("ZADD", "leases", longest, host)
  return longest
end

local PAGE = 3000 -- runs of a worker that are looked at in a call

-- The runs of a dead worker that could move are released first, because it may own thousands that wait: those in
-- `ready:@<worker>`, then those that are not in the delayed set, which are ready or running. They are looked for page
-- by page; `released:<thread>` in the hash of the host has the next one, or nothing when there is none.
local function take_movable(host, thread, take)
  local worker, field = host .. "." .. thread, "released:" .. thread
  for _, id in ipairs(call("ZRANGE", lib.key("ready:@" .. worker), 0, lib.sweep_budget())) do take(id) end
  local cursor = call("HGET", lib.key("host:" .. host), field) or "0"
  if cursor == "" or lib.sweep_budget() == 0 then return cursor == "" end
  local page = call("SSCAN", lib.key("owned:" .. worker), cursor, "COUNT", PAGE)
  local ids = page[2]
  for from = 1, #ids, lib.CHUNK do
    local to = math.min(from + lib.CHUNK - 1, #ids)
    for i, instant in ipairs(call("ZMSCORE", lib.key("delayed"), unpack(ids, from, to))) do
      if not instant and not take(ids[from + i - 1]) then return false end -- the next call looks at this page again
    end
  end
  local is_last = page[1] == "0"
  lib.write("HSET", "host:" .. host, field, is_last and "" or page[1])
  return is_last
end

--- Release the runs of a host, a bounded number a call, those first that could move. Returns whether none is left, and
--- how many were released. `crashed`: the host died, which counts as a crash of the runs that may be to blame.
function recovery.reclaim_host(host, crashed, max_crashes)
  lib.plan.stopped_hosts[host] = true
  local about, reclaimed = call("HMGET", lib.key("host:" .. host), "threads", "queues"), 0
  local threads, queues = tonumber(about[1] or 0), about[2]
  local blamed = crashed and find_blamed(host, threads) or {}

  -- Releases a run. Returns false when this call may handle no more.
  local seen = {}
  local function take(worker, id)
    if seen[id] then return true end
    if lib.sweep_budget() == 0 then return false end
    seen[id] = true
    lib.use_sweep_budget(1)
    reclaimed = reclaimed + 1
    runs.handle(id, function(run)
      if not run or run.owner ~= worker then
        lib.write("SREM", "owned:" .. worker, id)
        return lib.write("ZREM", "ready:@" .. worker, id)
      end
      if crashed and run.state == "running" and is_to_blame(run, blamed[worker], max_crashes) then
        count_crash(run, max_crashes)
      end
      recovery.release(run)
    end)
    return true
  end

  local only_waiting = true
  for thread = 1, threads do
    local worker = host .. "." .. thread
    lib.wakeups.remove(worker, queues)
    only_waiting = take_movable(host, thread, function(id) return take(worker, id) end) and only_waiting
  end
  if not only_waiting then return false, reclaimed end
  for thread = 1, threads do
    local worker = host .. "." .. thread
    if lib.sweep_budget() > 0 then
      for _, id in ipairs(call("SRANDMEMBER", lib.key("owned:" .. worker), lib.sweep_budget())) do take(worker, id) end
    end
  end
  if reclaimed > 0 or lib.sweep_budget() == 0 then return false, reclaimed end
  remove_host(host)
  return true, 0
end
