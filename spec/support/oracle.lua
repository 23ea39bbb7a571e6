-- oracle: what the scripts should do, said a second time and as simply as can be: runs in memory, one
-- call after the other, no batches, no plans, no sets. A model test says each thing to both and compares.
--
-- Not modelled: queues and their order, priorities, which workers are idle, detached runs, refusals by depth or
-- registry.

local redis = require "spec.support.redis"

---@class OracleRun
---@field state string
---@field owner string
---@field turn integer
---@field number integer of its last outcome
---@field attempt integer
---@field crashes integer
---@field wake number? as in the delayed set
---@field deadline integer?
---@field cancel integer? the number of its cancel
---@field began boolean? it was claimed once
---@field cancel_awaited boolean? its parent told it to end
---@field cancel_pending integer how many of its children it told to end that have not
---@field ready_at integer since when its owner could take it
---@field ops table<string, { child: string?, number: integer? }>

---@class Oracle
---@field now integer
---@field runs table<string, OracleRun>
---@field leases table<string, integer>
local Oracle = {}
Oracle.__index = Oracle

local SUSPECT = 2 -- crashes
local ENDED = { completed = true, failed = true, cancelled = true }

local function ended(run) return ENDED[run.state] or false end

local function earliest(a, b)
  if a and b then return math.min(a, b) end
  return a or b
end

---@return Oracle
function Oracle.new(now)
  return setmetatable({ now = now, runs = {}, leases = {}, heartbeat_at = nil, rounds_at = nil }, Oracle)
end

function Oracle:start(id, delay_ms, timeout_ms)
  self.runs[id] = {
    id = id, state = delay_ms > 0 and "scheduled" or "ready", owner = "", turn = 0, number = 0,
    attempt = 1, crashes = 0, cancel_pending = 0, ops = {},
    deadline = timeout_ms and self.now + delay_ms + timeout_ms,
  }
  local run = self.runs[id]
  run.wake = delay_ms > 0 and self.now + delay_ms or run.deadline
end

function Oracle:make_ready(run)
  run.state, run.wake, run.ready_at = "ready", run.deadline, self.now
end

local function outcome(run, name)
  local op = run.ops[name]
  if not op or op.number then return false end
  run.number = run.number + 1
  op.number = run.number
  return true
end

function Oracle:finish(run, state)
  run.state, run.owner, run.wake = state, "", nil
  local parent_id, name = run.id:match "^(.*)/(.*)$"
  local parent = self.runs[parent_id]
  if not parent or ended(parent) then return end
  local recorded = outcome(parent, name)
  if run.cancel_awaited then parent.cancel_pending = parent.cancel_pending - 1 end
  local last = run.cancel_awaited and parent.cancel_pending == 0
  if (recorded or last) and parent.state == "waiting" then self:make_ready(parent) end
end

function Oracle:cancel(run, state)
  if ended(run) or run.cancel then return end
  if not run.began and (run.state == "ready" or run.state == "scheduled") then
    return self:finish(run, state)
  end
  run.deadline = nil
  run.number = run.number + 1
  run.cancel = run.number
  if run.state == "ready" then run.wake = nil end
  if run.state == "waiting" or run.state == "retrying" then self:make_ready(run) end
end

function Oracle:expire(run)
  if run.deadline and run.deadline <= self.now and not ended(run) then self:cancel(run, "failed") end
end

-- ------------------------------------------------------------------------------------------------
-- Turns

local act = {}

function act.invoke(self, run, told, name, delay_ms, timeout_ms)
  run.ops[name] = { child = run.id .. "/" .. name }
  if run.cancel and run.cancel > told then
    outcome(run, name)
    run.ops[name].child = nil
  else
    self:start(run.id .. "/" .. name, delay_ms, timeout_ms)
  end
end

function act.record(_, run, _, name) run.ops[name] = {} end

function act.resolve(_, run, _, name) outcome(run, name) end

function act.cancel(self, run, _, name)
  local child = self.runs[run.id .. "/" .. name]
  if not child then return end
  self:cancel(child, "cancelled")
  if ended(child) or child.cancel_awaited then return end
  child.cancel_awaited, run.cancel_pending = true, run.cancel_pending + 1
end

function act.suspend(self, run, told, wake_in)
  if run.number > told then return end
  run.state = "waiting"
  run.wake = earliest(wake_in and self.now + wake_in or math.huge, run.deadline)
end

function act.finish(self, run, told, state)
  if run.cancel_pending > 0 then
    act.suspend(self, run, told)
  elseif not (run.cancel and run.cancel > told) then
    self:finish(run, state)
  end
end

function act.retry(self, run, told, delay_ms)
  if run.cancel and run.cancel > told then return end
  run.state, run.owner = "retrying", ""
  run.wake = earliest(self.now + delay_ms, run.deadline)
end

---@param acts table[] { name, arguments... }
---@return string word of the answer
---@return integer? outcomes how many it brings
function Oracle:turn(id, worker, told, acts)
  local run = self.runs[id]
  if run.owner ~= worker or run.state ~= "running" then return "not_owner" end
  run.turn, run.crashes = run.turn + 1, 0
  self:expire(run)
  for _, one in ipairs(acts) do act[one[1]](self, run, told, table.unpack(one, 2)) end
  if run.state == "running" then return "running", run.number - told end
  return run.state == "waiting" and "suspended" or "done"
end

-- ------------------------------------------------------------------------------------------------
-- The rest

---@return integer promoted
function Oracle:promote()
  local due = {}
  for _, run in pairs(self.runs) do
    if run.wake and run.wake <= self.now then due[#due + 1] = run end
  end
  for _, run in ipairs(due) do
    self:expire(run)
    if run.state == "scheduled" or run.state == "waiting" then
      self:make_ready(run)
    elseif run.state == "retrying" then
      run.attempt, run.turn = run.attempt + 1, run.turn + 1
      self:make_ready(run)
    elseif run.wake and run.wake <= self.now then
      run.wake = nil
    end
  end
  return #due
end

---How many runs a worker that asks for `capacity` gets: all of its own, and its share of the others.
---@return integer least
---@return integer most
function Oracle:claims(worker, capacity)
  local own, queued = 0, 0
  for _, run in pairs(self.runs) do
    if run.state == "ready" and run.owner == worker then own = own + 1 end
    if run.state == "ready" and run.owner == "" then queued = queued + 1 end
  end
  own = math.min(own, capacity)
  local most = math.min(queued, capacity - own)
  return own + math.min(most, 1), own + most
end

---@return "cold"|"warm"|nil word nil: it should not have been given
function Oracle:claim(id, worker)
  local run = self.runs[id]
  if run.state ~= "ready" or run.owner ~= "" and run.owner ~= worker then return nil end
  local word = run.owner == worker and "warm" or "cold"
  self:expire(run) -- one that was taken back may be late
  run.state, run.owner, run.began, run.wake = "running", worker, true, nil
  return word
end

function Oracle:release(id, worker)
  local run = self.runs[id]
  if run.owner ~= worker or run.state ~= "ready" and run.state ~= "waiting" then return "not_owner" end
  run.owner = ""
  return "released"
end

local function held_by(run, host) return run.owner:match "^%d+" == host end

function Oracle:reap(host)
  local count = 0
  for _, run in pairs(self.runs) do
    if held_by(run, host) then
      run.owner = ""
      count = count + 1
      if run.state == "running" then
        run.crashes = math.min(run.crashes + 1, math.max(run.crashes, SUSPECT)) -- no worker told what it ran
        self:make_ready(run)
      end
    end
  end
  if count == 0 then self.leases[host] = nil end
  return count
end

function Oracle:relieve(host, is_idle)
  if not is_idle then return end
  for _, run in pairs(self.runs) do
    if run.state == "ready" and held_by(run, host) and run.ready_at <= self.now - 100 then run.owner = "" end
  end
end

---@param is_idle boolean whether a worker waits for runs
---@return integer? reaped nil: the host is lost
function Oracle:heartbeat(host, is_idle)
  if not self.leases[host] then return nil end
  local gap = self.now - (self.heartbeat_at or self.now)
  local stalled = gap > redis.LEASE_MS / 2 and gap or 0
  self.heartbeat_at = self.now
  if stalled == 0 and self.rounds_at and self.now - self.rounds_at < redis.LEASE_MS / 6 then
    self.leases[host] = self.now + redis.LEASE_MS
    return "renewed"
  end
  local hosts, reaped = {}, 0
  for other in pairs(self.leases) do hosts[#hosts + 1] = other end
  table.sort(hosts, function(a, b)
    if self.leases[a] ~= self.leases[b] then return self.leases[a] < self.leases[b] end
    return a < b
  end)
  for _, other in ipairs(hosts) do
    if other ~= host and self.leases[other] > 0 then self.leases[other] = self.leases[other] + stalled end
    if other == host then
      self.leases[host] = self.now + redis.LEASE_MS
      self:relieve(host, is_idle)
    elseif self.leases[other] > self.now then
      self:relieve(other, is_idle)
    elseif reaped == 0 then
      reaped = self:reap(other)
    end
  end
  if reaped == 0 then self.rounds_at = self.now end
  return reaped
end

return Oracle
