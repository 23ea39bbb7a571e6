-- wakeups: workers that wait for runs, and the messages that wake them.
--
-- A worker that was given no run stands in `idle` with its queues. `plan` and `plan_owner` read and note whom to wake;
-- `send` writes and publishes, after the runs have their places.

local call, key, push = redis.call, lib.key, lib.push
local worker, now = lib.worker, lib.now()

local wakeups = {}
lib.wakeups = wakeups

local EXPECTED_MS = 100 -- a woken worker asks for runs within this time, or it is busy or dead

local idle -- worker -> its queues, separated by tabs: workers that wait for runs
local expected -- the same for workers that were woken and have not asked yet
local alive -- host -> whether its lease is running; read when needed

-- Reads the idle workers, once a plan. `plan.wakes`: { worker =, queues = } or { queue =, count = }, in order.
local function read_idle()
  local plan = lib.plan
  if plan.wakes then return end
  plan.wakes, idle, expected = {}, {}, {}
  local stored = call("HGETALL", key("idle"))
  for i = 1, #stored, 2 do
    local other, queues = stored[i], stored[i + 1]
    if other ~= worker and not lib.plan.stopped_hosts[string.match(other, "^%d+")] then
      local woken_at, awaited = string.match(queues, "^!(%d+)\t(.*)$")
      if not woken_at then
        idle[other] = queues
      elseif now - woken_at < EXPECTED_MS and now >= tonumber(woken_at) then
        expected[other] = awaited
      else
        idle[other] = awaited
      end
    end
  end
end

local function is_alive(other)
  if not alive then
    alive = {}
    local leases = call("ZRANGE", key("leases"), 0, -1, "WITHSCORES")
    for i = 1, #leases, 2 do alive[leases[i]] = tonumber(leases[i + 1]) > now end
  end
  return alive[string.match(other, "^%d+")] or false
end

-- Whether a worker with these queues takes runs of a queue. `queues`: separated by tabs; "*": all.
local function serves(queues, queue)
  return queues == "*" or string.find("\t" .. queues .. "\t", "\t" .. queue .. "\t", 1, true) ~= nil
end

--- Count the other workers that could take runs of these queues now.
function wakeups.count_helpers(list)
  read_idle()
  local helpers = 0
  for _, workers in ipairs({ idle, expected }) do
    for other, queues in pairs(workers) do
      local fits = list[1] == "*" or queues == "*"
      for _, queue in ipairs(fits and {} or list) do fits = fits or serves(queues, queue) end
      if fits and is_alive(other) then helpers = helpers + 1 end
    end
  end
  return helpers
end

--- Whether an idle worker could take this run; without a run: whether any worker is idle.
function wakeups.is_awaited(run)
  read_idle()
  for other, queues in pairs(idle) do
    local fits = not run or serves(queues, lib.runs.get(run, "queue") or "default")
    if fits and is_alive(other) then return true end
  end
  return false
end

--- Plan to wake the owner of a ready run, if it is idle.
function wakeups.plan_owner(owner)
  read_idle()
  if not idle[owner] then return end
  push(lib.plan.wakes, { worker = owner, queues = idle[owner] })
  idle[owner] = nil
end

--- Plan to wake workers for the runs of a queue, `count` at most.
function wakeups.plan(queue, count)
  read_idle()
  local other = next(idle)
  if not other or count <= 0 then return end
  is_alive(other) -- reads the leases now: `send` comes after the first write
  push(lib.plan.wakes, { queue = queue, count = count })
end

-- Returns true when the host of the worker received the message, or is the caller and reads it in the reply.
local function wake(other, queues)
  call("HSET", key("idle"), other, string.format("!%d\t%s", now, queues))
  idle[other] = nil
  local host, thread = string.match(other, "^(%d+)%.(%d+)$")
  local of_caller = lib.plan.to_wake
  if of_caller and of_caller.host == host then
    push(of_caller, thread)
    return true
  end
  return call("PUBLISH", key("wake:" .. host), thread) > 0
end

-- Wakes a worker for each run, because the first worker may have little room, or may have died unnoticed. A stopped
-- host receives messages and does not act, so workers whose lease is running come first.
local function wake_for(queue, count)
  for _, wanted in ipairs({ true, false }) do
    for other, queues in pairs(idle) do
      if count == 0 then return end
      if serves(queues, queue) and is_alive(other) == wanted and wake(other, queues) then count = count - 1 end
    end
  end
end

--- Wake the workers that were planned.
function wakeups.send()
  for _, one in ipairs(lib.plan.wakes) do
    if one.worker then wake(one.worker, one.queues) else wake_for(one.queue, one.count) end
  end
end
