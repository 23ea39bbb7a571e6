-- Selects the operations of an ended run that a retry resets, so that the run executes them again. The run resets them
-- when it begins again, before any of its code runs. The command line lists them beforehand. Pure.
--
--   unhandled       the unhandled failures, and the operations that the run left unfinished
--   children⇥ID…    the same, but of the operations that failed by themselves only these, each behind a tab
--   from⇥ID         this operation, and all that began after it
--   all             every operation
--
-- A graph goes by its dependencies: what failed, or the node that is named, and all that depend on it, in the graph as
-- it ran (`choose`) or as it is now (`outdated`).

local kinds = require "weir.record.kinds"
local scope = require "weir.base.scope"

local reset = {}

---@alias weir.Mark "drop"|"reuse"|"restart" how an operation is reset. Of an invoke: `reuse` its child if the code asks
---for the same, or `restart` it as a new generation

---@class weir.Remembered
---@field id string
---@field kind string
---@field scope string? nil: no branch is around it
---@field number integer? of its outcome
---@field after integer number of the last outcome delivered before it began
---@field failed boolean? its outcome is a failure
---@field ended_early boolean? it failed for no fault of its own: it was cancelled, or never started

---@class weir.Ended
---@field operations weir.Remembered[] in the order in which they began
---@field redo string? each behind a tab: those that a plain retry resets, "~" before those that were undone or cleaned
---up, which restart; nil: no code saw how the run ended
---@field graph { nodes: { key: string, depends_on: string[]? }[] }?

---In which scopes something began last, and after which outcome.
---@param operations { scope: string?, after: integer }[]
---@return table<string, integer> latest by scope
function reset.latest(operations)
  local latest = {}
  for _, operation in ipairs(operations) do
    local inner = operation.scope or scope.ROOT
    latest[inner] = math.max(latest[inner] or 0, operation.after)
  end
  return latest
end

---Whether something began after an outcome, in the branch that got it or one around that.
---@param latest table<string, integer>
---@param inner string scope of the branch
---@param number integer of the outcome
function reset.was_handled(latest, inner, number)
  if (latest[scope.ROOT] or 0) >= number then return true end
  for outer in scope.around(inner) do
    if (latest[outer] or 0) >= number then return true end
  end
  return false
end

-- Reads the list that a run leaves when it reports its end: id -> how the retry resets that operation.
local function read_redo(text)
  local listed = {}
  for restarts, id in text:gmatch("\t(~?)([^\t]+)") do
    listed[id] = restarts ~= "" and "restart" or listed[id] or "reuse"
  end
  return listed
end

-- Undos began: they restart, and so do the operations that they may have undone.
local function list_undone(operations, listed)
  for _, operation in ipairs(operations) do
    local undone = operation.scope and scope.undone(operation.scope)
    if undone then listed[operation.id], listed[undone] = "restart", "restart" end
  end
end

-- No code saw how the run ended.
local function guess(operations)
  local listed, latest = {}, reset.latest(operations)
  for _, operation in ipairs(operations) do
    if operation.failed and not reset.was_handled(latest, operation.scope or scope.ROOT, operation.number) then
      listed[operation.id] = "reuse"
    end
  end
  list_undone(operations, listed)
  return listed
end

-- `ended_early`: only failures of operations that ended early; those that failed by themselves are kept.
local function choose_unhandled(ended, marks, ended_early)
  local listed = ended.redo and read_redo(ended.redo) or guess(ended.operations)
  for _, operation in ipairs(ended.operations) do
    local mark = listed[operation.id]
    local chosen = mark and operation.failed and (operation.ended_early or not ended_early)
    if mark == "restart" or chosen then marks[operation.id] = mark end
  end
end

-- Marks every node that depends on a reset one to restart, because its input may be different now.
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
  for key in pairs(reached) do marks[key] = "restart" end
end

local function choose_from(ended, first, marks)
  local after = false
  for _, operation in ipairs(ended.operations) do
    after = after or operation.id == first
    if after then marks[operation.id] = "restart" end
  end
end

---@param ended weir.Ended
---@param selection string unhandled, children, from or all
---@return table<string, weir.Mark> marks those that are forgotten
---@return string[] ids the same, those that began last first
function reset.choose(ended, selection)
  local marks = {}
  local mode, named = selection:match("^(%a+)\t?(.*)$")
  for _, operation in ipairs(ended.operations) do
    local node_failed = ended.graph and mode == "unhandled" and operation.failed
    if not operation.number or node_failed then marks[operation.id] = "reuse" end
    if mode == "all" then marks[operation.id] = "restart" end
  end
  if not ended.graph and (mode == "unhandled" or mode == "children") then
    choose_unhandled(ended, marks, mode == "children")
  end
  if mode == "children" then
    for id in named:gmatch("[^\t]+") do marks[id] = "reuse" end
  elseif mode == "from" and ended.graph then
    marks[named] = "restart"
  elseif mode == "from" then
    choose_from(ended, named, marks)
  end
  if ended.graph then spread(ended.graph, marks) end

  local ids, forgotten = {}, {}
  for i = #ended.operations, 1, -1 do
    local operation = ended.operations[i]
    local mark = marks[operation.id]
    if mark then
      ids[#ids + 1] = operation.id
      forgotten[operation.id] = kinds[operation.kind].owns_child and mark or "drop"
    end
  end
  return forgotten, ids
end

-- ------------------------------------------------------------------------------------------------
-- A graph that was changed

---@class weir.KeptNode
---@field number integer of its outcome
---@field after integer as it began
---@field completed boolean

-- When each node's fate was known, as far as it is: `ended` has the number, `completed` whether it is good; `lost` are
-- those that were there and are forgotten.
local function new_fates(plan)
  local fates = { ended = {}, completed = {}, lost = {}, order = {}, missing = {} }
  for i = 1, plan.count do
    fates.missing[i] = plan.first_need[i + 1] - plan.first_need[i]
    if fates.missing[i] == 0 then table.insert(fates.order, i) end
  end
  return fates
end

-- Summarizes the dependencies of a node. Returns whether any is still open, whether any is lost, and the numbers at
-- which the first one failed, the first one completed and the last one ended.
local function needs_of(plan, fates, i)
  local open, lost, failed, first, last = false, false, nil, nil, 0
  for at = plan.first_need[i], plan.first_need[i + 1] - 1 do
    local need = plan.needs[at]
    local number = fates.ended[need]
    lost = lost or fates.lost[need]
    if not number then
      open = true
    elseif fates.completed[need] then
      first, last = math.min(first or number, number), math.max(last, number)
    else
      failed, last = math.min(failed or number, number), math.max(last, number)
    end
  end
  return open, lost, failed, first, last
end

-- When a node could begin, or was never to begin; neither when that is not known yet.
---@return integer? able
---@return integer? never
local function begins(when, open, failed, first, last)
  if when == "any" and (first or not open and not failed) then return first or 0 end
  if when == "all" and failed then return nil, failed end
  if open then return nil end
  if when == "any" then return nil, last end
  return last
end

-- Whether a node has to restart that is kept, or whose child is reused.
local function judge(plan, fates, i, kept, forgotten)
  local open, lost, failed, first, last = needs_of(plan, fates, i)
  local able, never = begins(plan.when[i] or "all", open, failed, first, last)
  if not kept then
    fates.ended[i] = never
    if never then fates.lost[i] = false end -- nothing of it is to come: what can do without it keeps what it did
    return forgotten and not forgotten.restart and (lost or not able and not never)
  elseif able and able <= kept.after and not lost then
    fates.ended[i], fates.completed[i] = kept.number, kept.completed
  else
    fates.lost[i] = true
    return true
  end
end

---Nodes that are kept, or whose child is to go on, although they depend, as the graph is now, on something that is
---forgotten or was never there.
---@param plan weir.Plan
---@param kept table<string, weir.KeptNode> by key
---@param forgotten table<string, { restart: boolean }> by key
---@return string[] keys
function reset.outdated(plan, kept, forgotten)
  local fates, keys, at = new_fates(plan), {}, 0 -- in an order in which none stands before those it depends on
  for i = 1, plan.count do fates.lost[i] = forgotten[plan.keys[i]] ~= nil end
  while at < plan.count do
    at = at + 1
    local i = fates.order[at]
    local key = plan.keys[i]
    if judge(plan, fates, i, kept[key], forgotten[key]) then keys[#keys + 1] = key end
    for edge = plan.first_user[i], plan.first_user[i + 1] - 1 do
      local user = plan.users[edge]
      fates.missing[user] = fates.missing[user] - 1
      if fates.missing[user] == 0 then table.insert(fates.order, user) end
    end
  end
  return keys
end

return reset
