-- wakeups: workers that wait for runs, and the messages that wake them.
--
-- A worker that was given no run stands in `idle:<queue>` of each queue that it serves (`*`: all), with the instant
-- since which it waits. When it is woken its score grows by WOKEN, until it asks for runs: so the worker that has
-- waited longest is woken first, and others before it is woken again. Each call reads a bounded number of workers,
-- however many wait. `plan` and `plan_owner` read and note whom to wake; `send` writes and publishes, after the runs
-- have their places.

local call, key, push = redis.call, lib.key, lib.push
local worker, now, served = lib.worker, lib.now(), lib.served

local wakeups = {}
lib.wakeups = wakeups

local EXPECTED_MS = 100 -- a woken worker asks for runs within this time, or it is busy or dead
local WOKEN = 2 ^ 46 -- greater than any instant
local SPARE = 10 -- workers that are read beyond those needed: their hosts may have stopped

local waiting -- queue -> { worker =, host = } in the order in which they are woken; `wanted`, `read`: how many
local taken -- worker -> true: the plan wakes it
local alive -- host -> whether its lease is running; nil: it has none

local function host_of(other) return string.match(other, "^%d+") end

-- `plan.wakes`: { worker =, queue = } or { queue =, count = }, in order.
local function begin()
  local plan = lib.plan
  if not plan.wakes then
    plan.wakes, waiting, taken, alive = {}, {}, {}, {}
  end
  return plan
end

-- Reads the lease before the first write.
local function has_lease(host)
  if alive[host] == nil then
    local expires = call("ZSCORE", key("leases"), host)
    alive[host] = { there = expires and true, runs = expires and tonumber(expires) > now }
  end
  return alive[host].there
end

local function is_alive(other) return has_lease(host_of(other)) and alive[host_of(other)].runs end

-- The last score of a worker that may be woken. An instant in the future was written before Redis' clock was put back.
local function may_be_woken(score)
  score = tonumber(score)
  return score < WOKEN + now - EXPECTED_MS + 1 or score > WOKEN + now
end

-- Returns the workers of a set that may be woken, `count` more than were asked for before, if there are so many.
local function read(queue, count)
  local plan = begin()
  local list = waiting[queue]
  if not list then
    list = { wanted = 0, read = -1 }
    waiting[queue] = list
  end
  list.wanted = list.wanted + count
  if list.read >= 0 and (list.read < list.asked or list.wanted <= list.read) then return list end
  list.asked = list.wanted + SPARE
  local last = string.format("%.0f", WOKEN + now - EXPECTED_MS)
  local others = call("ZRANGEBYSCORE", key("idle:" .. queue), "-inf", last, "LIMIT", 0, list.asked)
  for i = math.max(list.read, 0) + 1, #others do
    local other = others[i]
    local host = host_of(other)
    if not has_lease(host) then
      lib.write("ZREM", "idle:" .. queue, other) -- left by a host that is gone
    elseif other ~= worker and not plan.stopped_hosts[host] then
      push(list, other)
    end
  end
  list.read = #others
  return list
end

local function finds_living(list)
  for _, other in ipairs(list) do
    if not taken[other] and is_alive(other) then return true end
  end
  return false
end

-- ---------------------------------------------------------------------------------------------------------------
-- Who waits

--- Whether the caller waits for runs, as Redis knows it.
function wakeups.is_waiting()
  local waits = false
  for _, queue in ipairs(served) do waits = call("ZSCORE", key("idle:" .. queue), worker) or waits end
  return waits
end

--- The caller waits for runs of its queues.
function wakeups.wait()
  for _, queue in ipairs(served) do call("ZADD", key("idle:" .. queue), now, worker) end
end

--- The caller was given runs.
function wakeups.work()
  for _, queue in ipairs(served) do call("ZREM", key("idle:" .. queue), worker) end
end

--- Plan that a worker is not woken any more. `queues`: those of its host, as `host:<host>` has them.
function wakeups.remove(other, queues)
  for queue in string.gmatch(queues or "*", "[^,]+") do lib.write("ZREM", "idle:" .. queue, other) end
end

--- Count the other workers that could take runs of these queues now: those that wait, also if they are woken already.
--- A worker that serves several of the queues counts once, as the most that wait for one of them count. `waits`:
--- whether the caller is among them.
function wakeups.count_helpers(queues, waits)
  local function count(size_of)
    local most = 0
    for _, queue in ipairs(queues) do
      if queue ~= "*" then most = math.max(most, size_of(queue)) end
    end
    return size_of("*") + most
  end
  local helpers = count(function(queue) return call("ZCARD", key("idle:" .. queue)) end)
  if waits then helpers = helpers - 1 end
  -- Until the rounds have released the runs of a dead host, its workers stand among the others.
  if helpers <= 0 or call("ZCOUNT", key("leases"), "-inf", now) == 0 then return helpers end
  begin()
  return count(function(queue)
    local living = 0
    for _, other in ipairs(call("ZRANGE", key("idle:" .. queue), 0, lib.CHUNK - 1)) do
      if other ~= worker and is_alive(other) then living = living + 1 end
    end
    return living
  end)
end

--- Whether a worker that serves one of these queues waits for runs.
function wakeups.is_any_idle(queues)
  for queue in pairs(queues) do
    if finds_living(read(queue, 0)) then return true end
  end
  return false
end

--- Whether an idle worker could take this run.
function wakeups.is_awaited(run)
  local queue = lib.runs.get(run, "queue") or "default"
  return finds_living(read(queue, 0)) or finds_living(read("*", 0))
end

-- ---------------------------------------------------------------------------------------------------------------
-- Whom to wake

local function plan_worker(other, queue)
  taken[other] = true
  push(lib.plan.wakes, { worker = other, queue = queue })
end

--- Plan to wake the owner of a ready run, if it is idle. Another host's hash that cannot be read must not raise here,
--- where the run would count as unreadable: that worker is not woken.
function wakeups.plan_owner(owner)
  begin()
  if owner == worker or taken[owner] then return end
  local queues = redis.pcall("HGET", key("host:" .. host_of(owner)), "queues")
  local queue = string.match(type(queues) == "string" and queues or "*", "^[^,]+")
  local score = redis.pcall("ZSCORE", key("idle:" .. queue), owner)
  if type(score) == "string" and may_be_woken(score) then plan_worker(owner, queue) end
end

--- Plan to wake workers for the runs of a queue, `count` at most.
function wakeups.plan(queue, count)
  if count <= 0 then return end
  local own, all = read(queue, count), read("*", count)
  if #own + #all > 0 then push(lib.plan.wakes, { queue = queue, count = count }) end
end

--- Plan to wake idle workers of the calling host for the runs of a queue, `count` at most. Returns how many.
function wakeups.plan_own(queue, count)
  if count <= 0 then return 0 end
  local caller = begin().to_wake
  if not caller.workers then
    caller.workers = {}
    local threads = call("HGET", key("host:" .. caller.host), "threads")
    for thread = 1, tonumber(threads or 0) do caller.workers[thread] = caller.host .. "." .. thread end
  end
  local planned = 0
  if #caller.workers == 0 then return planned end
  for _, set in ipairs({ queue, "*" }) do
    for i, score in ipairs(call("ZMSCORE", key("idle:" .. set), unpack(caller.workers))) do
      local other = caller.workers[i]
      if score and planned < count and not taken[other] and may_be_woken(score) then
        plan_worker(other, set)
        planned = planned + 1
      end
    end
  end
  return planned
end

-- Returns true when the host of the worker received the message, or is the caller and reads it in the reply.
local function wake(other, queue)
  taken[other] = true
  call("ZADD", key("idle:" .. queue), string.format("%.0f", WOKEN + now), other)
  local host, thread = string.match(other, "^(%d+)%.(%d+)$")
  local of_caller = lib.plan.to_wake
  if of_caller and of_caller.host == host then
    push(of_caller, thread)
    return true
  end
  return call("PUBLISH", key("wake:" .. host), thread) > 0
end

-- Wakes a worker for each run, because the first worker may have little room, or may have died unnoticed. A stopped
-- host receives messages and does not act, so workers whose lease is running come first; then workers that serve this
-- queue by name.
local function wake_for(queue, count)
  for _, wanted in ipairs({ true, false }) do
    for _, set in ipairs({ queue, "*" }) do
      for _, other in ipairs(waiting[set]) do
        if count == 0 then return end
        if not taken[other] and alive[host_of(other)].runs == wanted and wake(other, set) then count = count - 1 end
      end
    end
  end
end

--- Wake the workers that were planned.
function wakeups.send()
  for _, one in ipairs(lib.plan.wakes) do
    if one.worker then wake(one.worker, one.queue) else wake_for(one.queue, one.count) end
  end
end
