-- Of the values that a function of the author's returns one is kept. A lost one would go unnoticed, so several are an
-- error.

local failure = require "weir.base.failure"

local returned = {}

---The metatable of what an invoke returns beside the result, about the child. `return ctx:invoke {…}` returns it, too,
---and it is no result of the author's.
returned.INFO = { __name = "weir.Info", __metatable = "weir.Info" }

local function is_surplus(value) return value ~= nil and debug.getmetatable(value) ~= returned.INFO end

---@param what string whose function it was: "step"
---@param name string
---@param ... any what it returned behind its first value
---@return weir.Failure? fault
function returned.surplus(what, name, ...)
  for i = 1, select("#", ...) do
    if is_surplus((select(i, ...))) then
      return failure.new {
        retryable = false,
        message = ('%s "%s" returned %d values, and only one can be kept: put a call in parentheses to keep its first '
          .. "value, or return a table"):format(what, name, select("#", ...) + 1),
      }
    end
  end
end

---The one value that was returned; raises when there are more.
---@param what string
---@param name string
---@param value any
function returned.only(what, name, value, ...)
  local fault = returned.surplus(what, name, ...)
  if fault then error(fault, 0) end
  return value
end

return returned
