-- Runs a spec's function again and again, each time with a crash one event later, until no crash is left. The runs,
-- their operations and their results must be the same each time.

local failure = require "weir.base.failure"

local crashing = {}

local function outcome_text(text, raised)
  if raised then
    local fault = type(raised) == "string" and failure.decode(raised) or raised
    return ("%s: %s"):format(fault.code, fault.message)
  end
  return text or ""
end

-- Lists the runs and operations, which must be equal with and without a crash.
local function lines_of(memory)
  local lines = {}
  for _, id in ipairs(memory.order) do
    local record, fields = memory.records[id], memory.records[id].fields
    lines[#lines + 1] = ("run %s of %s: %s %s, data %s"):format(id, record.workflow, record.state,
      outcome_text(fields.result, fields.error), fields.data)
    for _, operation in ipairs(memory:read(id).operations) do
      lines[#lines + 1] = ("run %s, %s %s: %s %s"):format(id, operation.kind, operation.id, operation.state,
        outcome_text(operation.result, operation.error))
    end
  end
  table.sort(lines)
  return lines
end

local function difference(expected, found)
  for i = 1, math.max(#expected, #found) do
    if expected[i] ~= found[i] then
      return ("\n  without: %s\n  with:    %s"):format(expected[i] or "nothing", found[i] or "nothing")
    end
  end
end

---@param make fun(crash_at: integer?): weir.testing.Runner
---@param act fun(runner: weir.testing.Runner)
---@return integer crashes
function crashing.everywhere(make, act)
  local untouched = make(nil)
  act(untouched)
  local expected = lines_of(untouched.memory)
  local event = 0
  while true do
    event = event + 1
    local runner = make(event)
    local ok, raised = pcall(act, runner)
    if not ok then error(("with a crash after event %d: %s"):format(event, tostring(raised)), 0) end
    if not runner.memory.crashed then return event - 1 end
    local fault = difference(expected, lines_of(runner.memory))
    if fault then error(("a crash after event %d makes a difference:%s"):format(event, fault), 0) end
  end
end

return crashing
