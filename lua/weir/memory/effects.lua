-- Applies effects to the store in memory. Each function does what the script of its name in redis-scripts/effects/
-- does. It takes the store, the record of the run that sent the effect, and the arguments by name (see
-- weir.replay.effects).

local apply_reset = require "weir.reset.apply"
local entry = require "weir.record.entry"
local json = require "weir.json"
local record_of = require "weir.record.record"
local run_id = require "weir.base.run_id"
local Store = require "weir.memory.store"

local ENDED, parent_of = record_of.ENDED, Store.parent_of

local effects = {}

local function unseen_cancel(record) return record.cancel and record.cancel > record.acked end

function effects.record(self, record, effect) self:begin_operation(record, effect.operation, effect.entry) end

function effects.resolve(self, record, effect)
  if effect.entry ~= "" then self:begin_operation(record, effect.operation, effect.entry) end
  self:record_outcome(record, effect.operation, effect.state, effect.attempts, effect.value)
end

local function lineage_of(self, id)
  local names = {}
  while id do
    table.insert(names, 1, self.records[id].workflow)
    id = parent_of(id)
  end
  return table.concat(names, " > ")
end

---Whether the store accepts an inlined child.
function Store:may_be_inlined(workflow, name)
  local registered = self.registry[workflow]
  return self.options.inlined ~= false and registered and registered.bundle == name
end

local function refuse(self, record, operation, code, message)
  return self:record_outcome(record, operation, "refused", 0, json.encode { code = code, message = message })
end

local function refuse_deadlock(self, record, operation, other)
  local deadlock = self:deadlock(record, other)
  return deadlock and refuse(self, record, operation, "cycle", "neither could ever end: " .. deadlock)
end

local function same(child, workflow, data, deps)
  local fields = child.fields
  return child.workflow == workflow and fields.data == data and (fields.deps or "") == (deps or "")
end

-- The run invokes a child that exists: the child goes on, or its outcome is that of the invoke.
local function attach(self, record, operation, child, generation, options, own_bundle)
  local lives = not ENDED[child.state]
  if options.detached then
    if lives then child.detached = "1" end
    return self:record_outcome(record, operation, "completed", 1, json.encode(child.id), nil, generation)
  end
  if lives and child.detached and refuse_deadlock(self, record, operation, child) then return end
  child.detached = nil
  if lives then return end
  local selection = options.next_generation and child.fields.retry_id == record.fields.retry_id and child.fields.reset
  if selection or options.next_generation and child.state ~= "completed" then
    child.fields.retry = options.retry or child.fields.retry
    child.fields.retry_id = record.fields.retry_id
    return self:reopen(child, selection or "unhandled", own_bundle)
  end
  local value = child.fields[child.state == "completed" and "result" or "error"]
  self:record_outcome(record, operation, child.state, child.attempt, value, nil, generation)
end

-- The invoke takes the outcome of another run with the same dedupe key.
local function share(self, record, operation, other, detached)
  if not detached and not ENDED[other.state] and refuse_deadlock(self, record, operation, other) then return end
  record.fields["w:" .. operation] = other.id
  if not detached and not ENDED[other.state] then
    table.insert(other.waiters, { run = record.id, operation = operation })
    return
  end
  self:record_outcome(record, operation, "completed", detached and 1 or other.attempt,
    detached and json.encode(other.id) or other.fields.result, nil, nil, other.id)
end

function effects.invoke(self, record, options)
  local operation, id, workflow, data = options.operation, options.child, options.workflow, options.data
  local name, result, speculated_at = options.bundle, options.result, nil
  if name ~= "" and record.speculated > 0 then
    record.speculated, speculated_at = record.speculated - 1, record.speculated_at
  end
  self:begin_operation(record, operation, options.entry, speculated_at)
  if unseen_cancel(record) then
    return refuse(self, record, operation, "cancelled", "not started: its run is being cancelled")
  end
  if run_id.depth(id) > options.max_depth then
    return refuse(self, record, operation, "too_deep",
      ("invoking %s goes deeper than %d runs: %s"):format(workflow, options.max_depth, lineage_of(self, record.id)))
  end
  if options.unknown ~= "" and not self:is_open(workflow) then
    self:record_outcome(record, operation, "refused", 0, options.unknown)
    return
  end
  local child, generation = self.records[id], run_id.generation(id)
  if child and options.next_generation and not same(child, workflow, data, options.deps) then
    if not ENDED[child.state] then child.detached = "1" end
    generation = options.next_generation
    id, child = run_id.child(record.id, operation, generation), nil
  end
  if options.next_generation then record.fields["x:" .. operation] = nil end
  if generation then record.fields["c:" .. operation] = tostring(generation) end
  local own_bundle = options.unknown == "" and record.fields.bundle or nil -- it has the workflow
  if child then return attach(self, record, operation, child, generation, options, own_bundle) end
  if options.dedupe then
    local earlier = self:earlier_run(workflow, options.dedupe)
    if earlier then return share(self, record, operation, earlier, options.detached) end
    self:register_dedupe(workflow, options.dedupe, options.within_ms, id)
  end
  if name ~= "" and self:may_be_inlined(workflow, name) then
    local at = speculated_at or self.now
    child = self:add_record(id, workflow, data, options.seed, options, at)
    child.state, child.finished_at, child.was_inlined = "completed", at, true
    child.fields.result, child.fields.started_at, child.fields.bundle = result, tostring(at), name
    self:note_call(child)
    Store.end_call(child, "completed", result)
    self:note(child, "completed", nil, result, at)
    self:record_outcome(record, operation, "completed", 1, result, speculated_at, generation)
    if speculated_at then record.acked = record.last_number end
    return
  end
  if options.detached then
    self:record_outcome(record, operation, "completed", 1, json.encode(id), nil, generation)
  end
  self:begin_run(id, workflow, data, options.seed, options, own_bundle)
end

function effects.graph(_, record, effect) record.fields.graph = effect.shape end

local DEPS_BYTES = 1024 * 1024

function effects.deps(self, record, effect)
  local parent = self.records[parent_of(record.id)]
  local states, bytes = {}, 0
  for i, key in ipairs(effect.keys) do
    local number = entry.number(parent.fields["o:" .. key] or "")
    local state = '{"ok":false}'
    if number then
      local outcome = entry.read_outcome(math.tointeger(tonumber(number)), parent.fields[number])
      state = (outcome.state == "completed" and '{"ok":true,"value":%s}' or '{"ok":false,"error":%s}')
        :gsub("%%s", function() return outcome.value end)
    end
    bytes = bytes + #state
    if i == #states + 1 and (i == 1 or bytes <= DEPS_BYTES) then states[i] = state end
  end
  self:begin_operation(record, effect.operation, effect.entry)
  self:record_outcome(record, effect.operation, "completed", 1, "[" .. table.concat(states, ",") .. "]")
end

function effects.cancel(self, record, effect)
  local id, message = effect.child, effect.message
  local _, operation = parent_of(id)
  if record.fields["w:" .. operation]
    and self:record_outcome(record, operation, "cancelled", 0, json.encode { code = "cancelled", message = message })
  then
    return
  end
  local child = self.records[id]
  if not child or child.detached == "1" then return end
  self:cancel_run(child, "cancelled", message, effect.terminate == "1")
  self:await_cancelled(record, child)
end

function effects.reset(self, record, effect)
  local operation, mark, fields = effect.operation, effect.mark, record.fields
  if operation == "" then
    fields[mark] = nil -- a number: that of an end from outside
    return
  end
  if not fields["o:" .. operation] and not (fields["x:" .. operation] and mark == "restart") then return end
  local generation = apply_reset.remove(fields, operation, mark)
  if mark ~= "restart" then return end
  local child = self.records[run_id.child(record.id, operation, generation)]
  if child and not ENDED[child.state] then child.detached = "1" end
end

function effects.reset_done(_, record)
  record.fields.reset, record.fields.redo, record.fields.reset_number = nil, nil, nil
end

function effects.progress(_, record, effect) record.fields.progress = effect.progress end

function effects.tag(_, record, effect) record.fields.tags = effect.tags end

function effects.detach(self, _, effect)
  local child = self.records[effect.child]
  if child and not ENDED[child.state] then child.detached = child.detached or "timeout" end
end

function effects.suspend(self, record, effect)
  if record.last_number > record.acked then return end
  local wake = effect.wake ~= "" and effect.wake or math.huge
  if effect.wake_in ~= "" then wake = math.min(wake, self.now + effect.wake_in) end
  self:move(record, "waiting")
  record.acked = record.last_number
  self:delay(record, wake)
end

function effects.retry(self, record, effect)
  local text = effect.error
  if unseen_cancel(record) then return end
  self:move(record, "retrying", text)
  record.fields.error = text
  Store.end_call(record, "failed", text)
  self:delay(record, self.now + effect.delay_ms)
end

-- Lets a run that is to end wait for children that it told to end. Returns whether it does.
local function cancel_awaited(self, record)
  if record.cancel_pending == 0 then return false end
  if record.last_number <= record.acked then
    self:move(record, "waiting")
    record.acked = record.last_number
    self:delay(record, math.huge)
  end
  return true
end

function effects.complete(self, record, effect)
  if cancel_awaited(self, record) or unseen_cancel(record) then return end
  self:finish_run(record, "completed", effect.result)
end

function effects.fail(self, record, effect)
  if cancel_awaited(self, record) or unseen_cancel(record) then return end
  if effect.redo ~= "" then record.fields.redo = effect.redo end
  self:finish_run(record, effect.state, effect.error)
end

return effects
