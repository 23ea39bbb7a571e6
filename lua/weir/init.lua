-- `require "weir"`: the functions that the author of a workflow calls outside of `ctx`. They check arguments and call
-- the modules below; this module holds no state.

local definition = require "weir.define.definition"
local duration = require "weir.base.duration"
local failure = require "weir.base.failure"
local json = require "weir.json"
local option_checks = require "weir.base.options"
local usage_error = require "weir.base.usage_error"

local weir = {}

---Exact JSON: a decoded value equals the encoded one; a value that JSON cannot hold raises `payload_invalid`.
weir.json = json

---JSON's null, a truthy value.
weir.null = json.null

---Marks a list, so that it is written as `[]` when it is empty (an unmarked empty table is an object).
weir.array = json.array

---@class weir.RetryFields
---@field attempts? integer in all, the first included; 3 unless given
---@field delay? string|number before the second attempt: "1s" unless given
---@field backoff? "exponential"|"linear"|"fixed" how the delay grows; "exponential" unless given
---@field max_delay? string|number no delay is longer; "5m", or 300 times a longer delay, unless given
---@field jitter? boolean whether each delay that grows is lengthened at random, by up to half; true unless given

---@class weir.WorkflowFields
---@field id string
---@field run fun(ctx: weir.Context, data: any): any
---@field schema? table|fun(data: any): any JSON Schema; or a function that returns the data to use, or raises
---@field retry? weir.RetryFields for errors of its own code
---@field timeout? string|number from creation to the end of all attempts: "30s", or seconds
---@field queue? string
---@field priority? integer -100 to 100, higher first
---@field retain? string|number how long a run is kept after it has ended; "7d" unless given
---@field cancel_grace? string|number how long a run may clean up after a cancel; "1m" unless given

---Defines a workflow. The file returns it, or a list of several.
---@param fields weir.WorkflowFields
---@return weir.Definition
function weir.workflow(fields)
  local workflow = definition.new(fields, 2)
  return workflow
end

---@class weir.Node
---@field key string the operation's id: its run is <graph>/<key>
---@field workflow weir.WorkflowId
---@field data? weir.Payload|fun(input: any, deps: weir.Deps): weir.Payload {} unless given
---@field depends_on? string[] keys
---@field when? "all"|"any"|"settled" it begins when all of them have completed ("all"), when one has completed ("any"),
---or when all have ended ("settled"); "all" unless given
---@field optional? boolean true: its failure does not fail the graph
---@field timeout? weir.Duration
---@field retry? weir.RetryFields instead of the workflow's own
---@field queue? string
---@field priority? integer

---@class weir.GraphFields
---@field id string
---@field nodes weir.Node[]|fun(input: any): weir.Node[]
---@field schema? table|fun(data: any): any
---@field timeout? string|number
---@field queue? string
---@field priority? integer
---@field retain? string|number
---@field cancel_grace? string|number

---Defines a graph: a workflow whose nodes begin when those they depend on have ended.
---@param fields weir.GraphFields
---@return weir.Definition
function weir.graph(fields)
  local graph = definition.graph(fields, 2)
  return graph
end

local ERROR_FIELDS = option_checks.fields { "code", "details", "message", "retry_after", "retryable" }

-- Whether a value can be a message. A caught error can; a plain table would read "table".
local function is_message(message)
  if type(message) ~= "table" or failure.is_failure(message) then return true end
  local metatable = getmetatable(message)
  return type(metatable) == "table" and metatable.__tostring ~= nil
end

---@class weir.ErrorFields
---@field code? string your own; "error" unless given
---@field message? string
---@field details? any that JSON can hold
---@field retryable? boolean false: another attempt would fail in the same way
---@field retry_after? string|number the least pause before the next attempt: "30s", or seconds

---Makes an error of your own: `error(weir.error { code = "sold_out", message = "…" })`.
---@param fields weir.ErrorFields
---@return weir.Failure
function weir.error(fields)
  if type(fields) ~= "table" then
    usage_error("weir.error takes a table: weir.error { code = …, message = … }")
  end
  local unknown = option_checks.unknown(ERROR_FIELDS, fields)
  if unknown then usage_error("weir.error: " .. unknown) end
  if fields.code ~= nil and (type(fields.code) ~= "string" or fields.code == "") then
    usage_error("weir.error: code must be text")
  end
  if not is_message(fields.message) then
    usage_error("weir.error: message must be text; put other values into details")
  end
  if failure.RESERVED[fields.code] then
    usage_error(('weir.error: the code "%s" is weir\'s own; choose another'):format(fields.code))
  end
  if fields.retryable ~= nil and type(fields.retryable) ~= "boolean" then
    usage_error("weir.error: retryable must be true or false")
  end
  local retry_after_ms, fault
  if fields.retry_after ~= nil then
    retry_after_ms, fault = duration.ms(fields.retry_after)
    if fault then usage_error("weir.error: retry_after: " .. fault) end
  end
  return failure.new {
    code = fields.code or "error",
    message = fields.message,
    details = fields.details,
    retryable = fields.retryable,
    retry_after_ms = retry_after_ms,
  }
end

---Makes an error that is never retried: `error(weir.fatal("no such customer"))`.
---@param message string
---@param details? any that JSON can hold
---@return weir.Failure
function weir.fatal(message, details)
  if not is_message(message) then
    usage_error("weir.fatal takes a message; for a code of your own: weir.error { code = …, retryable = false }")
  end
  return failure.new { code = "error", message = message, details = details, retryable = false }
end

return weir
