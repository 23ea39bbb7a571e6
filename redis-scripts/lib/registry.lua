-- registry: the code and the defaults of each workflow, as hosts announced them. An entry is a JSON object; README.md
-- has its fields.

local registry = {}
lib.registry = registry

--- The entry of a workflow, read once a batch; nil when no host has announced the workflow.
function registry.find(workflow)
  local entries = lib.plan.registry
  local entry = entries[workflow]
  if entry == nil then
    local text = redis.call("HGET", lib.key("registry"), workflow)
    entry = text and cjson.decode(text)
    entries[workflow] = entry
  end
  return entry or nil
end

--- Plan the entry of a workflow.
function registry.put(workflow, text)
  lib.plan.registry[workflow] = cjson.decode(text)
  lib.write("HSET", "registry", workflow, text)
end
