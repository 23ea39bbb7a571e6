-- Describes violations of a schema in sentences.

local failure = require "weir.base.failure"
local json = require "weir.json"

local violations = {}

---@param workflow string
---@param list weir.Violation[]
---@return string
function violations.sentence(workflow, list)
  local lines = {}
  for i, violation in ipairs(list) do
    lines[i] = (violation.path ~= "" and violation.path .. ": " or "") .. violation.message
  end
  return ('data of workflow "%s" is not valid: %s'):format(workflow, table.concat(lines, "; "))
end

---@param workflow string
---@param list weir.Violation[]
---@return weir.Failure
function violations.to_failure(workflow, list)
  return failure.new {
    code = "invalid_data", retryable = false, details = json.array(list), message = violations.sentence(workflow, list),
  }
end

return violations
