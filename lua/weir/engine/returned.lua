-- Checks that a function of the author's returns one value. Only one is kept, so a second one would be lost unnoticed.

local failure = require "weir.base.failure"

local returned = {}

---The metatable of the second value of ctx:invoke, about the child. `return ctx:invoke {…}` returns that value as well,
---and it does not count.
returned.INFO = { __name = "weir.Info", __metatable = "weir.Info" }

local function is_surplus(value) return value ~= nil and debug.getmetatable(value) ~= returned.INFO end

---@param what string the kind of function, for messages: "step"
---@param name string
---@param ... any the values after the first one
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

---Returns the one value; raises if there are more.
---@param what string
---@param name string
---@param value any
function returned.only(what, name, value, ...)
  local fault = returned.surplus(what, name, ...)
  if fault then error(fault, 0) end
  return value
end

return returned
