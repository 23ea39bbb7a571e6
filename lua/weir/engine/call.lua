-- This module holds the code that all verbs of ctx share: whose call it is, its options, its id, its payload.
-- It reports mistakes of the author with the author's own line.

local duration = require "weir.base.duration"
local failure = require "weir.base.failure"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local option_checks = require "weir.base.options"
local scope = require "weir.base.scope"
local usage_error = require "weir.base.usage_error"

local call = {
  ---The key under which a context keeps its private state. Authors cannot name it.
  STATE = setmetatable({}, { __name = "weir.context" }),
}

function call.raise(code, message, more)
  more = more or {}
  more.code, more.message, more.retryable = code, message, false
  error(failure.new(more), 0)
end

call.usage_error = usage_error

function call.check_run(run, name)
  if run.inlined then
    run.observed = true
    error("internal: an inlined child called a durable verb", 0)
  end
  if run.step then
    call.usage_error(('%s cannot be called inside step "%s"'):format(name, run.step.id))
  end
  if not run.branches.current then
    call.usage_error(("%s cannot be called from outside of its run"):format(name))
  end
end

function call.state_of(ctx, name)
  local state = type(ctx) == "table" and rawget(ctx, call.STATE)
  if not state then call.usage_error(("call ctx:%s with a colon"):format(name)) end
  call.check_run(state.run, "ctx:" .. name)
  return state, state.run
end

-- The name of a place in the code, for messages.
local function place_name(state)
  return state.prefix == "" and "the run" or ('"%s"'):format(state.prefix:sub(1, -2))
end

---The state of a context through which an operation or a branch begins. The context must be the one that the running
---function was given: an operation of another one would get that one's ids, and would not end with this branch.
---@param ctx weir.Context
---@param name string of the verb
function call.place_of(ctx, name)
  local state, run = call.state_of(ctx, name)
  local own = run.branches.current.ctx
  if own ~= ctx then
    call.usage_error(("ctx:%s was called on the ctx of %s, inside %s; use the ctx that the function there "
      .. "is given: function(ctx) … end"):format(name, place_name(state), place_name(rawget(own, call.STATE))))
  end
  return state, run
end

---@param name string of the verb
---@param options table
---@param fields weir.Fields
function call.check_options(name, options, fields)
  local fault = option_checks.unknown(fields, options)
  if fault then call.usage_error(("ctx:%s: %s"):format(name, fault)) end
end

function call.milliseconds(name, option, value)
  if value == nil then return nil end
  local ms, message = duration.ms(value)
  if not ms then call.usage_error(("ctx:%s: %s: %s"):format(name, option, message)) end
  return ms
end

function call.numbered(state, kind)
  local n = (state.counters[kind] or 0) + 1
  state.counters[kind] = n
  return kind .. "#" .. n
end

---Refuses an id of the author's that an operation of an undo may get.
---@param id string
---@param undone string the id of the operation that is undone
function call.check_like_undo(id, undone)
  local prefix = scope.prefix(scope.undo(undone))
  if id:sub(1, #prefix) ~= prefix then return end
  call.raise("duplicate_id", ('ids that begin with "%s" belong to the undo of "%s"; give "%s" another one')
    :format(prefix, undone, id), { operation = id })
end

local function note_like_undo(run, id)
  for _, one in ipairs(run.undos or {}) do call.check_like_undo(id, one.id) end
  run.like_undo = run.like_undo or {} -- later undos are checked against these
  table.insert(run.like_undo, id)
end

function call.id_of(state, kind, id)
  if id == nil then return state.prefix .. call.numbered(state, kind), true end
  local fault = identifier.fault(id)
  if fault then call.usage_error(("ctx:%s: id%s"):format(kind, fault)) end
  local full = state.prefix .. id
  if state.scope == scope.ROOT and full:find("^undo:") then note_like_undo(state.run, full) end
  return full, false
end

---Takes the id of a scope: of a ctx:scope, or of branches that begin together. It begins the ids of all operations in
---there, so each scope has its own.
---@param name string of the verb
---@param id string? nil: a number
---@return string id
function call.scope_id(state, name, id)
  if id == nil then
    id = call.numbered(state, name)
  else
    local fault = identifier.fault(id)
    if fault then call.usage_error(("ctx:%s: id%s"):format(name, fault)) end
  end
  local full = state.prefix .. id
  if state.scope == scope.ROOT and full:find("^undo:") then note_like_undo(state.run, full .. ":") end
  state.scopes = state.scopes or {}
  if state.scopes[id] then
    call.raise("duplicate_id", ('scope "%s" is there already; give each ctx:%s its own id'):format(full, name),
      { operation = full })
  end
  state.scopes[id] = true
  return id
end

---@param what string for messages: "data of %s"
---@param name string? for `what`
---@return weir.Failure? fault
function call.too_large(run, text, what, name)
  local limit = run.limits.payload_bytes
  if #text <= limit then return nil end
  what = what:format(name)
  return failure.new {
    code = "payload_too_large", retryable = false,
    message = ("%s has %d bytes as JSON; %d are allowed"):format(what, #text, limit),
  }
end

---Decodes a whole result for the code that receives it: null is nil there, and weir.null only inside tables.
---@param text string JSON
---@return any
function call.result(text)
  local value = json.decode(text)
  if value ~= json.null then return value end
end

---A result as the member of a table: weir.null for nil, so that the table has no hole.
---@param value any
---@return any
function call.member(value)
  if value == nil then return json.null end
  return value
end

-- Whether a value contains a future.
local function has_future(value, seen)
  if type(value) ~= "table" or seen[value] then return false end
  local metatable = debug.getmetatable(value)
  if metatable and rawget(metatable, "__name") == "weir.Future" then return true end
  seen[value] = true
  for _, member in next, value do
    if has_future(member, seen) then return true end
  end
  return false
end

-- JSON reports a future as a table with keys that are tables. The message names the future instead.
local function name_future(value, message)
  if not message:find "a key of type table cannot be JSON$" or not has_future(value, {}) then return message end
  return (message:gsub("a key of type table cannot be JSON$", "a future cannot be JSON: await it"))
end

---Encodes a payload; nil becomes null.
---@param what string for messages: "data of %s"
---@param name string? for `what`
---@return string? text
---@return weir.Failure? fault
function call.encode(run, value, what, name)
  if value == nil then return "null" end
  local text, message = json.try_encode(value)
  if not text then
    return nil, failure.new {
      code = "payload_invalid", retryable = false,
      message = ("%s cannot be written as JSON: %s"):format(what:format(name), name_future(value, message)),
    }
  end
  local fault = call.too_large(run, text, what, name)
  if fault then return nil, fault end
  return text
end

return call
