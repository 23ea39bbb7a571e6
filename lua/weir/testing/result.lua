-- Results: a run as specs see it, at the time at which the result was made. Payloads are decoded, failures have `is`;
-- as text it is the tree that `weir show` draws.

local duration = require "weir.base.duration"
local entry = require "weir.record.entry"
local failure = require "weir.base.failure"
local graph_view = require "weir.view.graph_view"
local json = require "weir.json"
local suggest = require "weir.base.suggest"
local graph_text = require "weir.view.graph_text"
local record = require "weir.record.record"
local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"
local call = require "weir.engine.call"

local result = {}

local STYLE = { colours = false, columns = 100, rows = math.maxinteger }
local STAGES = 40 -- lines of a graph that is listed, not drawn

---@class weir.testing.Operation
---@field id string
---@field kind "invoke"|"step"|"sleep"|"deps"
---@field state "pending"|"running"|"completed"|"failed"|"cancelled"
---@field number integer? of its outcome
---@field after integer? number of the last outcome that was delivered before it began
---@field run string? the child's
---@field workflow string? the child's
---@field arguments table
---@field line string? of the author's code
---@field result any
---@field error weir.Failure?
---@field attempts integer
---@field started_at integer? ms
---@field finished_at integer? ms

---@class weir.testing.Line
---@field level "debug"|"info"|"warn"|"error"
---@field text string
---@field fields table?
---@field at_ms integer

---@class weir.testing.Result
---@field id string
---@field workflow string
---@field state string
---@field result any nil unless it completed
---@field error weir.Failure?
---@field attempts integer
---@field tags table<string, string>
---@field progress { done: number?, total: number?, text: string?, status: string? } as it said last
---@field created_at integer ms
---@field started_at integer? ms
---@field finished_at integer? ms
---@field operations weir.testing.Operation[] in the order in which they began
---@field children table<string, weir.testing.Result> by the id of the operation
---@field log weir.testing.Line[] lines that the run itself wrote
local Result = {}

-- Decodes JSON; a whole value of null becomes nil.
local function decoded(text)
  local value = text and json.decode(text)
  if value ~= json.null then return value end
end

local lazy = {}

function lazy.operations(self)
  local list = {}
  for i, operation in ipairs(self.read.operations) do
    local shown = {}
    for field, value in pairs(operation) do shown[field] = value end
    shown.arguments = decoded(operation.arguments) or {}
    shown.result = decoded(operation.result)
    shown.error = operation.error and failure.restore(operation.error)
    list[i] = shown
  end
  return list
end

function lazy.children(self)
  local children = {}
  for _, operation in ipairs(self.read.operations) do
    if operation.run and self.memory.records[operation.run] then
      children[operation.id] = result.new(self.memory, operation.run)
    end
  end
  return children
end

function lazy.log(self)
  local lines = {}
  for _, line in ipairs(self.memory.logs) do
    if line.run == self.id then
      lines[#lines + 1] = {
        level = line.level, text = line.text, fields = line.fields and json.decode(line.fields), at_ms = line.at_ms,
      }
    end
  end
  return lines
end

-- Holds the state of the run at the time the result was made. The lazy fields are computed from it on first access.
local private = setmetatable({}, { __mode = "k" })

local metatable = { __name = "weir.testing.Result" }

function metatable.__index(self, key)
  local method = Result[key]
  if method then return method end
  local make = lazy[key]
  if not make then return nil end
  local inside = private[self]
  inside.read = inside.read or record.read(inside.id, inside.flat)
  local value = make(inside)
  rawset(self, key, value)
  return value
end

---@param memory weir.Memory
---@param id string
---@return weir.testing.Result
function result.new(memory, id)
  local kept = memory.records[id]
  local fields = kept.fields
  local self = {
    id = id, workflow = kept.workflow, state = kept.state, attempts = kept.attempt,
    result = decoded(fields.result), error = fields.error and failure.decode(fields.error) or nil,
    tags = fields.tags and json.decode(fields.tags) or {}, created_at = kept.created_at,
    progress = record.progress(fields.progress) or {},
    started_at = math.tointeger(tonumber(fields.started_at)), finished_at = kept.finished_at,
  }
  private[self] = { memory = memory, id = id, flat = memory.flat_of(kept) }
  return setmetatable(self, metatable)
end

---@param value any
---@return boolean
function result.is(value) return private[value] ~= nil end

-- ------------------------------------------------------------------------------------------------
-- Methods

---Returns an operation by its full id. If there is none, the error lists the operations.
---@param id string
---@return weir.testing.Operation
function Result:operation(id)
  local names = {}
  for i, operation in ipairs(self.operations) do
    if operation.id == id then return operation end
    names[i] = operation.id
  end
  local near = suggest.find(tostring(id), names)
  call.usage_error(('run %s has no operation "%s"%s; %s'):format(self.id, tostring(id),
    near and (', did you mean "%s"?'):format(near) or "",
    names[1] and "it has " .. table.concat(names, ", ") or "it has none"))
end

local function runs_of(memory, id, runs)
  local run = memory:read(id)
  runs[id] = run
  for _, operation in ipairs(run.operations) do
    if operation.run and not runs[operation.run] and memory.records[operation.run] then
      runs_of(memory, operation.run, runs)
    end
  end
  return runs
end

---The run drawn as `weir show` draws it.
---@return string
function Result:draw()
  local memory = private[self].memory
  local runs = runs_of(memory, self.id, {})
  local run, row = runs[self.id], tree.plant(self.id, runs)
  if run.graph then row.rows = {} end
  local lines = tree.draw(row, { style = STYLE, now = memory.now, origin = row.began })
  if run.graph then
    local view = graph_view.view(run, memory.now, runs)
    local drawn = graph_text.draw(view, { style = STYLE, now = memory.now, rows = STAGES })
    table.move(drawn, 1, #drawn, #lines + 1, lines)
  end
  return table.concat(lines, "\n")
end

metatable.__tostring = Result.draw

-- Describes an end: the state, and the message of the failure or the first part of the result.
local function end_of(happening)
  local text = happening.text
  if not text then return happening.state end
  if happening.state ~= "completed" then text = failure.decode(text).message end
  return text == "null" and happening.state or happening.state .. ": " .. terminal.clip(terminal.plain(text), 60)
end

local function sentence_of(memory, happening)
  local operation, begins = happening.operation, happening.state == "begun"
  if not operation then return begins and memory.records[happening.run].workflow .. " begins" or end_of(happening) end
  if operation == "" then return ("is to end, %s: %s"):format(happening.state, happening.text) end
  if not begins then return ("%s %s"):format(operation, end_of(happening)) end
  local held = entry.read(entry.stored(happening.text, 0))
  return ("%s begins: %s%s"):format(operation, held.kind, held.subject ~= "" and " of " .. held.subject or "")
end

---All happenings of the run and the runs below it, a line each, with the time since its creation.
---@return string
function Result:timeline()
  local memory, lines, below = private[self].memory, {}, self.id .. "/"
  for happening in memory:happenings() do
    if happening.run == self.id or happening.run:sub(1, #below) == below then
      local at = "+" .. duration.text(math.max(0, happening.at - self.created_at))
      lines[#lines + 1] = ("%s %s  %s"):format(terminal.pad(at, 9), happening.run, sentence_of(memory, happening))
    end
  end
  return table.concat(lines, "\n")
end

return result
