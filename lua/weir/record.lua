-- A run as Redis has it, read: the flat fields of its record become the run that people and other
-- programs see. Payloads stay the text they are until somebody asks for JSON.
-- Pure; knows no Redis.

local entry = require "weir.entry"
local json = require "weir.json"

local record = {}

---@class weir.RecordedOperation
---@field id string
---@field kind string
---@field state "running"|"completed"|"failed"|"cancelled"
---@field number integer? of its outcome
---@field after integer
---@field run string? the child's
---@field workflow string?
---@field arguments string? JSON
---@field line string
---@field bundle string?
---@field result string? JSON
---@field error table?
---@field attempts integer
---@field started_at integer
---@field finished_at integer?
---@field refused boolean? it was never begun: there is no child

---@class weir.Record
---@field id string
---@field state string
---@field workflow string
---@field attempt integer
---@field round integer
---@field turn integer how many of its turns are recorded
---@field barren string? what a retry forgets by the rule, as `forgetting` reads it
---@field detached boolean its end is nobody's outcome
---@field seed string
---@field data string JSON
---@field result string? JSON
---@field error table? of a run that is not failed: that of its last attempt
---@field parent string?
---@field root string
---@field queue string
---@field priority integer
---@field bundle string?
---@field tags string? JSON
---@field created_at integer
---@field started_at integer?
---@field finished_at integer?
---@field cancel weir.Outcome? its end from outside, recorded: cancelled, expired or lost
---@field holder string? the worker that has it: "<host>.<thread>"
---@field deadline integer?
---@field operations weir.RecordedOperation[] in the order in which they began

record.ENDED = { completed = true, failed = true, cancelled = true }

local function integer(text)
  return text and math.tointeger(tonumber(text))
end

-- What the operation failed with, as the workflow saw it: a child's own failure is the cause.
local function error_of(operation, outcome)
  local failure = json.decode(outcome.value)
  if operation.kind == "invoke" and (outcome.state == "failed" or outcome.state == "cancelled") then
    return {
      code = "child_failed", message = "Child execution failed: " .. tostring(failure.message),
      retryable = false, operation = operation.id, workflow = operation.workflow, cause = failure,
    }
  end
  failure.operation = operation.id
  return failure
end

local function read_outcome(operation, outcome)
  operation.number, operation.finished_at = outcome.number, outcome.finished_at
  operation.attempts = outcome.attempts
  if outcome.state == "completed" then
    operation.state, operation.result = "completed", outcome.value
    return
  end
  operation.state = outcome.state == "cancelled" and "cancelled" or "failed"
  operation.refused = outcome.state == "refused" or nil
  operation.error = error_of(operation, outcome)
end

local function read_operation(run, id, text, outcome, bundles, round)
  local held = entry.read(text)
  local invoked = held.kind == "invoke"
  local operation = {
    id = id, kind = held.kind, after = held.after, line = held.line, started_at = held.started_at,
    workflow = invoked and held.subject or nil, bundle = bundles[held.attempt] or run.bundle, attempts = 1,
    arguments = held.arguments ~= "" and held.arguments or nil,
  }
  if outcome then
    read_outcome(operation, outcome)
    if operation.error then operation.error.run = operation.error.run or run.id end
  else
    -- What was under way when its run ended has ended with it.
    operation.state = record.ENDED[run.state] and "cancelled" or "running"
    local failures = held.kind == "step" and operation.arguments and json.decode(held.arguments).failures
    if failures then operation.attempts = failures end
  end
  if invoked and not operation.refused then operation.run = run.id .. "/" .. id .. (round and "~" .. round or "") end
  return operation
end

---@param id string
---@param list string[] field, value, field, value … as stored
---@return weir.Record
function record.read(id, list)
  local fields, entries, outcomes, bundles, rounds, cancel = {}, {}, {}, {}, {}, nil
  for i = 1, #list, 2 do
    local field, value = list[i], list[i + 1]
    local operation, attempt = field:match("^o:(.+)$"), field:match("^bundle@(%d+)$")
    if operation then
      entries[operation] = value
    elseif field:find("^c:") then
      rounds[field:sub(3)] = value
    elseif field:find("^%d+$") then
      local outcome = entry.read_outcome(field .. "\t" .. value)
      if outcome.operation ~= "" then
        outcomes[outcome.operation] = outcome
      elseif outcome.state ~= "now" and (not cancel or outcome.number < cancel.number) then
        cancel = outcome
      end
    elseif attempt then
      bundles[integer(attempt)] = value
    else
      fields[field] = value
    end
  end

  local run = {
    id = id, state = fields.state, workflow = fields.workflow, attempt = integer(fields.attempt) or 1,
    round = integer(fields.round) or 1, turn = integer(fields.turn) or 0, barren = fields.barren,
    detached = fields.detached ~= nil,
    seed = fields.seed, data = fields.data, result = fields.result,
    error = fields.error and json.decode(fields.error), parent = id:match("^(.*)/[^/]*$"),
    root = id:match("^[^/]*"), queue = (fields.queue or "default"):gsub("^%?.*", "default"),
    priority = integer(fields.priority) or 0,
    bundle = fields.bundle ~= "" and fields.bundle or nil, tags = fields.tags,
    created_at = integer(fields.created_at), started_at = integer(fields.started_at),
    finished_at = integer(fields.finished_at), cancel = cancel,
    holder = fields.holder ~= "" and fields.holder or nil, deadline = integer(fields.deadline), operations = {},
  }
  for operation, text in pairs(entries) do
    run.operations[#run.operations + 1] = read_operation(run, operation, text, outcomes[operation], bundles,
      rounds[operation])
  end
  entry.sort(run.operations)
  return run
end

local function decoded(text, otherwise)
  if text then return json.decode(text) end
  return otherwise
end

local function or_null(value)
  if value == nil then return json.null end
  return value
end

local function operation_table(operation)
  return {
    id = operation.id, kind = operation.kind, state = operation.state, number = or_null(operation.number),
    after = operation.after, run = or_null(operation.run), workflow = or_null(operation.workflow),
    arguments = decoded(operation.arguments, {}), line = operation.line, bundle = or_null(operation.bundle),
    result = decoded(operation.result, json.null), error = or_null(operation.error),
    attempts = operation.attempts, started_at = operation.started_at,
    finished_at = or_null(operation.finished_at),
  }
end

---The run as JSON, as it is printed with --json.
---@param run weir.Record
---@return string
function record.json(run)
  local operations = json.array {}
  for i, operation in ipairs(run.operations) do operations[i] = operation_table(operation) end
  return json.encode {
    id = run.id, workflow = run.workflow, state = run.state, attempt = run.attempt, round = run.round,
    seed = run.seed, data = decoded(run.data, json.null), result = decoded(run.result, json.null),
    error = or_null(run.error), parent = or_null(run.parent), root = run.root, queue = run.queue,
    priority = run.priority, bundle = or_null(run.bundle), tags = decoded(run.tags, {}),
    created_at = run.created_at, started_at = or_null(run.started_at),
    finished_at = or_null(run.finished_at), operations = operations,
  }
end

return record
