-- The faults that a client function raises: a name for programs, a sentence for people, and details. A caller maps the
-- name to its own protocol: the command line to an exit status (weir.cli.exit_status), an HTTP server to a status code.

local fault = {}

---@alias weir.FaultName
---| "invalid" an argument or an option is wrong
---| "invalid_data" the workflow's schema refuses the data
---| "payload_too_large"
---| "unknown_workflow"
---| "not_found" there is no such run, operation or file
---| "duplicate_id" the id belongs to a run of another workflow or of other data
---| "wrong_state" the run is in a state in which this cannot be done
---| "busy" something else has to end first; the same call succeeds later
---| "timed_out"
---| "unreachable" Redis does not answer
---| "not_permitted" Redis refuses the login or a command
---| "redis_error" a script failed
---| "interrupted" by a signal

---@class weir.ClientFault
---@field fault weir.FaultName
---@field message string one sentence
---@field details table? `option` that is wrong, `run`, `workflow`, `nearest`: the name that was probably meant

---Raises a fault.
---@param name weir.FaultName
---@param format string
---@param ... any
function fault.raise(name, format, ...) error({ fault = name, message = format:format(...) }, 0) end

---Raises a fault that has details.
---@param name weir.FaultName
---@param details table
---@param format string
---@param ... any
function fault.raise_with(name, details, format, ...)
  error({ fault = name, message = format:format(...), details = details }, 0)
end

---Refuses an option. The sentence reads on after the option's name, which each protocol spells in its own way:
---`fault.option("since", "must be an instant")` is "--since must be an instant" on the command line.
---@param option string
---@param format string
---@param ... any
function fault.option(option, format, ...) fault.raise_with("invalid", { option = option }, format, ...) end

---Whether a value that `pcall` caught is a fault.
---@param raised any
---@return boolean
function fault.is(raised) return type(raised) == "table" and type(raised.fault) == "string" end

return fault
