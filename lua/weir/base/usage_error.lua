-- Raises the error of a wrong call, at the author's line. It ends the run for good, as another attempt would run the
-- same code.

local call_site = require "weir.base.call_site"
local failure = require "weir.base.failure"

---@param text string
return function(text)
  local message = call_site.line() .. ": " .. text
  error(call_site.is_in_run() and failure.new { message = message, retryable = false } or message, 0)
end
