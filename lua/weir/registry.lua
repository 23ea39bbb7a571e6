-- What a host says of its workflow folder to Redis: the arguments of the verb `announce`.
-- A folder that has faults announces nothing.

local bundle = require "weir.bundle"
local json = require "weir.json"
local keys = require "weir.keys"

local registry = {}

---@param files table<string, string> path -> source
---@return (string|integer)[]? arguments count, path, source…, count, then six for each workflow
---@return string[]? faults each "file:line: message"
function registry.announcement(files)
  local loaded, faults = bundle.load("", files)
  if not loaded then return nil, faults end

  local paths, ids = keys.sorted(files), keys.sorted(loaded.workflows)
  local arguments = { #paths }
  local function add(value) arguments[#arguments + 1] = value end
  for _, path in ipairs(paths) do
    add(path)
    add(files[path])
  end
  add(#ids)
  for _, id in ipairs(ids) do
    local workflow = loaded.workflows[id]
    add(id)
    add(workflow.queue)
    add(workflow.priority)
    add(workflow.timeout_ms or "")
    add(workflow.retain_ms)
    add(workflow.validate and json.encode(workflow.schema) or "") -- a function is checked when it runs
  end
  return arguments
end

return registry
