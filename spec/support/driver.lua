-- The driver of the engine's specs. Beyond weir.memory it shows each effect that was sent and a run as its journal has
-- it, and it begins a run from a journal that a spec writes.

local effects = require "weir.replay.effects"
local entry = require "weir.record.entry"
local runs = require "weir.engine.run"
local failure = require "weir.base.failure"
local json = require "weir.json"
local memory = require "weir.memory.driver"
local recorded = require "weir.record.record"
local Store = require "weir.memory.store"
local weir = require "weir"

local driver = {}
local Driver = setmetatable({}, { __index = memory.Memory })
Driver.__index = Driver

local ENDED, parent_of = recorded.ENDED, Store.parent_of

-- Refuses effects that C would refuse: only integers and texts are allowed.
local function check_effects(list)
  for i, value in ipairs(list) do
    assert(type(value) == "string" or math.type(value) == "integer",
      ("effect %d of %s is a %s"):format(i, list[1], math.type(value) or type(value)))
  end
end

-- A misspelled argument would be sent as "".
local add = effects.add
function effects.add(self, name, fields)
  local known = {}
  for _, list in ipairs { effects.LAYOUT[name], effects.LAYOUT[name].options or {}, { effects.LAYOUT[name].list } } do
    for _, field in ipairs(list) do known[field] = true end
  end
  for field in pairs(fields or {}) do assert(known[field], ("%s has no argument %s"):format(name, field)) end
  return add(self, name, fields)
end

---The effects of a turn, each as a list of its own: { name, argument, … }; the header, too.
---@param list (string|integer)[] flat
---@return table[]
function driver.split(list)
  local header, told = effects.read(list)
  local split, begins = {}, { header and 1 }
  for _, effect in ipairs(told) do begins[#begins + 1] = effect.first end
  for i, at in ipairs(begins) do split[i] = table.move(list, at, (begins[i + 1] or #list + 1) - 1, 1, {}) end
  return split
end

---@param id string
---@param run function
---@param fields table? more of its definition
---@return table workflow
function driver.workflow(id, run, fields)
  fields = fields or {}
  fields.id, fields.run = id, run
  return weir.workflow(fields)
end

---@param options weir.MemoryOptions
function driver.new(options)
  options.max_events = options.max_events or 20000
  local told = {}
  function options.on_turn(_, record, list)
    check_effects(list)
    table.insert(told, { run = record.id, turn = record.turn, effects = list })
  end
  local made, faults = memory.new(options)
  if not made then error(table.concat(faults, "\n"), 2) end
  made.told = told
  return setmetatable(made, Driver)
end

---@return string id
function Driver:start(workflow, data, options)
  options = options or {}
  local id = options.id or ("run-" .. #self.order + 1)
  self:begin_run(id, workflow, options.text or (data == nil and "{}" or json.encode(data)), options.seed or 42, options)
  return id
end

---Run until nothing more is due; with an id, until that run has ended.
function Driver:finish(id)
  memory.Memory.finish(self, id and function() return ENDED[self.records[id].state] end)
  return id and self:view(id)
end

---Start, run to the end, show.
function Driver:run(workflow, data, options)
  return self:finish(self:start(workflow, data, options))
end

---@param now boolean? without clean-up
function Driver:cancel(id, message, now)
  memory.Memory.cancel(self, id, message or "cancelled by hand", now)
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
      read.generation = tonumber(fields["c:" .. operation])
      if outcome then
        outcome = entry.read_outcome(read.number, outcome)
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
  local run = runs.from_fields(made.bundles.b1, "r", fields, made)
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
