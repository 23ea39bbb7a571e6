-- What a retry forgets: which operations of an ended run are to be done again. The run that begins again forgets them,
-- before any of its code runs; the command line says so beforehand. Pure.
--
--   rule       what failed and led to nothing; what the run left unfinished
--   only⇥ID…   those operations, each behind a tab, and what was left unfinished
--   from⇥ID    that one, and all that began after it
--   scratch    everything
--
-- A graph goes by its dependencies: what failed, or the node that is named, and all that depend on it.

local forgetting = {}

---@alias weir.Mark ""|"again"|"anew" of an invoke: its child goes on if it is asked the same, or a new round begins

---@class weir.Remembered
---@field id string
---@field kind string
---@field number integer? of its outcome
---@field after integer number of the last outcome delivered before it began
---@field failed boolean? its outcome is a failure

---@class weir.Ended
---@field operations weir.Remembered[] in the order in which they began
---@field barren string? each behind a tab: those that a retry forgets by the rule, "~" before what was undone or
---cleaned up, which is done anew; nil: nobody saw how it ended
---@field graph { nodes: { key: string, depends_on: string[]? }[] }?

local function scope_of(id) return id:match("^.*:") or "" end

-- Nobody saw how the run ended: a failure led to nothing when nothing began after it, in its branch or one around it.
local function led_to_nothing(operation, operations)
  local scope = scope_of(operation.id)
  for _, other in ipairs(operations) do
    local around = scope_of(other.id)
    if other.after >= operation.number and scope:sub(1, #around) == around then return false end
  end
  return true
end

local function by_the_rule(ended, marks)
  local listed
  if ended.barren then
    listed = {}
    for anew, id in ended.barren:gmatch("\t(~?)([^\t]+)") do
      listed[id] = anew ~= "" and "anew" or listed[id] or "again"
    end
  end
  for _, operation in ipairs(ended.operations) do
    local id = operation.id
    if listed and listed[id] then
      marks[id] = listed[id]
    elseif not listed and operation.failed and led_to_nothing(operation, ended.operations) then
      marks[id] = "again"
    end
  end
end

-- What depends on something that is forgotten is done anew: what it was given may be different now.
local function spread(graph, marks)
  local dependents, queue = {}, {}
  for _, node in ipairs(graph.nodes) do
    for _, key in ipairs(node.depends_on or {}) do
      dependents[key] = dependents[key] or {}
      table.insert(dependents[key], node.key)
    end
    if marks[node.key] then queue[#queue + 1] = node.key end
  end
  local reached = {}
  while #queue > 0 do
    for _, key in ipairs(dependents[table.remove(queue)] or {}) do
      if not reached[key] then
        reached[key] = true
        queue[#queue + 1] = key
      end
    end
  end
  for key in pairs(reached) do marks[key] = "anew" end
end

local function choose_from(ended, first, marks)
  local after = false
  for _, operation in ipairs(ended.operations) do
    after = after or operation.id == first
    if after then marks[operation.id] = "anew" end
  end
end

---@param ended weir.Ended
---@param again string rule, only, from, scratch
---@return table<string, weir.Mark> marks those that are forgotten
---@return string[] ids the same, those that began last first
function forgetting.choose(ended, again)
  local marks = {}
  local mode, named = again:match("^(%a+)\t?(.*)$")
  for _, operation in ipairs(ended.operations) do
    local node_failed = ended.graph and mode == "rule" and operation.failed
    if not operation.number or node_failed then marks[operation.id] = "again" end
    if mode == "scratch" then marks[operation.id] = "anew" end
  end
  if mode == "only" then
    for id in named:gmatch("[^\t]+") do marks[id] = "again" end
  elseif mode == "from" and ended.graph then
    marks[named] = "anew"
  elseif mode == "from" then
    choose_from(ended, named, marks)
  elseif mode == "rule" and not ended.graph then
    by_the_rule(ended, marks)
  end
  if ended.graph then spread(ended.graph, marks) end

  local ids, forgotten = {}, {}
  for i = #ended.operations, 1, -1 do
    local operation = ended.operations[i]
    local mark = marks[operation.id]
    if mark then
      ids[#ids + 1] = operation.id
      forgotten[operation.id] = operation.kind == "invoke" and mark or ""
    end
  end
  return forgotten, ids
end

return forgetting
