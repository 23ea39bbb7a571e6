-- Crashes everywhere: the same deeds again and again, each time with the process dying one event later, until it does
-- not die any more. What comes of them must be the same each time: runs, operations, what was asked of children.

local failure = require "weir.base.failure"

local crashing = {}

local function told(text, raised)
  if raised then
    local made = type(raised) == "string" and failure.decode(raised) or raised
    return ("%s: %s"):format(made.code, made.message)
  end
  return text or ""
end

-- Returns the lines that must be equal with and without a crash.
local function picture(memory)
  local lines = {}
  for _, id in ipairs(memory.order) do
    local record, fields = memory.records[id], memory.records[id].fields
    lines[#lines + 1] = ("run %s of %s: %s %s, data %s"):format(id, record.workflow, record.state,
      told(fields.result, fields.error), fields.data)
    for _, operation in ipairs(memory:read(id).operations) do
      lines[#lines + 1] = ("run %s, %s %s: %s %s"):format(id, operation.kind, operation.id, operation.state,
        told(operation.result, operation.error))
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
  local expected = picture(untouched.memory)
  local event = 0
  while true do
    event = event + 1
    local runner = make(event)
    local ok, raised = pcall(act, runner)
    if not ok then error(("with a crash after event %d: %s"):format(event, tostring(raised)), 0) end
    if not runner.memory.crashed then return event - 1 end
    local fault = difference(expected, picture(runner.memory))
    if fault then error(("a crash after event %d makes a difference:%s"):format(event, fault), 0) end
  end
end

return crashing
