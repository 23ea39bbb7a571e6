-- The driver without Redis, for weir.testing and the engine's specs. It executes trees of runs on a store in memory,
-- which applies each effect as redis-scripts/ do, under a clock that stands still until it is moved.
--
-- A turn is two events, as in the host: `compute` lets the Lua of a run run, `apply` writes its effects. Other events
-- may happen in between, and a crash loses effects that were not applied.
--
-- memory/store.lua has the contents of the store, memory/effects.lua applies effects.

local bundle = require "weir.code.bundle"
local plan = require "weir.reset.plan"
local random = require "weir.base.random"
local defaults = require "weir.define.defaults"
local apply_effect = require "weir.memory.effects"
local effects = require "weir.replay.effects"
local entry = require "weir.record.entry"
local runs = require "weir.engine.run"
local failure = require "weir.base.failure"
local check = require "weir.engine.check"
local run_id = require "weir.base.run_id"
local sandbox = require "weir.code.sandbox"
local Store = require "weir.memory.store"

local memory = {}

---@class weir.Memory: weir.MemoryStore
---@field host weir.native.host
---@field limits weir.Limits
---@field bundles table<integer|string, weir.Bundle> in the order of their deployment, and by name
---@field live table<string, weir.MemoryAttempt> run id -> its coroutine
---@field live_order string[] ids of these runs
---@field pending string[] ids of runs that can go on
---@field logs { level: string, run: string?, text: string, fields: string?, at_ms: integer }[]
---@field events integer so far
---@field turns integer that were applied
---@field refused_turns integer turns that had speculated wrongly
---@field computing weir.MemoryRecord? the run whose Lua runs

---@class weir.MemoryAttempt a run with a coroutine
---@field run weir.Run
---@field known integer the number of the last outcome that the run was given
---@field reply string[]? outcomes for its next turn
---@field effects (string|integer)[]? of its last turn, until they are applied
---@field recorded_at integer? when its last turn was applied
---@field cold boolean whether its next turn replays the journal
local Memory = setmetatable({}, { __index = Store })
Memory.__index = Memory

memory.Memory = Memory

---The instant at which the clock begins by default: 2026-09-21 13:33:20 UTC.
memory.BEGINNING_MS = 1790000000000

local MAX_EVENTS = 1000000
local ENDED = { completed = true, failed = true, cancelled = true }

---@class weir.MemoryOptions
---@field workflows weir.Definition[]? definitions, or
---@field files table<string, string>? sources, loaded as a bundle in the sandbox
---@field now integer? ms
---@field random (fun(n: integer): integer)? chooses the next of n possible events; nil: the oldest
---@field seed integer? of the seeds of children
---@field always_replay boolean? drops the coroutine of every run that suspends
---@field strict boolean? raises if the code of a run does not follow its journal
---@field separate boolean? no child is inlined
---@field inlined boolean? false: the store refuses inlined children, as if newer code were registered
---@field crash_at integer? the event after which the process dies
---@field history boolean? keeps a copy of each record after each change: `record.history`
---@field chronicle boolean? keeps all happenings
---@field limits weir.Limits?
---@field max_crashes integer?
---@field max_events integer?
---@field mocked_step (fun(run: weir.Run, operation: weir.Operation): fun(about: weir.StepAbout): any)? replaces the
---body of a step
---@field advise (fun(workflow: string): string)? what to do about a workflow that does not exist
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
    overrun = function() over = true end, -- a mock calls it when its step takes too long
    seed = function(id) return random.bits(self.options.seed or 0, id, 1) end, -- the same after a crash
    mocked_step = self.options.mocked_step,
    advise = self.options.advise,
  }
  return host
end

---@param options weir.MemoryOptions
---@return weir.Memory? memory
---@return string[]? faults of the files, if there is no memory
function memory.new(options)
  local self = setmetatable({
    options = options, now = options.now or memory.BEGINNING_MS, random = options.random,
    records = {}, order = {}, ready = {}, pending = {}, live = {}, live_order = {}, delayed = {}, open = {},
    bundles = {}, registry = {}, removed = {}, dedupe = {}, sequence = 0, events = 0, turns = 0, refused_turns = 0,
    retries = 0,
    logs = {}, calls = {}, ended = {}, chronicle = options.chronicle and {} or nil, crash_at = options.crash_at,
    max_events = options.max_events or MAX_EVENTS,
    limits = options.limits or { payload_bytes = defaults.payload_bytes, depth = defaults.depth },
  }, Memory)
  self.host = host_of(self)
  local deployed, faults = self:deploy(options)
  if not deployed then return nil, faults end
  return self
end

---Deploys code, which new attempts run. Workflows that its folder had before and lacks now leave.
---@param code { workflows: weir.Definition[]?, files: table<string, string>?, folder: integer? }
---@return weir.Bundle?
---@return string[]? faults
function Memory:deploy(code)
  local name = ("b%d"):format(#self.bundles + 1)
  local loaded, faults
  if code.files then
    loaded, faults = bundle.load(name, code.files)
    if not loaded then return nil, faults end
  else
    loaded = { name = name, workflows = {}, environment = sandbox.environment(require) }
    for _, definition in ipairs(code.workflows) do loaded.workflows[definition.id] = definition end
    bundle.add_own(loaded.workflows)
  end
  table.insert(self.bundles, loaded)
  self.bundles[name] = loaded
  for id, definition in pairs(loaded.workflows) do
    self.registry[id], self.removed[id] = { bundle = name, definition = definition, folder = code.folder }, nil
  end
  for id, registered in pairs(self.registry) do
    if registered.bundle ~= name and registered.folder == code.folder then self.removed[id] = true end
  end
  self:drop_removed()
  self:route_waiting()
  return loaded
end

-- ------------------------------------------------------------------------------------------------
-- Events: compute and apply

local function drop_coroutine(self, id)
  self.live[id] = nil
  for i, other in ipairs(self.live_order) do
    if other == id then
      table.remove(self.live_order, i)
      return
    end
  end
end

-- The coroutine of a run; if there is none, it is begun from the record.
local function attempt_of(self, record)
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

local function send_outcomes(record, live, known)
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
  if self.live[record.id] then send_outcomes(record, self.live[record.id], record.acked) end
  return true
end

-- Raises if the code of a run does not follow its journal.
local function check_determinism(record, live)
  local fault = live.run.journal.divergence or live.cold and check.divergence(live.run, record.fields)
  if not fault then return end
  error(failure.new {
    code = "replay_mismatch", message = ('workflow "%s" is not deterministic: %s'):format(record.workflow, fault),
  }, 0)
end

-- The event in which the Lua of a run runs. Its effects are not applied yet.
local function compute(self, record)
  if record.state ~= "running" and not claim(self, record) then return end
  local live = attempt_of(self, record)
  self.host.separate = self.options.separate
  local reply = live.reply
  live.reply = nil
  self.computing = record
  live.effects = live.run:turn(self.now, reply, live.recorded_at)
  self.computing = nil
  if self.options.strict then check_determinism(record, live) end
  live.cold = false
end

-- Whether a run speculated rightly: the outcomes of its inlined children get the next numbers.
local function is_as_speculated(self, record, header, sent)
  if header.number ~= record.last_number then return false end
  for _, effect in ipairs(sent) do
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

-- The event in which the effects of a turn are applied.
local function apply(self, record)
  local live = self.live[record.id]
  local list = live.effects
  local header, sent = effects.read(list)
  live.effects = nil
  self:expire(record)
  record.speculated = 0
  if header then
    if not is_as_speculated(self, record, header, sent) then -- nothing was written: back to the journal
      self.refused_turns = self.refused_turns + 1
      drop_coroutine(self, record.id)
      attempt_of(self, record).run:disable_speculation()
      return
    end
    record.speculated_at, record.speculated = header.at, header.count
  end
  self.turns = self.turns + 1
  record.acked, record.turn = live.known, record.turn + 1
  record.crashes = 0
  if self.options.on_turn then self.options.on_turn(self, record, list) end
  for _, effect in ipairs(sent) do assert(apply_effect[effect.name], effect.name)(self, record, effect.fields) end
  self:keep(record)
  live.recorded_at = self.now
  if record.state == "running" then
    send_outcomes(record, live, live.known)
  elseif record.state ~= "waiting" and record.state ~= "ready" then
    drop_coroutine(self, record.id)
  end
  if self.options.always_replay and record.state == "waiting" then drop_coroutine(self, record.id) end
end

---The worker drops the coroutine of a run; no process died.
function Memory:drop(id)
  local record, live = self.records[id], self.live[id]
  if not live then return end
  drop_coroutine(self, id)
  if record.state == "running" then self:make_ready(record) end
  return live
end

---The process that has the coroutine of this run dies. Effects that were not applied are lost.
function Memory:crash(id)
  local record = self.records[id]
  local was_running = record.state == "running"
  if not self:drop(id) or not was_running then return end
  record.crashes = record.crashes + 1
  if record.crashes >= (self.options.max_crashes or defaults.max_crashes) then
    record.crash_loop = true
    record.last_number = record.last_number + 1
    record.fields[tostring(record.last_number)] = entry.write_end("crash_loop", self.now,
      ("crash_loop: %d processes died while they ran it"):format(record.crashes))
  end
end

-- Takes the next event that is possible now, or one of several: a run, and `compute` or `apply`. Entries of the lists
-- may be out of date, because a process died or the run has ended.
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

---Runs one event. Returns false if none is possible until the clock moves.
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

---Runs all events that need no time.
function Memory:settle()
  while self:step() do end
end

---Wakes the runs that are due.
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
      if self.registry[record.workflow] then record.fields.bundle = nil end
      record.attempt = record.attempt + 1
      self:make_ready(record)
    else
      self.delayed[id] = nil
    end
  end
end

---The next instant at which a run is due.
function Memory:next_due()
  local first = math.huge
  for _, wake in pairs(self.delayed) do first = math.min(first, wake) end
  return first < math.huge and first or nil
end

---Moves the clock, through every instant at which a run is due.
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

---Runs until no run is due any more, or until `is_over`, which is called before each event, returns true.
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

---Retries an ended run, and with it the runs above it: takes id, selection, id, selection …, the topmost run first.
function Memory:retry(...)
  local planned = { ... }
  self.retries = self.retries + 1
  for i = 1, #planned, 2 do
    local record, selection = self.records[planned[i]], planned[i + 1]
    record.fields.retry_id = tostring(self.retries)
    assert(ENDED[record.state], record.id .. " has not ended")
    if selection == "all" or selection:find("^from") then
      record.fields.generation = tostring((tonumber(record.fields.generation) or 1) + 1)
    end
    if i == 1 then self:reopen(record, selection) else record.fields.reset = selection end
  end
end

---Plans the retry of an ended run, as `weir retry` does, and carries it out.
---@param id string
---@param options { from: string?, scratch: boolean? }
---@return string? sentence on the operations that are reset and kept; nil: it was refused
---@return string? fault why
function Memory:plan_retry(id, options)
  local planned, _, fault = plan.of(function(one) return self:read(one) end, id, options)
  if not planned then return nil, fault end
  local summary = plan.summary(planned, function(workflow)
    return self.registry[workflow] and self.registry[workflow].bundle
  end)
  local list = {}
  for _, one in ipairs(planned) do
    list[#list + 1] = one.run.id
    list[#list + 1] = one.child and one.reset .. "\t" .. one.child or one.reset
  end
  self:retry(table.unpack(list))
  return summary.message
end

---The run hits a limit: its turn is discarded, and it ends with this failure.
function Memory:kill(id, code, message)
  local record = self.records[id]
  local live = attempt_of(self, record)
  live.run:kill(code, message)
  if record.state == "running" then
    live.effects, live.reply = nil, live.reply or {}
  end
end

return memory
