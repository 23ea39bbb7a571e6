-- The store of the driver in memory: the records of runs, and the changes of their states, outcomes and ends, as
-- redis-scripts/lib/ has them. It knows neither coroutines nor events.
-- Invariant: `records` has all that outlives a coroutine, as the texts that Redis would hold.

local defaults = require "weir.define.defaults"
local entry = require "weir.record.entry"
local json = require "weir.json"
local recorded = require "weir.record.record"
local run_id = require "weir.base.run_id"

local ENDED = recorded.ENDED
local NEXT = { -- the legal moves, as in redis-scripts/lib/runs.lua
  [""] = { scheduled = true, ready = true },
  scheduled = { ready = true, cancelled = true, failed = true },
  ready = { running = true, cancelled = true, failed = true },
  running = { waiting = true, retrying = true, ready = true, completed = true, failed = true, cancelled = true },
  waiting = { ready = true },
  retrying = { ready = true },
  completed = { ready = true }, failed = { ready = true }, cancelled = { ready = true },
}

local PASSING = { ready = true, running = true, waiting = true } -- states that the chronicle leaves out

---@class weir.MemoryStore
---@field now integer ms; the time does not pass by itself
---@field records table<string, weir.MemoryRecord>
---@field order string[] ids of runs, in the order of their creation
---@field ready string[] ids of runs that can be claimed, in the order of the queue
---@field delayed table<string, number> id -> when the run is woken
---@field open table<string, integer> root -> the number of runs in its tree that have not ended
---@field registry table<string, weir.MemoryEntry>
---@field removed table<string, true> workflows of the registry that the newest bundle lacks
---@field dedupe table<string, { run: string, expires_at: integer }>
---@field chronicle any[]? all happenings in order, if the options ask for them; see `happenings`
---@field calls weir.MemoryCall[] attempts that began, in order
---@field ended weir.MemoryRecord[] runs that ended, in order
---@field options weir.MemoryOptions
local Store = {}
Store.__index = Store

---@class weir.MemoryEntry a workflow in the registry
---@field bundle string
---@field definition weir.Definition
---@field folder integer? of the host, if it has several
---@field closed boolean? it was removed: only the attempts on its bundle may invoke it

---@class weir.MemoryRecord
---@field id string
---@field root string
---@field workflow string
---@field state string
---@field attempt integer
---@field turn integer
---@field last_number integer of the last outcome
---@field acked integer the number of the last outcome that the run knew in its last turn
---@field fields table<string, string> as in Redis
---@field begun string[] operations, one for each try
---@field priority integer
---@field deadline integer? of its timeout
---@field created_at integer
---@field finished_at integer?
---@field crashes integer
---@field cancel integer? the number of its recorded end from outside
---@field terminated boolean?
---@field crash_loop boolean?
---@field awaits_workflow boolean? its workflow is not in the registry
---@field detached "1"|"timeout"|nil its parent does not wait for it; "timeout": since its invoke timed out
---@field waiters { run: string, operation: string }[] invokes that share the run by a dedupe key
---@field cancel_pending integer children that it told to end and that have not ended
---@field cancel_awaited boolean? its parent told it to end and does not end before it
---@field was_inlined boolean?
---@field speculated integer? outcomes on which its turn speculates and that are not applied yet
---@field speculated_at integer?
---@field call weir.MemoryCall? its current attempt
---@field history table<string, string>[]

---@class weir.Happening
---@field at integer ms
---@field run string
---@field operation string? nil: of the run itself
---@field state string "begun", or the state of the outcome, or the new state of the run
---@field text string? the entry of an operation that began; the value of an outcome or an end

---@class weir.MemoryCall an attempt of a run
---@field record weir.MemoryRecord
---@field attempt integer
---@field at integer ms
---@field state "completed"|"failed"|"cancelled"|nil nil: it has not ended
---@field value string? JSON: the result or the failure

---Adds a happening to the chronicle.
---@param record weir.MemoryRecord
---@param state string
---@param operation string?
---@param text string?
---@param at integer?
function Store:note(record, state, operation, text, at)
  local chronicle = self.chronicle
  if not chronicle then return end
  local last = #chronicle -- five slots each, in one list: a table for each would take most of the store's memory
  chronicle[last + 1], chronicle[last + 2], chronicle[last + 3] = at or self.now, record.id, operation or false
  chronicle[last + 4], chronicle[last + 5] = state, text or false
end

---Iterates over all happenings in order.
---@return fun(): weir.Happening?
function Store:happenings()
  local chronicle, last = self.chronicle, 0
  return function()
    if last == #chronicle then return nil end
    last = last + 5
    return {
      at = chronicle[last - 4], run = chronicle[last - 3], operation = chronicle[last - 2] or nil,
      state = chronicle[last - 1], text = chronicle[last] or nil,
    }
  end
end

---An attempt has ended.
function Store.end_call(record, state, value)
  local call = record.call -- nil: it has not begun
  if call then call.state, call.value = state, value end
end

---An attempt begins.
function Store:note_call(record)
  local call = { record = record, attempt = record.attempt, at = self.now }
  record.call = call
  self.calls[#self.calls + 1] = call
  self:note(record, "begun")
end

-- The parent of a run, its operation there, and its generation, from the second on.
function Store.parent_of(id)
  local parent = run_id.parent(id)
  if not parent then return nil end
  return parent, run_id.operation(id), run_id.generation(id)
end

---Keeps a copy of a record after a change, if the options ask for it.
function Store:keep(record)
  if not self.options.history then return end
  local copy = {}
  for field, value in pairs(record.fields) do copy[field] = value end
  copy.started_at = copy.started_at or tostring(self.now)
  copy.attempt, copy.turn = tostring(record.attempt), tostring(record.turn)
  copy.last_number = tostring(record.last_number)
  copy.state = record.state
  table.insert(record.history, copy)
end

---The only writer of states.
---@param record weir.MemoryRecord
---@param to string
---@param text string? the result or the failure
function Store:move(record, to, text)
  if not NEXT[record.state][to] then error(("illegal move of %s from %s to %s"):format(record.id, record.state, to)) end
  local open = (ENDED[to] and 0 or 1) - ((ENDED[record.state] or record.state == "") and 0 or 1)
  if open ~= 0 then self.open[record.root] = (self.open[record.root] or 0) + open end
  record.state = to
  if not PASSING[to] then self:note(record, to, nil, text) end
  if ENDED[to] then self:drop_removed() end
end

function Store:enqueue(record)
  self.sequence = self.sequence + 1
  record.place = (100 - (record.priority or 0)) * 2 ^ 45 + self.sequence
  local at = #self.ready + 1
  while at > 1 and self.records[self.ready[at - 1]].place > record.place do at = at - 1 end
  table.insert(self.ready, at, record.id)
end

function Store:make_ready(record)
  self:move(record, "ready")
  self.delayed[record.id] = record.deadline
  self:enqueue(record)
end

function Store:delay(record, wake)
  if record.deadline and record.deadline < wake then wake = record.deadline end
  self.delayed[record.id] = wake
end

-- `at`: the instant at which the operation counts as begun, if not now.
function Store:begin_operation(record, operation, text, at)
  record.fields["o:" .. operation] = entry.stored(text, at or self.now)
  table.insert(record.begun, operation)
  self:note(record, "begun", operation, text, at)
end

---Records the outcome of an operation, unless it has one.
---@return boolean recorded
function Store:record_outcome(record, operation, state, attempts, value, at, generation, shared)
  local field = "o:" .. operation
  local text = record.fields[field]
  if not text or text:byte() ~= 9 then return false end
  record.last_number = record.last_number + 1
  record.fields[field] = record.last_number .. text
  record.fields[tostring(record.last_number)] =
    entry.write_outcome(operation, state, at or self.now, attempts, value, generation, shared)
  self:keep(record)
  self:note(record, state, operation, value, at)
  return true
end

---The texts of the outcomes after `known`.
function Store.outcomes_of(record, known)
  local list = {}
  for number = known + 1, record.last_number do
    local outcome = record.fields[tostring(number)] -- nil: it was reset
    if outcome then list[#list + 1] = number .. "\t" .. outcome end
  end
  return list
end

---Makes the record of a run, which has no state yet.
---@return weir.MemoryRecord
function Store:add_record(id, workflow, data, seed, options, at)
  local record = {
    id = id, root = run_id.root(id), state = "", turn = 0, last_number = 0, attempt = 1, begun = {}, history = {},
    crashes = 0, waiters = {}, cancel_pending = 0, detached = options.detached, workflow = workflow, created_at = at,
    fields = { workflow = workflow, data = data, seed = tostring(seed), created_at = tostring(at),
               retry = options.retry, deps = options.deps, tags = options.tags },
  }
  self.records[id] = record
  table.insert(self.order, id)
  return record
end

-- ------------------------------------------------------------------------------------------------
-- The registry: see redis-scripts/lib/registry.lua

---Whether runs of a workflow may be started from outside its own bundle.
---@param workflow string
---@return boolean
function Store:is_open(workflow)
  local registered = self.registry[workflow]
  return registered ~= nil and not registered.closed
end

---Workflows that were removed leave the registry when no run needs them.
function Store:drop_removed()
  if not next(self.removed) then return end
  local unfinished, attempts = {}, {}
  for _, record in pairs(self.records) do
    if not ENDED[record.state] then
      unfinished[record.workflow] = true
      if record.fields.bundle then attempts[record.fields.bundle] = true end
    end
  end
  for workflow in pairs(self.removed) do
    local registered = self.registry[workflow]
    if registered and unfinished[workflow] then
      registered.closed = nil
    elseif registered and attempts[registered.bundle] then
      registered.closed = true
    else
      self.registry[workflow], self.removed[workflow] = nil, nil
    end
  end
end

-- A run without a workflow in the registry is ready, and waits in a queue of its own.
local function await_workflow(self, record)
  self:move(record, "ready")
  record.awaits_workflow = true
end

---Runs whose workflow is in the registry again go to their queue.
function Store:route_waiting()
  for _, id in ipairs(self.order) do
    local record = self.records[id]
    if record and record.awaits_workflow and self.registry[record.workflow] then
      record.awaits_workflow = nil
      if record.state == "ready" then self:enqueue(record) end
    end
  end
end

---Begins a run, now or after its delay.
---@param id string
---@param workflow string
---@param data string JSON
---@param seed integer
---@param options { delay_ms: integer?, priority: integer?, queue: string?, tags: string? } and those of an invoke
---@param own_bundle string? of its parent, which has the workflow: where the registry has it no more, it runs on that
---@return weir.MemoryRecord
function Store:begin_run(id, workflow, data, seed, options, own_bundle)
  local registered = self.registry[workflow]
  local definition = registered and registered.definition
  local record = self:add_record(id, workflow, data, seed, options, self.now)
  record.priority = options.priority or definition and definition.priority or 0
  local queue = options.queue or definition and definition.queue
  if queue ~= defaults.queue then record.fields.queue = queue end
  if not registered then record.fields.bundle = own_bundle end
  local delay_ms = options.delay_ms or 0
  if definition and definition.timeout_ms then
    record.deadline = self.now + delay_ms + definition.timeout_ms
  end
  if delay_ms > 0 then
    self:move(record, "scheduled")
    self.delayed[id] = self.now + delay_ms
  elseif registered or own_bundle then
    self:make_ready(record)
  else
    await_workflow(self, record)
  end
  return record
end

-- Records the outcome of a run in the runs that share it by a dedupe key.
function Store:notify_waiters(record, value)
  for _, waiter in ipairs(record.waiters) do
    local run, operation = self.records[waiter.run], waiter.operation
    if not ENDED[run.state] and run.fields["w:" .. operation] == record.id
      and self:record_outcome(run, operation, record.state, record.attempt, value, nil, nil, record.id)
      and run.state == "waiting" then
      self:make_ready(run)
    end
  end
  record.waiters = {}
end

-- The runs that cannot end before this one: see redis-scripts/lib/dedupe.lua.
local function waiters_of(self, record)
  local found = {}
  local parent = (record.cancel_awaited or not record.detached)
    and self.records[Store.parent_of(record.id) or ""]
  if parent and not ENDED[parent.state] then found[1] = parent end
  for _, waiter in ipairs(record.waiters) do
    local run = self.records[waiter.run]
    local text = run.fields["w:" .. waiter.operation] == record.id and run.fields["o:" .. waiter.operation] or ""
    local after = not entry.number(text) and entry.place(text) or nil
    if after and not ENDED[run.state] and not (run.cancel and after < run.cancel) then found[#found + 1] = run end
  end
  return found
end

---The deadlock that would arise if a run waited for another one; nil if that one can end first.
---@param record weir.MemoryRecord
---@param other weir.MemoryRecord
---@return string?
function Store:deadlock(record, other)
  local blocked_by, list, at = { [record.id] = false }, { record }, 0
  while at < #list do
    at = at + 1
    for _, waiter in ipairs(waiters_of(self, list[at])) do
      if blocked_by[waiter.id] == nil then
        blocked_by[waiter.id] = list[at].id
        list[#list + 1] = waiter
      end
    end
  end
  if blocked_by[other.id] == nil then return nil end
  local names, id = { record.id }, other.id
  while id do
    names[#names + 1] = id
    id = blocked_by[id]
  end
  return table.concat(names, " waits for ")
end

---Ends a run and records its outcome in the runs that wait for it.
function Store:finish_run(record, state, value)
  self:move(record, state, value)
  record.fields[state == "completed" and "result" or "error"] = value
  if state == "completed" then record.fields.error = nil end
  record.finished_at = self.now
  Store.end_call(record, state, value)
  table.insert(self.ended, record)
  self.delayed[record.id] = nil
  self:notify_waiters(record, value)
  local parent_id, operation, generation = Store.parent_of(record.id)
  local parent = parent_id and record.detached ~= "1" and self.records[parent_id]
  if not parent or ENDED[parent.state] then return end
  local told = self:record_outcome(parent, operation, state, record.attempt, value, nil, generation)
  if record.cancel_awaited then parent.cancel_pending = parent.cancel_pending - 1 end
  local last = record.cancel_awaited and parent.cancel_pending == 0
  if (told or last) and parent.state == "waiting" then self:make_ready(parent) end
end

---A run told a child to end: the run does not end before the child.
function Store.await_cancelled(_, record, child)
  if ENDED[child.state] or child.cancel_awaited then return end
  child.cancel_awaited, record.cancel_pending = true, record.cancel_pending + 1
end

function Store:record_end(record, code, message)
  record.last_number = record.last_number + 1
  record.fields[tostring(record.last_number)] = entry.write_end(code, self.now, message)
  self:keep(record)
  self:note(record, code, "", message)
end

---Tells a run to end. A run that has not begun ends at once.
function Store:cancel_run(record, code, message, now)
  if ENDED[record.state] or record.cancel and (not now or record.terminated) then return end
  local state = record.state
  if (state == "ready" or state == "scheduled") and not record.fields.started_at then
    self:finish_run(record, code == "cancelled" and "cancelled" or "failed",
      json.encode { code = code, message = message, run = record.id })
    return
  end
  -- The timeout no longer counts; the clean-up has its grace.
  if record.deadline and state == "ready" then self.delayed[record.id] = nil end
  record.deadline = nil
  if not record.cancel then
    self:record_end(record, code, message)
    record.cancel = record.last_number
  end
  if now then
    self:record_end(record, "terminated", message)
    record.terminated = true
  end
  if state == "waiting" or state == "retrying" then self:make_ready(record) end
end

-- Lets an ended run begin again: see redis-scripts/lib/reopen.lua.
---@param own_bundle string? of the parent that asks for it, which has the workflow
function Store:reopen(record, selection, own_bundle)
  local fields, registered = record.fields, self.registry[record.workflow]
  fields.reset, fields["bundle@" .. record.attempt], fields.bundle = selection, fields.bundle, nil
  fields.reset_number, fields.attempts_before = tostring(record.last_number), tostring(record.attempt)
  record.attempt = record.attempt + 1
  fields.error, fields.result, record.finished_at = nil, nil, nil
  record.cancel, record.terminated, record.cancel_awaited, record.crashes = nil, nil, nil, 0
  local timeout_ms = registered and registered.definition.timeout_ms
  record.deadline = timeout_ms and self.now + timeout_ms
  if not registered then fields.bundle = own_bundle end
  if registered or own_bundle then self:make_ready(record) else await_workflow(self, record) end
end

function Store:expire(record)
  if record.deadline and record.deadline <= self.now and not record.cancel
    and not ENDED[record.state] then
    self:cancel_run(record, "expired", "the run timed out")
  end
end

---The earlier run with this dedupe key, if it counts.
---@return weir.MemoryRecord?
function Store:earlier_run(workflow, key)
  local one = self.dedupe[workflow .. "\t" .. key]
  local run = one and one.expires_at > self.now and self.records[one.run]
  return run and run.state ~= "failed" and run.state ~= "cancelled" and run or nil
end

---Registers a run under a dedupe key.
function Store:register_dedupe(workflow, key, within_ms, id)
  self.dedupe[workflow .. "\t" .. key] = { run = id, expires_at = self.now + within_ms }
end

---The whole record of a run, as a worker gets it.
---@param record weir.MemoryRecord
---@return table<string, string> fields
function Store.fields_of(record)
  local fields = {}
  for field, value in next, record.fields do fields[field] = value end
  fields.attempt, fields.turn = tostring(record.attempt), tostring(record.turn)
  fields.last_number = tostring(record.last_number)
  fields.crashes = tostring(record.crashes)
  return fields
end

---The record for readers: flat, as Redis has it, with state and times.
---@param record weir.MemoryRecord
---@return string[] field, value, field, value …
function Store.flat_of(record)
  local fields, list = Store.fields_of(record), {}
  fields.state, fields.finished_at = record.state, record.finished_at and tostring(record.finished_at)
  fields.detached, fields.deadline = record.detached, record.deadline and tostring(record.deadline)
  if record.priority and record.priority ~= 0 then fields.priority = tostring(record.priority) end
  for field, value in next, fields do
    list[#list + 1], list[#list + 2] = field, value
  end
  return list
end

---A run as people see it.
---@param id string
---@return weir.Record? nil: there is none
function Store:read(id)
  local record = self.records[id]
  return record and recorded.read(id, Store.flat_of(record))
end

return Store
