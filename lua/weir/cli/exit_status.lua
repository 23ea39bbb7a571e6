-- Maps each fault to an exit status: one of <sysexits.h> where one fits.

local exit_status = { DONE = 0, FAILED = 1, INTERNAL = 70 }

exit_status.BY_FAULT = {
  invalid = 64, invalid_data = 64, payload_too_large = 64, duplicate_id = 64,
  unknown_workflow = 66, not_found = 66,
  wrong_state = 1,
  busy = 75, timed_out = 75,
  unreachable = 69, not_permitted = 77, redis_error = 70,
  interrupted = 130,
}

-- Errors of runs have these codes too, so the code is printed before the sentence.
local NAMED = { invalid_data = true, payload_too_large = true, duplicate_id = true }

---Whether a client function, a command or C raised this on purpose. Anything else is an error in weir itself.
---@param raised any
---@return boolean
function exit_status.is_fault(raised)
  return type(raised) == "table" and (type(raised.fault) == "string" or math.type(raised.status) == "integer")
end

---The status for a fault of a client function, for one that C raised, or for any other error.
---@param raised any
---@return integer
function exit_status.of(raised)
  if type(raised) ~= "table" then return exit_status.INTERNAL end
  return exit_status.BY_FAULT[raised.fault] or math.tointeger(raised.status) or exit_status.INTERNAL
end

---The sentence of a fault. An option is spelled as on the command line.
---@param raised weir.ClientFault
---@return string
function exit_status.sentence(raised)
  local option = raised.details and raised.details.option
  if option then return ("--%s %s"):format(option, raised.message) end
  return NAMED[raised.fault] and ("%s: %s"):format(raised.fault, raised.message) or raised.message
end

return exit_status
