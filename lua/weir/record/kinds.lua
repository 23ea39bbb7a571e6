-- The kinds of operations, and all that differs between them for those who read a journal: a new durable verb begins
-- with a row here. An unknown kind, from a newer version, is as the plainest.

local json = require "weir.json"

---@class weir.Kind
---@field owns_child boolean whether the operation is a run: it ends before its parent, and its subject is its workflow
---@field is_recorded_first boolean whether the entry is recorded before the act; a step's comes with its outcome
---@field is_harmless boolean whether the act may be done twice
---@field describe fun(subject: string): string for messages
---@field tries fun(arguments: string): integer? how many tries of one that goes on have failed
---@field failure fun(id: string, workflow: string?, state: string, cause: table): table what the workflow sees of it

local kinds = {}

local PLAIN = { owns_child = false, is_recorded_first = true, is_harmless = false }

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
  fields.describe = fields.describe or function() return name end
  kinds[name] = fields
  return fields
end

kind("sleep", { is_harmless = true })
kind("deps", {})

kind("step", {
  is_recorded_first = false,
  tries = function(arguments) return json.decode(arguments).failures end,
})

kind("invoke", {
  owns_child = true,
  describe = function(subject) return ('invoke of "%s"'):format(subject) end,
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
