-- registry: the bundle and the defaults of each workflow, as hosts announced them. An entry is a JSON object; README.md
-- has its fields.
--
-- A workflow whose newest bundle lacks it (`removed`) leaves the registry when no living host has it in a folder and no
-- run of it is unfinished. While attempts run on its bundle, whose code may invoke it, its entry is kept for them, but
-- `closed` to others.

local LOOKED_AT = 100 -- removed workflows a call

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

--- Whether runs of a workflow may be started from outside its own bundle.
function registry.is_open(workflow)
  local entry = registry.find(workflow)
  return entry ~= nil and not entry.closed
end

local function count_served(bundle, change)
  local serves = lib.plan.serves
  serves[bundle] = (serves[bundle] or 0) + change
end

--- Plan the entry of a workflow.
function registry.put(workflow, entry)
  local before = registry.find(workflow)
  if before then count_served(before.bundle, -1) end
  count_served(entry.bundle, 1)
  if entry.removed then
    lib.write("SADD", "removed", workflow)
    local removed = lib.plan.removed
    if #removed < LOOKED_AT then lib.push(removed, workflow) end
  elseif before and before.removed then
    lib.write("SREM", "removed", workflow)
  end
  lib.plan.registry[workflow] = entry
  lib.write("HSET", "registry", workflow, cjson.encode(entry))
end

-- ---------------------------------------------------------------------------------------------------------------
-- Removed workflows

--- Plan what a folder of a host holds: a bundle, and workflows.
function registry.hold(host, folder, bundle, workflows)
  local ids = table.concat(workflows, "\t")
  lib.plan.holds[host .. " " .. folder] = ids
  lib.write("HSET", "host:" .. host, "folder:" .. folder, bundle, "workflows:" .. folder, ids)
end

-- The workflows in the folders of hosts that have a lease.
local function held_workflows()
  local held = {}
  for _, host in ipairs(redis.call("ZRANGE", lib.key("leases"), 0, -1)) do
    local folder = lib.plan.forgotten[host] and -1 or 0
    while folder >= 0 do
      local ids = lib.plan.holds[host .. " " .. folder]
        or redis.call("HGET", lib.key("host:" .. host), "workflows:" .. folder)
      for workflow in string.gmatch(ids or "", "[^\t]+") do held[workflow] = true end
      folder = ids and folder + 1 or -1
    end
  end
  return held
end

local function leave(workflow, entry)
  if lib.needs.count("attempts", entry.bundle) == 0 then
    count_served(entry.bundle, -1)
    lib.plan.registry[workflow] = false
    lib.write("HDEL", "registry", workflow)
    lib.write("HDEL", "unfinished", workflow)
    lib.write("SREM", "removed", workflow)
  elseif not entry.closed then
    entry.closed = true
    registry.put(workflow, entry)
  end
end

--- Plan to remove workflows that nothing needs, a bounded number a call. Later heartbeats check the others again.
function registry.drop_removed()
  local removed = redis.call("SRANDMEMBER", lib.key("removed"), LOOKED_AT)
  for _, workflow in ipairs(lib.plan.removed) do lib.push(removed, workflow) end
  if #removed == 0 then return end
  local held = held_workflows()
  for _, workflow in ipairs(removed) do
    local entry = registry.find(workflow)
    if entry and entry.removed and not held[workflow] and lib.needs.count("unfinished", workflow) == 0 then
      leave(workflow, entry)
    end
  end
end
