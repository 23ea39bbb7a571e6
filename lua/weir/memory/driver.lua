-- Runs trees of runs in memory: a store that does with each effect what redis-scripts/ does, under a clock that stands
-- still until it is moved. Nothing waits, nothing is lost, everything can be seen. weir.testing is made of it.
--
-- A turn is two events, as in the host: `compute` lets a run's Lua run, `apply` writes what it told. Between the two
-- anything else may happen, and a crash loses what was not applied.
--
-- memory/store.lua defines the contents of the store. memory/effects.lua applies the effects that runs send to it.

local bundle = require "weir.code.bundle"
local random = require "weir.base.random"
local act = require "weir.memory.effects"
local effects = require "weir.replay.effects"
local entry = require "weir.record.entry"
local runs = require "weir.engine.run"
local failure = require "weir.base.failure"
local replay = require "weir.engine.check"
local run_id = require "weir.base.run_id"
local sandbox = require "weir.code.sandbox"
local Store = require "weir.memory.store"

local memory = {}

---@class weir.Memory: weir.MemoryStore
local Memory = setmetatable({}, { __index = Store })
Memory.__index = Memory

memory.Memory = Memory

---When the clock begins, unless the options say otherwise: 2026-09-21 13:33:20 UTC.
memory.BEGINNING_MS = 1790000000000

local MAX_EVENTS = 1000000
local ENDED = { completed = true, failed = true, cancelled = true }

---@class weir.MemoryOptions
---@field workflows weir.Definition[]? definitions, or
---@field files table<string, string>? sources, loaded as a bundle in the sandbox
---@field now integer? ms
---@field random (fun(n: integer): integer)? chooses among what may happen next; else what is oldest
---@field seed integer? of what is drawn for the children of runs
---@field always_replay boolean? drops every coroutine that is suspended
---@field strict boolean? code that does not do in a replay what it did before raises
---@field separate boolean? no child is run in its parent's turn
---@field inlined boolean? false: the store takes no child that was, as when newer code is registered
---@field crash_at integer? the event after which the process dies
---@field history boolean? keeps a copy of a record after each change: `record.history`
---@field chronicle boolean? keeps all that happens
---@field limits table?
---@field max_crashes integer?
---@field max_events integer?
---@field mocked_step (fun(run: table, operation: weir.Operation): fun(about: table): any)? in place of a step's body
---@field advise (fun(workflow: string): string)? on a workflow that does not exist
---@field on_event fun(memory: weir.Memory, id: string, applied: boolean)?
---@field on_turn fun(memory: weir.Memory, record: weir.MemoryRecord, effects: table)?

-- Builds the host interface that runs call.
local function host_of(self)
  local over
  local host = {
    log = function(level, run, text, fields)
      table.insert(self.logs, { level = level, run = run, text = text, fields = fields, at_ms = self.now })
    end,
    limit = function(ms)
      local was = over
      over = false
      self.limit_ms = ms
      return was
    end,
    elapsed_ms = function() return 0 end,
    overrun = function() over = true end, -- the limit has come: what a step says for itself
    seed = function(id) return random.bits(self.options.seed or 0, id, 1) end, -- the same after a crash
    mocked_step = self.options.mocked_step,
    advise = self.options.advise,
  }
  return host
end

---@param options weir.MemoryOptions
---@return weir.Memory? memory
---@return string[]? faults of the files, when there is none
function memory.new(options)
  local self = setmetatable({
    options = options, now = options.now or memory.BEGINNING_MS, random = options.random,
    records = {}, order = {}, ready = {}, pending = {}, live = {}, live_order = {}, delayed = {}, open = {},
    bundles = {}, registry = {}, dedupe = {}, sequence = 0, events = 0, turns = 0, stale = 0, retries = 0,
    logs = {}, calls = {}, ended = {}, chronicle = options.chronicle and {} or nil, crash_at = options.crash_at,
    max_events = options.max_events or MAX_EVENTS,
    limits = options.limits or { payload_bytes = 16 * 1024 * 1024, depth = 64 },
  }, Memory)
  self.host = host_of(self)
  local made, faults = self:deploy(options)
  if not made then return nil, faults end
  return self
end

---New code: what new attempts run.
---@param code { workflows: weir.Definition[]?, files: table<string, string>? }
---@return weir.Bundle?
---@return string[]? faults
function Memory:deploy(code)
  local name = ("b%d"):format(#self.bundles + 1)
  local made, faults
  if code.files then
    made, faults = bundle.load(name, code.files)
    if not made then return nil, faults end
  else
    made = { name = name, workflows = {}, environment = sandbox.environment(require) }
    for _, definition in ipairs(code.workflows) do made.workflows[definition.id] = definition end
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
  live = {
    known = record.last_number, reply = {}, cold = true,
    run = runs.from_fields(self.bundles[record.fields.bundle], record.id, Store.fields_of(record), self),
  }
  self.live[record.id] = live
  table.insert(self.live_order, record.id)
  return live
end

local function tell(record, live, known)
  local outcomes = Store.outcomes_of(record, known)
  live.reply = outcomes
  for _, outcome in ipairs(outcomes) do
    live.known = math.max(live.known, math.tointeger(tonumber(outcome:match("^%d+"))))
  end
end

local function claim(self, record)
  if record.state ~= "ready" then return false end
  self:expire(record)
  if record.state ~= "ready" then return false end
  local fields = record.fields
  if not fields.bundle then
    local registered = self.registry[record.workflow]
    fields.bundle = registered and registered.bundle or self.bundles[#self.bundles].name
    self:note_call(record)
  end
  fields.started_at = fields.started_at or tostring(self.now)
  self:move(record, "running")
  self.delayed[record.id] = nil
  if self.live[record.id] then tell(record, self.live[record.id], record.acked) end
  return true
end

-- Code that does not follow from its journal cannot be trusted with anything that it says next.
local function check_determinism(record, live)
  local poison = live.run.journal.poisoned
  local fault = poison and poison.code == "replay_mismatch" and poison.message
    or live.cold and replay.divergence(live.run, record.fields)
  if not fault then return end
  error(failure.new {
    code = "replay_mismatch", message = ('workflow "%s" is not deterministic: %s'):format(record.workflow, fault),
  }, 0)
end

-- A run's Lua runs. What it told is not yet applied.
local function compute(self, record)
  if record.state ~= "running" and not claim(self, record) then return end
  local live = hold(self, record)
  self.host.separate = self.options.separate
  local reply = live.reply
  live.reply = nil
  self.computing = record
  live.effects = live.run:turn(self.now, reply, live.recorded_at)
  self.computing = nil
  if self.options.strict then check_determinism(record, live) end
  live.cold = false
end

-- Whether what a run speculated on is so: the outcomes of its inlined children are the next ones.
local function is_as_speculated(self, record, header, told)
  if header.number ~= record.last_number then return false end
  for _, effect in ipairs(told) do
    local invoke = effect.fields
    if effect.name == "invoke" and invoke.bundle ~= "" then
      if run_id.depth(invoke.child) > invoke.max_depth or self.records[invoke.child]
        or not self:may_be_inlined(invoke.workflow, invoke.bundle) then
        return false
      end
    end
  end
  return true
end

local function apply(self, record)
  local live = self.live[record.id]
  local list = live.effects
  local header, told = effects.read(list)
  live.effects = nil
  self:expire(record)
  record.speculated = 0
  if header then
    if not is_as_speculated(self, record, header, told) then -- nothing was written: back to the journal
      self.stale = self.stale + 1
      forget(self, record.id)
      hold(self, record).run:disable_speculation()
      return
    end
    record.speculated_at, record.speculated = header.at, header.count
  end
  self.turns = self.turns + 1
  record.acked, record.turn = live.known, record.turn + 1
  record.crashes = 0
  if self.options.on_turn then self.options.on_turn(self, record, list) end
  for _, effect in ipairs(told) do assert(act[effect.name], effect.name)(self, record, effect.fields) end
  self:keep(record)
  live.recorded_at = self.now
  if record.state == "running" then
    tell(record, live, live.known)
  elseif record.state ~= "waiting" and record.state ~= "ready" then
    forget(self, record.id)
  end
  if self.options.always_replay and record.state == "waiting" then forget(self, record.id) end
end

---The worker no longer has the coroutine; no process died.
function Memory:drop(id)
  local record, live = self.records[id], self.live[id]
  if not live then return end
  forget(self, id)
  if record.state == "running" then self:make_ready(record) end
  return live
end

---The process that holds this run's coroutine dies: what it told and was not applied is lost.
function Memory:crash(id)
  local record = self.records[id]
  local was_running = record.state == "running"
  if not self:drop(id) or not was_running then return end
  record.crashes = record.crashes + 1
  if record.crashes >= (self.options.max_crashes or 5) then
    record.crash_loop = true
    record.last_number = record.last_number + 1
    record.fields[tostring(record.last_number)] = entry.write_end("crash_loop", self.now,
      ("crash_loop: %d processes died while they ran it"):format(record.crashes))
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
function Memory:step()
  local record, event = take_next(self)
  if not record then return false end
  self.events = self.events + 1
  event(self, record)
  local live = self.live[record.id]
  if live and record.state == "running" then table.insert(self.pending, record.id) end
  if self.options.on_event then self.options.on_event(self, record.id, event == apply) end
  if self.events == self.crash_at then
    self.crashed = true
    for i = #self.live_order, 1, -1 do self:crash(self.live_order[i]) end
  end
  if self.events > self.max_events then
    error(("the runs do not come to an end: %d events; the last one was of %s"):format(self.events, record.id), 0)
  end
  return true
end

---Everything that can happen without the clock.
function Memory:settle()
  while self:step() do end
end

---Wake what is due.
function Memory:promote()
  local due = {}
  for id, wake in pairs(self.delayed) do
    if wake <= self.now then due[#due + 1] = id end
  end
  table.sort(due)
  for _, id in ipairs(due) do
    local record = self.records[id]
    self:expire(record)
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
function Memory:next_due()
  local first = math.huge
  for _, wake in pairs(self.delayed) do first = math.min(first, wake) end
  return first < math.huge and first or nil
end

---Move the clock, through every instant at which something is due.
---@param ms integer
function Memory:advance(ms)
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

---Run until nothing more is due, or until `is_over` says so, which is asked before each event.
---@param is_over (fun(): boolean)?
function Memory:finish(is_over)
  while true do
    repeat
      if is_over and is_over() then return end
    until not self:step()
    local due = self:next_due()
    if not due then return end
    self.now = math.max(self.now, math.tointeger(due))
    self:promote()
  end
end

-- ------------------------------------------------------------------------------------------------
-- From outside

---@param id string
---@param message string
---@param now boolean? without clean-up
function Memory:cancel(id, message, now)
  self:cancel_run(self.records[id], "cancelled", message, now)
end

---An ended run begins again, and those below it on the way: { id, selection, id, selection … } from the topmost down.
function Memory:retry(...)
  local chain = { ... }
  self.retries = self.retries + 1
  for i = 1, #chain, 2 do
    local record, selection = self.records[chain[i]], chain[i + 1]
    record.fields.retry_id = tostring(self.retries)
    assert(ENDED[record.state], chain[i] .. " has not ended")
    if selection == "all" or selection:find("^from") then
      record.fields.generation = tostring((tonumber(record.fields.generation) or 1) + 1)
    end
    if i == 1 then self:reopen(record, selection) else record.fields.reset = selection end
  end
end

---A limit was hit in what this run does now, its effects were discarded with it.
function Memory:kill(id, code, message)
  local record = self.records[id]
  local live = hold(self, record)
  live.run:kill(code, message)
  if record.state == "running" then
    live.effects, live.reply = nil, live.reply or {}
  end
end

return memory
