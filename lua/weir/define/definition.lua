-- Definitions: weir.workflow and weir.graph make them from the fields that an author writes. Every field is checked
-- here, once, when the file loads, and an error names the author's line; the readers of a definition trust it. A
-- definition is a read-only view, so that runs can share it.

local defaults = require "weir.define.defaults"
local duration = require "weir.base.duration"
local readonly = require "weir.base.readonly"
local graph_plan = require "weir.define.graph_plan"
local identifier = require "weir.base.identifier"
local option_checks = require "weir.base.options"
local retry_policy = require "weir.define.retry_policy"
local schema = require "weir.define.schema"

local definition = {}

---@class weir.Definition
---@field id string
---@field run? fun(ctx: table, data: any): any nil of a graph
---@field schema table|function|nil as the author wrote it
---@field validate? fun(data: any): weir.Violation[]? of a JSON Schema
---@field transform? fun(data: any): any of a schema that is a function
---@field retry weir.RetryPolicy
---@field timeout_ms integer?
---@field queue string
---@field priority integer
---@field retain_ms integer
---@field cancel_grace_ms integer
---@field graph weir.Plan|function|nil of a graph; a function makes the nodes from the data
---@field file string where it was defined
---@field line integer

local known = setmetatable({}, { __mode = "k" })
local collected -- those made while files load

---Begins a list of all definitions that are made from now on; `false` ends it.
---@param wanted? false
---@return weir.Definition[]?
function definition.collect(wanted)
  collected = wanted == nil and {} or nil
  return collected
end

-- Readers of fields: each returns the value to keep, or nil and the fault.

local function read_id(value)
  local fault = identifier.fault(value)
  if fault then return nil, "id" .. fault end
  if identifier.is_own(value) then
    return nil, ('id "%s": names that begin with "weir." are weir\'s own'):format(value)
  end
  return value
end

local function read_run(value)
  if type(value) == "function" then return value end
  return nil, "run must be a function (ctx, data), not a " .. type(value)
end

local function read_queue(value)
  local fault = identifier.queue_fault(value)
  if fault then return nil, "queue" .. fault end
  return value
end

local function read_priority(value)
  local priority, fault = option_checks.priority(value)
  return priority, fault and "priority" .. fault
end

local function read_duration(name, least)
  return function(value)
    local ms, fault = duration.ms(value)
    if not ms then return nil, name .. ": " .. fault end
    if ms < least then return nil, name .. " must be longer than 0" end
    return ms
  end
end

local function read_schema(value, workflow)
  if type(value) == "function" then
    workflow.transform = value
    return value
  end
  if type(value) == "boolean" then return nil, "schema must be a table or a function" end
  local validate, fault = schema.compile(value)
  if not validate then return nil, fault end
  workflow.validate = validate
  return value
end

local function read_nodes(value, workflow)
  if type(value) == "function" then
    workflow.graph = value
    return value
  end
  local plan, fault = graph_plan.compile(value)
  workflow.graph = plan
  return plan, fault
end

local ID = { name = "id", required = true, read = read_id }
local RUN = { name = "run", required = true, read = read_run }
local NODES = { name = "nodes", as = "graph", required = true, read = read_nodes }
local SCHEMA = { name = "schema", read = read_schema }
local RETRY = { name = "retry", default = {}, read = retry_policy.policy }
local COMMON = {
  { name = "timeout", as = "timeout_ms", read = read_duration("timeout", 1) },
  { name = "queue", default = defaults.queue, read = read_queue },
  { name = "priority", default = 0, read = read_priority },
  { name = "retain", as = "retain_ms", default = defaults.retain, read = read_duration("retain", 0) },
  { name = "cancel_grace", as = "cancel_grace_ms", default = defaults.cancel_grace,
    read = read_duration("cancel_grace", 0) },
}

---@class weir.Form the fields that an author fills in
---@field word string
---@field fields table[]
---@field known weir.Fields
local function form(word, first)
  local fields, names = table.move(COMMON, 1, #COMMON, #first + 1, first), {}
  for i, field in ipairs(fields) do names[i] = field.name end
  return { word = word, fields = fields, known = option_checks.fields(names) }
end

local WORKFLOW, GRAPH = form("workflow", { ID, RUN, SCHEMA, RETRY }), form("graph", { ID, NODES, SCHEMA })

local function read(asked, fields)
  local fault = option_checks.unknown(asked.known, fields, "a " .. asked.word)
  if fault then return nil, fault end
  local workflow = {}
  for _, field in ipairs(asked.fields) do
    local value = fields[field.name]
    if value == nil then value = field.default end
    if value ~= nil then
      local kept, reason = field.read(value, workflow)
      if kept == nil then return nil, reason end
      workflow[field.as or field.name] = kept
    elseif field.required then
      return nil, ('lacks the field "%s"'):format(field.name)
    end
  end
  return workflow
end

-- The file and line of the caller at `level`. `return weir.workflow {...}` is a tail call, which leaves no frame of the
-- caller (bundles load their files so that it is none); then the line of `run` is taken.
local function place(level, run)
  local info = debug.getinfo(level, "Sl")
  local line = info and info.currentline or 0
  if debug.getinfo(level - 1, "t").istailcall or line <= 0 then
    if type(run) ~= "function" then return "?", 0 end
    info = debug.getinfo(run, "S")
    line = info.linedefined
  end
  return info.source:match("^[@=](.*)$") or info.short_src, line
end

-- Reads the fields of a form, and raises faults at the author's line. `level` counts from the function that calls this.
local function fill_in(asked, fields, level)
  local word = asked.word
  local is_table = type(fields) == "table" and not readonly.members(fields)
  local file, line = place(level + 2, is_table and (fields.run or fields.nodes))
  local workflow, fault
  if is_table then
    workflow, fault = read(asked, fields)
  elseif type(fields) == "table" then
    fault = ("call it with a dot: weir.%s { … }"):format(word)
  else
    fault = "takes a table of fields, not a " .. type(fields)
  end
  if not workflow then
    local named = is_table and type(fields.id) == "string" and ('%s "%s": '):format(word, fields.id)
    error(("%s:%d: %s%s"):format(file, line, named or ("weir.%s: "):format(word), fault), 0)
  end
  workflow.file, workflow.line = file, line
  return workflow
end

-- Returns the read-only view of a definition, which the author holds.
local function view_of(workflow)
  local view = readonly.view(('workflow "%s"'):format(workflow.id), workflow)
  known[view] = true
  return view
end

local function add(workflow)
  local view = view_of(workflow)
  if collected then collected[#collected + 1] = view end
  return view
end

---Makes the definition of a workflow; raises faults at the author's line.
---@param fields weir.WorkflowFields
---@param level integer as that of `error`: 2 is the caller of the function that calls this
---@return weir.Definition
function definition.new(fields, level)
  local workflow = fill_in(WORKFLOW, fields, level + 1)
  return add(workflow)
end

-- The body of a graph is weir's own code: if it fails, another attempt would fail in the same way.
local ONE_ATTEMPT = assert(retry_policy.policy { attempts = 1 })

---Makes the definition of a graph, as `new` does.
---@param fields weir.GraphFields
---@param level integer
---@return weir.Definition
function definition.graph(fields, level)
  local workflow = fill_in(GRAPH, fields, level + 1)
  workflow.retry = ONE_ATTEMPT
  return add(workflow)
end

---The workflow of graphs that are given as data.
---@return weir.Definition
function definition.of_data()
  local workflow = assert(read(GRAPH, { id = "graph", nodes = graph_plan.nodes_of_data }))
  workflow.id, workflow.retry, workflow.file, workflow.line = graph_plan.WORKFLOW, ONE_ATTEMPT, graph_plan.WORKFLOW, 0
  return view_of(workflow)
end

---@param value any
---@return boolean
function definition.is(value)
  return known[value] ~= nil
end

return definition
