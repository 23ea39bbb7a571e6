-- Runs trees of runs in memory: a store that does with each effect what redis-scripts/ does, under a
-- clock that stands still until it is moved. Nothing waits, nothing is lost, everything can be seen.
--
-- A turn is two events, as in the host: `compute` lets a run's Lua run, `apply` writes what it told.
-- Between the two anything else may happen, and a crash loses what was not applied.
-- Invariant: all that outlives a coroutine stands in `records`, as the texts that Redis would hold.

local entry = require "weir.entry"
local executor = require "weir.executor"
local failure = require "weir.failure"
local json = require "weir.json"
local bundle = require "weir.bundle"
local sandbox = require "weir.sandbox"

local driver = {}
local Driver = {}
Driver.__index = Driver

local ENDED = { completed = true, failed = true, cancelled = true }
local NEXT = { -- the legal moves, as in lib.lua
  [""] = { scheduled = true, ready = true },
  scheduled = { ready = true, cancelled = true, failed = true },
  ready = { running = true, cancelled = true, failed = true },
  running = { waiting = true, retrying = true, ready = true, completed = true, failed = true,
              cancelled = true },
  waiting = { ready = true },
  retrying = { ready = true },
  completed = { ready = true }, failed = { ready = true }, cancelled = { ready = true },
}

---@class DriverOptions
---@field workflows weir.Definition[]? made in the spec itself, or
---@field files table<string, string>? sources, loaded as a bundle in the sandbox
---@field now integer? ms
---@field random (fun(n: integer): integer)? chooses among what may happen next; else what is oldest
---@field always_replay boolean? drops every coroutine that is suspended
---@field fused boolean? false: no child is run in its parent's turn
---@field crash_at integer? the event after which the process dies
---@field history boolean? keeps a copy of a record after each change: `record.history`
---@field limits table?
---@field max_deaths integer?

---@param options DriverOptions
function driver.new(options)
  local self = setmetatable({
    options = options, now = options.now or 1790000000000, random = options.random,
    records = {}, order = {}, ready = {}, pending = {}, live = {}, live_order = {}, delayed = {},
    bundles = {}, registry = {}, dedupe = {}, sequence = 0, events = 0, turns = 0, stale = 0, seeds = 0,
    logs = {}, told = {},
    limits = options.limits or { payload_bytes = 16 * 1024 * 1024, depth = 64 },
  }, Driver)
  local over
  self.host = {
    log = function(level, run, text, fields)
      table.insert(self.logs, { level = level, run = run, text = text, fields = fields })
    end,
    limit = function(ms)
      local was = over
      over = false
      self.limit_ms = ms
      return was
    end,
    elapsed_ms = function() return 0 end,
    overrun = function() over = true end, -- the limit has come: what a spec's step says
    seed = function()
      self.seeds = self.seeds + 1
      return self.seeds * 0x9e3779b97f4a7c15
    end,
  }
  self:deploy(options)
  return self
end

---New code: what new attempts run.
function Driver:deploy(options)
  local made
  if options.files then
    local faults
    made, faults = bundle.load(("b%d"):format(#self.bundles + 1), options.files)
    if not made then error(table.concat(faults, "\n"), 2) end
  else
    made = { name = ("b%d"):format(#self.bundles + 1), workflows = {},
             environment = sandbox.environment(require) }
    for _, definition in ipairs(options.workflows) do made.workflows[definition.id] = definition end
    bundle.add_own(made.workflows)
  end
  table.insert(self.bundles, made)
  self.bundles[made.name] = made
  for id, definition in pairs(made.workflows) do
    self.registry[id] = { bundle = made.name, definition = definition }
  end
  return made
end

-- ------------------------------------------------------------------------------------------------
-- Records

-- The parent, the operation there, and the round: "" or "~<n>".
local function parent_of(id)
  local parent, operation = id:match("^(.*)/([^/]*)$")
  if not parent then return nil end
  return parent, operation:gsub("~%d+$", ""), operation:match("~%d+$") or ""
end

function Driver:keep(record)
  if not self.options.history then return end
  local copy = {}
  for field, value in pairs(record.fields) do copy[field] = value end
  copy.started_at = copy.started_at or tostring(self.now)
  copy.attempt, copy.turn, copy.number = tostring(record.attempt), tostring(record.turn), tostring(record.number)
  copy.state = record.state
  table.insert(record.history, copy)
end

local function move(record, to)
  assert(NEXT[record.state][to],
    ("illegal move of %s from %s to %s"):format(record.id, record.state, to))
  record.state = to
end

local function enqueue(self, record)
  self.sequence = self.sequence + 1
  record.place = (100 - (record.priority or 0)) * 2 ^ 45 + self.sequence
  local at = #self.ready + 1
  while at > 1 and self.records[self.ready[at - 1]].place > record.place do at = at - 1 end
  table.insert(self.ready, at, record.id)
end

function Driver:make_ready(record)
  move(record, "ready")
  self.delayed[record.id] = record.deadline
  enqueue(self, record)
end

function Driver:delay(record, wake)
  if record.deadline and record.deadline < wake then wake = record.deadline end
  self.delayed[record.id] = wake
end

-- `at`: when it is taken to have been, if that is not now.
local function begin_operation(self, record, operation, text, at)
  record.fields["o:" .. operation] = "\t" .. (at or self.now) .. "\t" .. text
  table.insert(record.begun, operation)
end

local function record_outcome(self, record, operation, state, attempts, value, at, round, shared)
  local field = "o:" .. operation
  local text = record.fields[field]
  if not text or text:byte() ~= 9 then return false end
  record.number = record.number + 1
  record.fields[field] = record.number .. text
  record.fields[tostring(record.number)] =
    ("%s\t%s\t%d\t%d%s\t%s"):format(operation .. (round or ""), state, at or self.now, attempts,
      shared and " " .. shared or "", value)
  self:keep(record)
  return true
end

local function outcomes_of(record, known)
  local list = {}
  for number = known + 1, record.number do
    local outcome = record.fields[tostring(number)] -- some are forgotten
    if outcome then list[#list + 1] = number .. "\t" .. outcome end
  end
  return list
end

local function begin_run(self, id, workflow, data, seed, options)
  local registered = self.registry[workflow]
  local definition = registered and registered.definition
  local record = {
    id = id, state = "", turn = 0, number = 0, attempt = 1, begun = {}, history = {}, deaths = 0, waiters = {},
    priority = options.priority or definition and definition.priority or 0,
    detached = options.detached, workflow = workflow, created_at = self.now,
    fields = { workflow = workflow, data = data, seed = tostring(seed), created_at = tostring(self.now),
               retry = options.retry, deps = options.deps },
  }
  self.records[id] = record
  table.insert(self.order, id)
  local delay_ms = options.delay_ms or 0
  if definition and definition.timeout_ms then
    record.deadline = self.now + delay_ms + definition.timeout_ms
  end
  if delay_ms > 0 then
    move(record, "scheduled")
    self.delayed[id] = self.now + delay_ms
  elseif registered then
    self:make_ready(record)
  else
    move(record, "ready") -- stands in a queue of its own until somebody announces the workflow
  end
  return record
end

-- What waits for a run that is no child of its own.
local function tell_waiters(self, record, value)
  for _, waiter in ipairs(record.waiters) do
    local run, operation = self.records[waiter.run], waiter.operation
    if not ENDED[run.state] and run.fields["w:" .. operation] == record.id
      and record_outcome(self, run, operation, record.state, record.attempt, value, nil, nil, record.id)
      and run.state == "waiting" then
      self:make_ready(run)
    end
  end
  record.waiters = {}
end

function Driver:finish_run(record, state, value)
  move(record, state)
  record.fields[state == "completed" and "result" or "error"] = value
  if state == "completed" then record.fields.error = nil end
  record.finished_at = self.now
  self.delayed[record.id] = nil
  tell_waiters(self, record, value)
  local parent_id, operation, round = parent_of(record.id)
  local parent = parent_id and not record.detached and self.records[parent_id]
  if not parent or ENDED[parent.state] then return end
  if record_outcome(self, parent, operation, state, record.attempt, value, nil, round) or record.lingers then
    if parent.state == "waiting" then self:make_ready(parent) end
  end
end

local function record_end(self, record, code, message)
  record.number = record.number + 1
  record.fields[tostring(record.number)] = ("\t%s\t%d\t0\t%s"):format(code, self.now, message)
  self:keep(record)
end

local function cancel_run(self, record, code, message, now)
  if ENDED[record.state] or record.cancel and (not now or record.cut) then return end
  local state = record.state
  if (state == "ready" or state == "scheduled") and not record.fields.started_at then
    self:finish_run(record, code == "cancelled" and "cancelled" or "failed",
      json.encode { code = code, message = message, run = record.id })
    return
  end
  if not record.cancel then
    record_end(self, record, code, message)
    record.cancel = record.number
  end
  if now then
    record_end(self, record, "now", message)
    record.cut = true
  end
  if state == "waiting" or state == "retrying" then self:make_ready(record) end
end

-- An ended run begins again: see lib.reopen.
local function reopen(self, record, again)
  local fields, registered = record.fields, self.registry[record.workflow]
  fields.again, fields["bundle@" .. record.attempt], fields.bundle = again, fields.bundle, nil
  fields.spent = tostring(record.attempt)
  record.attempt = record.attempt + 1
  fields.error, fields.result, record.finished_at = nil, nil, nil
  record.cancel, record.cut, record.lingers, record.deaths = nil, nil, nil, 0
  local timeout_ms = registered and registered.definition.timeout_ms
  record.deadline = timeout_ms and self.now + timeout_ms
  self:make_ready(record)
end

local function expire(self, record)
  if record.deadline and record.deadline <= self.now and not record.cancel
    and not ENDED[record.state] then
    record.deadline = nil
    cancel_run(self, record, "expired", "the run timed out")
  end
end

-- ------------------------------------------------------------------------------------------------
-- Effects: each takes its arguments with `take`

local effects = {}

local function untold_cancel(record) return record.cancel and record.cancel > record.told end

function effects.record(self, record, take)
  local operation, text = take(), take()
  begin_operation(self, record, operation, text)
end

function effects.resolve(self, record, take)
  local operation, state, attempts, value, text = take(), take(), take(), take(), take()
  if text ~= "" then begin_operation(self, record, operation, text) end
  record_outcome(self, record, operation, state, attempts, value)
end

local function chain_of(self, id)
  local names = {}
  while id do
    table.insert(names, 1, self.records[id].workflow)
    id = parent_of(id)
  end
  return table.concat(names, " > ")
end

local function may_be_fused(self, workflow, name)
  local registered = self.registry[workflow]
  return self.options.fused ~= false and registered and registered.bundle == name
end

-- The child that is there goes on, or its end is the outcome.
local function attach(self, record, operation, child, round, options)
  if not ENDED[child.state] then return end
  local again = options.again and child.fields.again
  if again or options.again and child.state ~= "completed" then
    child.fields.retry = options.retry or child.fields.retry
    return reopen(self, child, again or "rule")
  end
  local value = child.fields[child.state == "completed" and "result" or "error"]
  record_outcome(self, record, operation, child.state, child.attempt, value, nil, round)
end

-- The run that stands for what is asked for with this key.
local function earlier_run(self, workflow, key)
  local one = self.dedupe[workflow .. "\t" .. key]
  local run = one and one.expires_at > self.now and self.records[one.run]
  return run and run.state ~= "failed" and run.state ~= "cancelled" and run or nil
end

local function share(self, record, operation, other, detached)
  if not detached and not ENDED[other.state] and (record.id .. "/"):sub(1, #other.id + 1) == other.id .. "/" then
    record_outcome(self, record, operation, "refused", 0, json.encode {
      code = "cycle",
      message = ("waiting for %s, which waits for this run: %s"):format(other.id, chain_of(self, record.id)),
    })
    return
  end
  record.fields["w:" .. operation] = other.id
  if not detached and not ENDED[other.state] then
    table.insert(other.waiters, { run = record.id, operation = operation })
    return
  end
  record_outcome(self, record, operation, "completed", detached and 1 or other.attempt,
    detached and json.encode(other.id) or other.fields.result, nil, nil, other.id)
end

function effects.invoke(self, record, take)
  local operation, text, id, workflow, data = take(), take(), take(), take(), take()
  local seed, max_depth, unknown, name, result = take(), take(), take(), take(), take()
  local options = {}
  for _ = 1, take() do
    local option = take()
    options[option] = take()
  end
  local foreseen_at
  if name ~= "" and record.foreseen > 0 then
    record.foreseen, foreseen_at = record.foreseen - 1, record.foreseen_at
  end
  begin_operation(self, record, operation, text, foreseen_at)
  if untold_cancel(record) then
    record_outcome(self, record, operation, "refused", 0, json.encode {
      code = "cancelled", message = "not started: its run is being cancelled",
    })
    return
  end
  local _, depth = id:gsub("/", "")
  if depth > max_depth then
    record_outcome(self, record, operation, "refused", 0, json.encode {
      code = "cycle",
      message = ("invoking %s goes deeper than %d runs: %s"):format(workflow, max_depth,
        chain_of(self, record.id)),
    })
    return
  end
  if unknown ~= "" and not self.registry[workflow] then
    record_outcome(self, record, operation, "refused", 0, unknown)
    return
  end
  local child, round = self.records[id], id:match("~%d+$")
  if child and options.again and (child.workflow ~= workflow or child.fields.data ~= data) then
    if not ENDED[child.state] then child.detached = "1" end
    round = "~" .. options.again
    id, child = record.id .. "/" .. operation .. round, nil
  end
  if options.again then record.fields["x:" .. operation] = nil end
  if round then record.fields["c:" .. operation] = round:sub(2) end
  if child then return attach(self, record, operation, child, round, options) end
  if options.dedupe then
    local earlier = earlier_run(self, workflow, options.dedupe)
    if earlier then return share(self, record, operation, earlier, options.detached) end
    self.dedupe[workflow .. "\t" .. options.dedupe] = { run = id, expires_at = self.now + options.within_ms }
  end
  if name ~= "" and may_be_fused(self, workflow, name) then
    local at = foreseen_at or self.now
    child = {
      id = id, state = "completed", turn = 0, number = 0, attempt = 1, begun = {}, history = {}, waiters = {},
      workflow = workflow, created_at = at, finished_at = at, was_fused = true,
      fields = { workflow = workflow, data = data, seed = tostring(seed), result = result,
                 created_at = tostring(at), started_at = tostring(at), bundle = name, deps = options.deps },
    }
    self.records[id] = child
    table.insert(self.order, id)
    record_outcome(self, record, operation, "completed", 1, result, foreseen_at, round)
    if foreseen_at then record.told = record.number end
    return
  end
  if options.detached then
    record_outcome(self, record, operation, "completed", 1, json.encode(id), nil, round)
  end
  begin_run(self, id, workflow, data, seed, options)
end

function effects.graph(_, record, take) record.fields.graph = take() end

local DEPS_BYTES = 1024 * 1024

function effects.deps(self, record, take)
  local operation, text = take(), take()
  local parent = self.records[parent_of(record.id)]
  local states, bytes = {}, 0
  for i = 1, take() do
    local number = (parent.fields["o:" .. take()] or ""):match("^%d+")
    local state = '{"ok":false}'
    if number then
      local outcome = entry.read_outcome(number .. "\t" .. parent.fields[number])
      state = (outcome.state == "completed" and '{"ok":true,"value":%s}' or '{"ok":false,"error":%s}')
        :gsub("%%s", function() return outcome.value end)
    end
    bytes = bytes + #state
    if i == #states + 1 and (i == 1 or bytes <= DEPS_BYTES) then states[i] = state end
  end
  begin_operation(self, record, operation, text)
  record_outcome(self, record, operation, "completed", 1, "[" .. table.concat(states, ",") .. "]")
end

function effects.cancel(self, record, take)
  local id, message, now = take(), take(), take()
  local _, operation = parent_of(id)
  if record.fields["w:" .. operation]
    and record_outcome(self, record, operation, "cancelled", 0, json.encode { code = "cancelled", message = message })
  then
    return
  end
  if self.records[id] then cancel_run(self, self.records[id], "cancelled", message, now == "1") end
end

function effects.forget(self, record, take)
  local operation, mark = take(), take()
  local fields = record.fields
  if operation == "" then
    fields[mark] = nil
    return
  end
  local text = fields["o:" .. operation]
  if not text then return end
  local number, round = text:match("^%d+"), fields["c:" .. operation]
  if number then fields[number] = nil end
  fields["o:" .. operation], fields["c:" .. operation], fields["w:" .. operation] = nil, nil, nil
  if mark == "" then return end
  fields["x:" .. operation] = (round or "1") .. (mark == "anew" and "+" or "")
  local child = self.records[record.id .. "/" .. operation .. (round and "~" .. round or "")]
  if mark == "anew" and child and not ENDED[child.state] then child.detached = "1" end
end

function effects.afresh(_, record)
  record.fields.again, record.fields.barren = nil, nil
end

function effects.tag(_, record, take)
  record.fields.tags = take()
end

-- What is kept, and how long, is the store's business.
function effects.abandon(_, _, take) take() end

function effects.suspend(self, record, take)
  local wake, wake_in = take(), take()
  if record.number > record.told then return end
  wake = wake ~= "" and wake or math.huge
  if wake_in ~= "" then wake = math.min(wake, self.now + wake_in) end
  move(record, "waiting")
  record.known = record.number
  self:delay(record, wake)
end

function effects.retry(self, record, take)
  local delay_ms, text = take(), take()
  if untold_cancel(record) then return end
  move(record, "retrying")
  record.fields.error = text
  self:delay(record, self.now + delay_ms)
end

-- Whether one of the children that a run names as it ends is alive: then the run waits for the last of them.
local function linger(self, record, take)
  local alive
  for _ = 1, take() do
    local child = self.records[take()]
    if child and not ENDED[child.state] then alive = child end
  end
  if alive then alive.lingers = true end
  if alive and record.number <= record.told then
    move(record, "waiting")
    record.known = record.number
    self:delay(record, math.huge)
  end
  return alive ~= nil
end

function effects.complete(self, record, take)
  local result = take()
  if linger(self, record, take) or untold_cancel(record) then return end
  self:finish_run(record, "completed", result)
end

function effects.fail(self, record, take)
  local state, text, barren = take(), take(), take()
  if linger(self, record, take) or untold_cancel(record) then return end
  if barren ~= "" then record.fields.barren = barren end
  self:finish_run(record, state, text)
end

-- What C would take: integers and texts, nothing else.
local function check_effects(list)
  for i, value in ipairs(list) do
    assert(type(value) == "string" or math.type(value) == "integer",
      ("effect %d of %s is a %s"):format(i, list[1], math.type(value) or type(value)))
  end
end

-- ------------------------------------------------------------------------------------------------
-- Events: compute and apply

local function forget(self, id)
  self.live[id] = nil
  for i, other in ipairs(self.live_order) do
    if other == id then
      table.remove(self.live_order, i)
      return
    end
  end
end

-- The coroutine of a run, warm or begun from its record.
local function hold(self, record)
  local live = self.live[record.id]
  if live then return live end
  local list = {}
  for field, value in pairs(record.fields) do
    list[#list + 1], list[#list + 2] = field, value
  end
  for _, field in ipairs { "attempt", "turn", "number" } do
    list[#list + 1], list[#list + 2] = field, tostring(record[field])
  end
  list[#list + 1], list[#list + 2] = "deaths", tostring(record.deaths)
  executor.host, executor.limits = self.host, self.limits
  live = { known = record.number, reply = {}, cold = true,
           run = executor.begin(self.bundles[record.fields.bundle], record.id, record.number, list, true) }
  self.live[record.id] = live
  table.insert(self.live_order, record.id)
  return live
end

local function tell(record, live, known)
  local outcomes = outcomes_of(record, known)
  live.reply = outcomes
  for _, outcome in ipairs(outcomes) do
    live.known = math.max(live.known, math.tointeger(tonumber(outcome:match("^%d+"))))
  end
end

local function claim(self, record)
  if record.state ~= "ready" then return false end
  expire(self, record)
  if record.state ~= "ready" then return false end
  local fields = record.fields
  if not fields.bundle then
    local registered = self.registry[record.workflow]
    fields.bundle = registered and registered.bundle or self.bundles[#self.bundles].name
  end
  fields.started_at = fields.started_at or tostring(self.now)
  move(record, "running")
  self.delayed[record.id] = nil
  if self.live[record.id] then tell(record, self.live[record.id], record.known) end
  return true
end

-- A run's Lua runs. Returns what it told, which is not yet applied.
local function compute(self, record)
  if record.state ~= "running" and not claim(self, record) then return end
  local live = hold(self, record)
  executor.host, executor.limits = self.host, self.limits
  local reply = live.reply
  live.reply = nil
  self.computing = record
  live.effects = live.run:turn(self.now, reply, live.recorded_at)
  self.computing = nil
  check_effects(live.effects)
end

-- Whether what a run foresaw is so: the outcomes of its fused children are the next ones.
local function is_foreseen(self, record, list)
  if list[2] ~= record.number then return false end
  for _, effect in ipairs(driver.split(list)) do
    if effect[1] == "invoke" and effect[10] ~= "" then
      local id, workflow, max_depth, name = effect[4], effect[5], effect[8], effect[10]
      local _, depth = id:gsub("/", "")
      if depth > max_depth or self.records[id] or not may_be_fused(self, workflow, name) then
        return false
      end
    end
  end
  return true
end

local function apply(self, record)
  local live = self.live[record.id]
  local list, at = live.effects, 0
  local function take()
    at = at + 1
    return assert(list[at], "too few arguments")
  end
  live.effects = nil
  expire(self, record)
  record.foreseen = 0
  if list[1] == "foresee" then
    if not is_foreseen(self, record, list) then -- nothing was written: back to the journal
      self.stale = self.stale + 1
      forget(self, record.id)
      hold(self, record).run:be_cautious()
      return
    end
    record.foreseen_at, record.foreseen, at = list[3], list[4], 4
  end
  self.turns = self.turns + 1
  record.told, record.turn = live.known, record.turn + 1
  record.deaths = 0
  table.insert(self.told, { run = record.id, turn = record.turn, effects = list })
  while at < #list do
    local name = take()
    assert(effects[name], name)(self, record, take)
  end
  self:keep(record)
  live.recorded_at = self.now
  if record.state == "running" then
    tell(record, live, live.known)
  elseif record.state ~= "waiting" and record.state ~= "ready" then
    forget(self, record.id)
  end
  if self.options.always_replay and record.state == "waiting" then forget(self, record.id) end
end

---The worker no longer has the coroutine; nobody died.
function Driver:drop(id)
  local record, live = self.records[id], self.live[id]
  if not live then return end
  forget(self, id)
  if record.state == "running" then self:make_ready(record) end
  return live
end

---The process that holds this run's coroutine dies: what it told and was not applied is lost.
function Driver:crash(id)
  local record = self.records[id]
  local was_running = record.state == "running"
  if not self:drop(id) or not was_running then return end
  record.deaths = record.deaths + 1
  if record.deaths >= (self.options.max_deaths or 5) then
    record.number = record.number + 1
    record.fields[tostring(record.number)] =
      ("\tlost\t%d\t0\tlost: %d processes died while they ran it"):format(self.now, record.deaths)
  end
end

-- The next thing that may happen now, or one of them: a run, and what is to be done with it. What was
-- put down here may not be so any more: its process died, the run has ended.
local function take_next(self)
  local pending, ready = self.pending, self.ready
  while #pending + #ready > 0 do
    local chosen = self.random and self.random(#pending + #ready) or 1
    local id
    if chosen <= #pending then
      id = table.remove(pending, chosen)
    else
      id = table.remove(ready, chosen - #pending)
    end
    local record, live = self.records[id], self.live[id]
    if record.state == "ready" then return record, compute end
    if record.state == "running" and live and live.effects then return record, apply end
    if record.state == "running" and live and live.reply then return record, compute end
  end
end

---One event; false when there is none until the clock moves.
function Driver:step()
  local record, event = take_next(self)
  if not record then return false end
  self.events = self.events + 1
  event(self, record)
  local live = self.live[record.id]
  if live and record.state == "running" then table.insert(self.pending, record.id) end
  if self.options.on_event then self.options.on_event(self, record.id, event == apply) end
  if self.events == self.options.crash_at then
    for i = #self.live_order, 1, -1 do self:crash(self.live_order[i]) end
  end
  assert(self.events < (self.options.max_events or 20000), "the runs do not come to an end")
  return true
end

---Everything that can happen without the clock.
function Driver:settle()
  while self:step() do end
end

---Wake what is due.
function Driver:promote()
  local due = {}
  for id, wake in pairs(self.delayed) do
    if wake <= self.now then due[#due + 1] = id end
  end
  table.sort(due)
  for _, id in ipairs(due) do
    local record = self.records[id]
    expire(self, record)
    if record.state == "scheduled" or record.state == "waiting" then
      self:make_ready(record)
    elseif record.state == "retrying" then
      record.fields["bundle@" .. record.attempt] = record.fields.bundle
      record.fields.bundle = nil
      record.attempt = record.attempt + 1
      self:make_ready(record)
    else
      self.delayed[id] = nil
    end
  end
end

---The next instant at which something is due.
function Driver:next_due()
  local first = math.huge
  for _, wake in pairs(self.delayed) do first = math.min(first, wake) end
  return first < math.huge and first or nil
end

---Move the clock, through every instant at which something is due.
---@param ms integer
function Driver:advance(ms)
  local till = self.now + ms
  self:settle()
  local due = self:next_due()
  while due and due <= till do
    self.now = math.max(self.now, math.tointeger(due))
    self:promote()
    self:settle()
    due = self:next_due()
  end
  self.now = till
end

---Run until nothing more is due; with an id, until that run has ended.
function Driver:finish(id)
  while true do
    while not (id and ENDED[self.records[id].state]) and self:step() do end
    if id and ENDED[self.records[id].state] then return self:view(id) end
    local due = self:next_due()
    if not due then return id and self:view(id) end
    self.now = math.max(self.now, math.tointeger(due))
    self:promote()
  end
end

-- ------------------------------------------------------------------------------------------------
-- From outside

---@return string id
function Driver:start(workflow, data, options)
  options = options or {}
  local id = options.id or ("run-" .. #self.order + 1)
  begin_run(self, id, workflow, options.text or (data == nil and "{}" or json.encode(data)),
    options.seed or 42, options)
  return id
end

---Start, run to the end, show.
function Driver:run(workflow, data, options)
  return self:finish(self:start(workflow, data, options))
end

---@param now boolean? without clean-up
function Driver:cancel(id, message, now)
  cancel_run(self, self.records[id], "cancelled", message or "cancelled by hand", now)
end

---An ended run begins again, and those below it on the way: { id, again, id, again … } from the topmost down.
function Driver:retry(...)
  local chain = { ... }
  for i = 1, #chain, 2 do
    local record, again = self.records[chain[i]], chain[i + 1]
    assert(ENDED[record.state], chain[i] .. " has not ended")
    if again == "scratch" or again:find("^from") then
      record.fields.round = tostring((tonumber(record.fields.round) or 1) + 1)
    end
    if i == 1 then reopen(self, record, again) else record.fields.again = again end
  end
end

---A limit was hit in what this run does now, its effects were discarded with it.
function Driver:doom(id, code, message)
  local record = self.records[id]
  local live = hold(self, record)
  live.run:doom(code, message)
  if record.state == "running" then
    live.effects, live.reply = nil, live.reply or {}
  end
end

---A run as people see it.
function Driver:view(id)
  local record = self.records[id]
  if not record then return nil end
  local fields = record.fields
  local view = {
    id = id, state = record.state, attempt = record.attempt, workflow = record.workflow,
    result = fields.result and json.decode(fields.result),
    error = fields.error and failure.decode(fields.error),
    started_at = tonumber(fields.started_at), finished_at = record.finished_at,
    operations = {}, by_id = {},
  }
  local seen = {}
  for _, operation in ipairs(record.begun) do
    if not seen[operation] and fields["o:" .. operation] then
      seen[operation] = true
      local read = entry.read(fields["o:" .. operation])
      read.id, read.state = operation, "running"
      local outcome = read.number and fields[tostring(read.number)]
      read.round = tonumber(fields["c:" .. operation])
      if outcome then
        outcome = entry.read_outcome(read.number .. "\t" .. outcome)
        read.state, read.attempts, read.finished_at = outcome.state, outcome.attempts,
          outcome.finished_at
        read.value = outcome.value
      end
      table.insert(view.operations, read)
      view.by_id[operation] = read
    end
  end
  return view
end

function Driver:state(id) return self.records[id] and self.records[id].state end

-- Effect -> its arguments, and for those that end with a list how many values an item of it has.
local ARGUMENTS = {
  foresee = { 3 }, graph = { 1 }, deps = { 3, 1 }, record = { 2 }, suspend = { 2 }, retry = { 2 }, cancel = { 3 },
  resolve = { 5 }, invoke = { 11, 2 }, complete = { 2, 1 }, fail = { 4, 1 }, forget = { 2 }, afresh = { 0 },
  tag = { 1 }, abandon = { 1 },
}

---The effects of a turn, each as a list of its own: { name, argument, … }.
---@param list table flat
---@return table[]
function driver.split(list)
  local split, at = {}, 1
  while at <= #list do
    local shape = assert(ARGUMENTS[list[at]], list[at])
    local last, each = at + shape[1], shape[2]
    if each then last = last + each * list[last] end
    split[#split + 1] = table.move(list, at, last, 1, {})
    at = last + 1
  end
  return split
end

---The names of the effects that a run has told, in order.
function Driver:effects_of(id)
  local names = {}
  for _, turn in ipairs(self.told) do
    if turn.run == id then
      for _, effect in ipairs(driver.split(turn.effects)) do names[#names + 1] = effect[1] end
    end
  end
  return names
end

-- ------------------------------------------------------------------------------------------------
-- A journal in, effects out

---Begin a run from a journal that a spec writes, and let it take one turn.
---@param definitions weir.Definition[]
---@param journal { data: any, operations: table[]?, outcomes: table[]?, fields: table?, now: integer? }
---operations: { id, kind, subject?, arguments?, after? }   outcomes: { id, state?, value? }, from 1 on
---@return table[] effects split
---@return table run
function driver.replay(definitions, journal)
  local made = driver.new { workflows = definitions, now = journal.now, limits = journal.limits }
  local fields = {
    workflow = definitions[1].id, data = json.encode(journal.data or {}), seed = "42", bundle = "b1",
    created_at = "1790000000000", started_at = "1790000000000",
  }
  local numbers = {}
  for number, outcome in ipairs(journal.outcomes or {}) do
    local id, state, value = table.unpack(outcome)
    numbers[id] = number
    fields[tostring(number)] = ("%s\t%s\t%d\t1\t%s"):format(id, state or "completed",
      1790000000000 + number, value or "null")
  end
  for _, operation in ipairs(journal.operations or {}) do
    local id, kind, subject, arguments, after = table.unpack(operation, 1, 5)
    fields["o:" .. id] = ("%s\t1790000000000\t%s\t%d\t1\told.lua:7\t%s\t%s"):format(numbers[id] or "",
      kind, after or 0, subject or "", arguments or "")
  end
  for field, value in pairs(journal.fields or {}) do fields[field] = value end
  executor.host, executor.limits = made.host, made.limits
  local run = executor.from_fields(made.bundles.b1, "r", fields)
  local list = run:turn(made.now, {})
  check_effects(list)
  return driver.split(list), run, made
end

---Nothing is left behind: every child of an ended run has ended, or is let go.
---@return string? fault
function Driver:fault()
  for _, id in ipairs(self.order) do
    local record = self.records[id]
    local parent_id, operation = parent_of(id)
    local parent = parent_id and self.records[parent_id]
    if parent and ENDED[parent.state] and not ENDED[record.state] and not record.detached then
      local text = parent.fields["o:" .. operation]
      local outcome = text and text:match("^%d+")
      local abandoned = outcome and text:find('"on_timeout":"abandon"', 1, true)
      if not abandoned then
        return ("%s is %s but its parent %s"):format(id, record.state, parent.state)
      end
    end
    if record.state == "waiting" and not self.delayed[id] then
      return id .. " waits but nothing will wake it"
    end
  end
end

return driver
