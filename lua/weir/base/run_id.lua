-- The grammar of run ids: `<parent>/<operation>` for a child, followed by `~<generation>` from the second generation
-- on. The root of a run is the text before the first "/".

local run_id = {}

---The id of a child.
---@param parent string
---@param operation string
---@param generation integer|string|nil the first unless given
---@return string
function run_id.child(parent, operation, generation)
  local id = parent .. "/" .. operation
  if generation == nil or generation == 1 or generation == "1" then return id end
  return id .. "~" .. generation
end

---@param id string
---@return string? parent nil: it is a root
function run_id.parent(id) return id:match "^(.*)/" end

---@param id string
---@return string root
function run_id.root(id) return id:match "^[^/]*" end

---@param id string
---@return integer depth how many runs are above it
function run_id.depth(id)
  local _, depth = id:gsub("/", "")
  return depth
end

---The operation of the parent that began the run; of a root, its own id.
---@param id string
---@return string
function run_id.operation(id) return id:match "([^/~]*)~?%d*$" end

---@param id string
---@return integer? generation nil: the first
function run_id.generation(id) return math.tointeger(tonumber(id:match "~(%d+)$")) end

---The id of the same run in another generation.
---@param id string
---@param generation integer|string
---@return string
function run_id.in_generation(id, generation)
  id = id:gsub("~%d+$", "")
  return (generation == 1 or generation == "1") and id or id .. "~" .. generation
end

---@param id string
---@param parent string
---@return boolean
function run_id.is_child_of(id, parent) return run_id.parent(id) == parent end

---@param id string
---@return boolean
function run_id.is_root(id) return not id:find("/", 1, true) end

return run_id
