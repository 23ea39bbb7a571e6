-- Definitions: what weir.workflow makes of the fields an author wrote. Every field is checked here,
-- once, when the file loads, naming the author's line; what reads a definition trusts it.
-- A definition is a face: runs share it and cannot change it.

local duration = require "weir.duration"
local frozen = require "weir.frozen"
local id = require "weir.id"
local nearest = require "weir.nearest"
local retry = require "weir.retry"
local schema = require "weir.schema"

local definition = {}

---@class weir.Definition
---@field id string
---@field run fun(ctx: table, data: any): any
---@field schema table|function|nil as the author wrote it
---@field validate? fun(data: any): weir.Violation[]? for a JSON Schema
---@field transform? fun(data: any): any for a function schema
---@field retry weir.RetryPolicy
---@field timeout_ms integer?
---@field queue string
---@field priority integer
---@field retain_ms integer
---@field cancel_grace_ms integer
---@field file string where it was defined
---@field line integer

local known = setmetatable({}, { __mode = "k" })
local collected -- those made while files load

---Begins a list of all that are made from now on; with `false` no more are added.
---@param wanted? false
---@return weir.Definition[]?
function definition.collect(wanted)
  collected = wanted == nil and {} or nil
  return collected
end

-- Readers: the value to keep, or nil and what is wrong with it.

local function read_id(value)
  local fault = id.fault(value)
  if fault then return nil, "id" .. fault end
  return value
end

local function read_run(value)
  if type(value) == "function" then return value end
  return nil, "run must be a function (ctx, data), not a " .. type(value)
end

local function read_queue(value)
  local fault = id.queue_fault(value)
  if fault then return nil, "queue" .. fault end
  return value
end

local function read_priority(value)
  local priority = math.type(value) and math.tointeger(value)
  if priority and priority >= -100 and priority <= 100 then return priority end
  return nil, "priority must be an integer from -100 to 100"
end

local function read_duration(name, least)
  return function(value)
    local ms, fault = duration.ms(value)
    if not ms then return nil, name .. ": " .. fault end
    if ms < least then return nil, name .. " must be longer than 0" end
    return ms
  end
end

local function read_schema(value, made)
  if type(value) == "function" then
    made.transform = value
    return value
  end
  if type(value) == "boolean" then return nil, "schema must be a table or a function" end
  local validate, fault = schema.compile(value)
  if not validate then return nil, fault end
  made.validate = validate
  return value
end

local FIELDS = {
  { name = "id", required = true, read = read_id },
  { name = "run", required = true, read = read_run },
  { name = "schema", read = read_schema },
  { name = "retry", default = {}, read = retry.policy },
  { name = "timeout", as = "timeout_ms", read = read_duration("timeout", 1) },
  { name = "queue", default = "default", read = read_queue },
  { name = "priority", default = 0, read = read_priority },
  { name = "retain", as = "retain_ms", default = "7d", read = read_duration("retain", 0) },
  { name = "cancel_grace", as = "cancel_grace_ms", default = "1m",
    read = read_duration("cancel_grace", 0) },
}

local NAMES = {}
for i, field in ipairs(FIELDS) do NAMES[i] = field.name end

local function unknown_field(fields)
  local unknown
  for name in pairs(fields) do
    local is_known = false
    for _, candidate in ipairs(NAMES) do is_known = is_known or candidate == name end
    name = tostring(name)
    if not is_known and (not unknown or name < unknown) then unknown = name end
  end
  if not unknown then return nil end
  local meant = nearest.find(unknown, NAMES)
  return ('unknown field "%s"; %s'):format(unknown, meant and ('did you mean "%s"?'):format(meant)
    or "a workflow has " .. table.concat(NAMES, ", "))
end

local function read(fields)
  local fault = unknown_field(fields)
  if fault then return nil, fault end
  local made = {}
  for _, field in ipairs(FIELDS) do
    local value = fields[field.name]
    if value == nil then value = field.default end
    if value ~= nil then
      local kept, reason = field.read(value, made)
      if kept == nil then return nil, reason end
      made[field.as or field.name] = kept
    elseif field.required then
      return nil, ('lacks the field "%s"'):format(field.name)
    end
  end
  return made
end

-- Where the caller at `level` stands. `return weir.workflow {...}` is a tail call, which leaves no
-- caller behind (bundles load their files so that it is none); then it is where `run` stands.
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

---Reads an author's fields; raises at the author's line what is wrong with them.
---@param fields weir.WorkflowFields
---@param level integer as that of `error`: 2 is the caller of the function that calls this
---@return weir.Definition
function definition.new(fields, level)
  local given = type(fields) == "table" and not frozen.members(fields)
  local file, line = place(level + 2, given and fields.run)
  local made, fault
  if given then
    made, fault = read(fields)
  elseif type(fields) == "table" then
    fault = "call it with a dot: weir.workflow { … }"
  else
    fault = "takes a table of fields, not a " .. type(fields)
  end
  if not made then
    local named = given and type(fields.id) == "string" and ('workflow "%s": '):format(fields.id)
    error(("%s:%d: %s%s"):format(file, line, named or "weir.workflow: ", fault), 0)
  end
  made.file, made.line = file, line
  local face = frozen.face(('workflow "%s"'):format(made.id), made)
  known[face] = true
  if collected then collected[#collected + 1] = face end
  return face
end

---@param value any
---@return boolean
function definition.is(value)
  return known[value] ~= nil
end

return definition
