-- account: a tree of runs as it ended, in the form that two executions of it can be compared in:
-- not times, not numbers, not attempts, not the id of the root, and not what a graph's node read of
-- its dependencies (a inlined one has it at hand).

local json = require "weir.json"

local account = {}

---@alias Account table<string, { state: string, operations: table<string, table> }>

---@param facts Facts
---@param root string
---@return Account runs by id, that of the root being "r"
function account.of(facts, root)
  local pattern = root:gsub("%p", "%%%0")
  local function plain(text)
    return text and (text:gsub(pattern, "r"))
  end
  local length = #root
  local function renamed(id) return "r" .. id:sub(length + 1) end

  local runs = {}
  for _, id in ipairs(facts:ids(root)) do
    if id == root or id:sub(1, length + 1) == root .. "/" then
      local run, operations = facts:run(id), {}
      for _, operation in ipairs(run.operations) do
        operations[operation.id] = operation.kind ~= "deps" and {
          kind = operation.kind, state = operation.state, result = plain(operation.result),
          error = plain(operation.error and json.encode(operation.error)),
        } or nil
      end
      runs[renamed(id)] = {
        state = run.state, workflow = run.workflow, result = plain(run.result),
        error = plain(run.error and json.encode(run.error)), operations = operations,
      }
    end
  end
  return runs
end

---The account to expect where `actual` was: a run that is cancelled may not have come as far.
---@param undisturbed Account
---@param actual Account
---@return Account
function account.expected(undisturbed, actual)
  local expected = {}
  for id, run in pairs(undisturbed) do
    local other, copy = actual[id], {}
    for field, value in pairs(run) do copy[field] = value end
    if run.state == "cancelled" and other then
      copy.operations = {}
      for operation, value in pairs(run.operations) do
        if other.operations[operation] then copy.operations[operation] = value end
      end
    end
    expected[id] = copy
  end
  return expected
end

return account
