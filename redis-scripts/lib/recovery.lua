-- recovery: returns runs to the shared queues, a bounded number a call. A worker held these runs, or no worker could
-- claim them.

local runs, ends = lib.runs, lib.ends
local call, push = redis.call, lib.push
local recovery = {}
lib.recovery = recovery

--- A workflow is known now: runs that waited for that go to their queue, a bounded number a call. True: that was all.
function recovery.route_unknown(workflow)
  local unknown = "ready:?" .. workflow
  local waiting = call("ZRANGE", lib.key(unknown), 0, lib.sweep_budget()) -- one more tells whether there is more
  local all = #waiting <= lib.sweep_budget()
  if not all then waiting[#waiting] = nil end
  lib.use_sweep_budget(#waiting)
  for _, id in ipairs(waiting) do
    local run = runs.load(id)
    lib.write("ZREM", unknown, id)
    if run and run.state == "ready" then push(lib.plan.woken, run) end
  end
  return all
end

--- A ready run leaves its worker's own queue for everybody's.
function recovery.requeue(run)
  runs.unqueue(run)
  runs.set_owner(run, "")
  push(lib.plan.woken, run)
end

--- What was promoted for a worker between two instants goes to all.
function recovery.requeue_stalled(worker, from, to)
  local promoted = call("ZRANGEBYSCORE", lib.key("ready:@" .. worker), from, to, "LIMIT", 0, lib.sweep_budget())
  lib.use_sweep_budget(#promoted)
  for _, id in ipairs(promoted) do
    local run = runs.load(id)
    if run and run.state == "ready" then recovery.requeue(run) end
  end
end

--- A run that a worker was given and has not begun goes to all. False when that is not so.
function recovery.give_back(id, turn, worker)
  local run = runs.load(id)
  if not run or run.state ~= "running" or run.owner ~= worker or run.turn ~= tonumber(turn) then return false end
  run.given_back = true
  runs.set_owner(run, "")
  ends.make_ready(run)
  return true
end

-- ---------------------------------------------------------------------------------------------------------------
-- Dead hosts
--
-- Which run is to blame for the end of its process is known when it had a long turn, or was tried as a suspect: Redis
-- was told so. Of a worker that told nothing, any of its runs may have been it. So all of them become suspects after a
-- while, and a suspect is only blamed for the end of a process that tried it.

local SUSPECT = 2 -- crashes; as host/serve/run.c has it

--- The run that is in a long turn in a worker, or was when its process ended, and since when; or nil. `report` is what
--- its host told of the turn; it is over when the run has come to another turn.
function recovery.long_turn(worker, report)
  local id, turn, since = string.match(report or "", "^(.-)\t(%d+)\t(%d+)$")
  local run = id and runs.load(id)
  if run and run.state == "running" and run.owner == worker and run.turn == tonumber(turn) then return id, since end
end

-- Note once, in fields of the host, which runs are to blame: it may take many calls to take back what it held.
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

-- Why a run that is to blame for the end of a process fails now; nil: it has another try. A host that aborts because of
-- a run has seen it, so the second one is enough.
local function reason_to_fail(run, max_crashes)
  if run.stuck and string.find(run.stuck, " ", 1, true) then
    return "2 processes ended, as it kept a worker for longer than --max-stuck"
  end
  return run.crashes >= max_crashes and run.crashes .. " processes died while they ran it" or nil
end

local function reclaim(run, counts, max_crashes)
  if run.state == "ready" then return recovery.requeue(run) end
  runs.set_owner(run, "")
  if run.state ~= "running" then return end
  if counts then
    runs.set_rare(run, "crashes", (run.crashes or 0) + 1)
    local reason = reason_to_fail(run, max_crashes)
    if reason then lib.cancellation.record_end(run, "crash_loop", "crash_loop: " .. reason) end
  end
  run.given_back = true
  ends.make_ready(run)
end

local function forget(host)
  local node = call("HGET", lib.key("host:" .. host), "node")
  if node and call("HGET", lib.key("nodes"), node) == host then lib.write("HDEL", "nodes", node) end
  lib.write("ZREM", "leases", host)
  lib.write("DEL", "host:" .. host)
end

--- When a host's lease ends. None is longer than `lease_ms`: one that is was given before Redis' clock was put back,
--- and is cut, as a dead host would keep its runs until the clock is there again.
function recovery.lease_end(host, expires, lease_ms)
  local longest = lib.now() + lease_ms
  if expires <= longest then return expires end
  lib.write("ZADD", "leases", longest, host)
  return longest
end

--- Take back what a host held, a bounded number of runs; true when nothing is left. `counts`: it died, and that counts
--- against the runs that may be to blame.
function recovery.reclaim_host(host, counts, max_crashes)
  lib.plan.stopped_hosts[host] = true
  local threads, reclaimed = tonumber(call("HGET", lib.key("host:" .. host), "threads") or 0), 0
  local blamed = counts and find_blamed(host, threads) or {}
  for thread = 1, threads do
    local worker = host .. "." .. thread
    lib.write("HDEL", "idle", worker)
    if lib.sweep_budget() > reclaimed then
      for _, id in ipairs(call("SRANDMEMBER", lib.key("owned:" .. worker), lib.sweep_budget() - reclaimed)) do
        local run = runs.load(id)
        if run and run.owner == worker then
          reclaim(run, counts and is_to_blame(run, blamed[worker], max_crashes), max_crashes)
        else
          lib.write("SREM", "owned:" .. worker, id)
        end
        reclaimed = reclaimed + 1
      end
    end
  end
  lib.use_sweep_budget(reclaimed)
  if reclaimed > 0 or lib.sweep_budget() == 0 then return false, reclaimed end
  forget(host)
  return true, 0
end
