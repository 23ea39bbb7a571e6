-- The kinds of operations, and how they differ for code that reads a journal. A new durable verb begins with a row
-- here. A kind that this version does not know, because a newer one wrote the journal, behaves like the plainest.

local duration = require "weir.base.duration"
local json = require "weir.json"

---@class weir.Kind
---@field owns_child boolean whether the operation is a run: it ends before its parent, and its subject is its workflow
---@field is_recorded_first boolean whether the entry is recorded before the act; a step's comes with its outcome
---@field is_harmless boolean whether the act may be done twice
---@field runs_on_worker boolean whether the worker runs the author's Lua as long as the operation runs
---@field describe fun(subject: string): string for messages
---@field label fun(workflow: string?, arguments: string?): string for trees of runs
---@field tries fun(arguments: string): integer? how many tries of one that goes on have ended
---@field tried string? form of a note about these tries: "tried %s"
---@field failure fun(id: string, workflow: string?, state: string, cause: table): table what the workflow sees of it

local kinds = {}

local PLAIN = { owns_child = false, is_recorded_first = true, is_harmless = false, runs_on_worker = false }

function PLAIN.tries() return nil end

-- The failure itself, and in which operation it came.
function PLAIN.failure(id, _, _, cause)
  cause.operation = id
  return cause
end

local function kind(name, fields)
  for field, value in pairs(PLAIN) do
    if fields[field] == nil then fields[field] = value end
  end
  local function own_name() return name end
  fields.describe, fields.label = fields.describe or own_name, fields.label or own_name
  kinds[name] = fields
  return fields
end

kind("sleep", {
  is_harmless = true,
  label = function(_, arguments)
    local span_ms = arguments and json.decode(arguments).duration_ms
    return span_ms and "sleep " .. duration.text(span_ms) or "sleep"
  end,
})
kind("deps", {})

kind("step", {
  is_recorded_first = false, runs_on_worker = true,
  tries = function(arguments) return json.decode(arguments).failures end, tried = "tried %s, backing off",
})

kind("poll", {
  is_recorded_first = false, runs_on_worker = true,
  tries = function(arguments) return json.decode(arguments).calls end, tried = "asked %s",
})

kind("invoke", {
  owns_child = true,
  describe = function(subject) return ('invoke of "%s"'):format(subject) end,
  label = function(workflow) return workflow end,
  -- The failure of a child is the cause; one that was refused, or timed out, failed by itself.
  failure = function(id, workflow, state, cause)
    if state ~= "failed" and state ~= "cancelled" then return PLAIN.failure(id, workflow, state, cause) end
    return {
      code = "child_failed", message = "Child execution failed: " .. tostring(cause.message), retryable = false,
      operation = id, workflow = workflow, cause = cause,
    }
  end,
})

setmetatable(kinds, { __index = function(_, name) return kind(name, {}) end })

return kinds --[[@as table<string, weir.Kind>]]
