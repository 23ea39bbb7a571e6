-- Selects the operations of an ended run that a retry resets, so that the run executes them again. The run applies the
-- selection when it begins again, before any of its code runs (apply.lua). `weir retry` reports it. Pure.
--
--   unhandled       unhandled failures, and operations that the run left unfinished
--   children⇥ID…    the same, but of the operations that failed by themselves only those named
--   from⇥ID         that operation, and all that began after it
--   all             all operations
--
-- In a graph the dependencies decide: the nodes that failed, or the node that is named, and all nodes that depend on
-- them, in the graph as it ran (`choose`) or as its code is now (`outdated`).

local kinds = require "weir.record.kinds"
local scope = require "weir.base.scope"

local select_reset = {}

---How an operation is reset. "drop" just removes it. An invoke is marked "reuse" (its child goes on if it is invoked
---with the same arguments) or "restart" (a new generation of the child begins).
---@alias weir.Mark "drop"|"reuse"|"restart"

---@class weir.Remembered
---@field id string
---@field kind string
---@field scope string? nil: outside of all branches
---@field number integer? of its outcome
---@field after integer number of the last outcome delivered before it began
---@field failed boolean? its outcome is a failure
---@field ended_early boolean? it did not fail by itself: it was cancelled, or not started

---@class weir.Ended
---@field operations weir.Remembered[] in the order in which they began
---@field redo string? the list that the run left (see weir.reset.redo_set); nil: no code of the run saw its end
---@field graph { nodes: { key: string, depends_on: string[]? }[] }?

---For each scope, the number of the outcome after which the last operation began there.
---@param operations { scope: string?, after: integer }[]
---@return table<string, integer> latest by scope
function select_reset.latest(operations)
  local latest = {}
  for _, operation in ipairs(operations) do
    local inner = operation.scope or scope.ROOT
    latest[inner] = math.max(latest[inner] or 0, operation.after)
  end
  return latest
end

---Whether an operation began after an outcome, in the branch that received it or in one around that branch.
---@param latest table<string, integer>
---@param inner string scope of the branch
---@param number integer of the outcome
function select_reset.was_handled(latest, inner, number)
  if (latest[scope.ROOT] or 0) >= number then return true end
  for outer in scope.around(inner) do
    if (latest[outer] or 0) >= number then return true end
  end
  return false
end

-- Reads the list that a run left at its end: id -> mark.
local function read_redo(text)
  local listed = {}
  for restarts, id in text:gmatch("\t(~?)([^\t]+)") do
    listed[id] = restarts ~= "" and "restart" or listed[id] or "reuse"
  end
  return listed
end

-- Undos had begun: they are reset, and with them the operations that they may have undone.
local function list_undone(operations, listed)
  for _, operation in ipairs(operations) do
    local undone = operation.scope and scope.undone(operation.scope)
    if undone then listed[operation.id], listed[undone] = "restart", "restart" end
  end
end

-- Computes the list of a run whose code did not see its end.
local function guess(operations)
  local listed, latest = {}, select_reset.latest(operations)
  for _, operation in ipairs(operations) do
    if operation.failed and not select_reset.was_handled(latest, operation.scope or scope.ROOT, operation.number) then
      listed[operation.id] = "reuse"
    end
  end
  list_undone(operations, listed)
  return listed
end

-- `ended_early`: operations that failed by themselves are kept.
local function choose_unhandled(ended, marks, ended_early)
  local listed = ended.redo and read_redo(ended.redo) or guess(ended.operations)
  for _, operation in ipairs(ended.operations) do
    local mark = listed[operation.id]
    local chosen = mark and operation.failed and (operation.ended_early or not ended_early)
    if mark == "restart" or chosen then marks[operation.id] = mark end
  end
end

-- Marks every node that depends on a node that is reset: its input may be different now.
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
---@return table<string, weir.Mark> marks of the operations that are reset
---@return string[] ids the same operations, the last one first
function select_reset.choose(ended, selection)
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

  local ids, marked = {}, {}
  for i = #ended.operations, 1, -1 do
    local operation = ended.operations[i]
    local mark = marks[operation.id]
    if mark then
      ids[#ids + 1] = operation.id
      marked[operation.id] = kinds[operation.kind].owns_child and mark or "drop"
    end
  end
  return marked, ids
end

-- ------------------------------------------------------------------------------------------------
-- Graphs whose code was changed

---@class weir.KeptNode
---@field number integer of its outcome
---@field after integer the number after which it began
---@field completed boolean

-- The fates of the nodes, as far as they are known: `ended` has the number of a node's outcome, `completed` whether it
-- is a result; `reset` has the nodes that are reset.
local function new_fates(plan)
  local fates = { ended = {}, completed = {}, reset = {}, order = {}, missing = {} }
  for i = 1, plan.count do
    fates.missing[i] = plan.first_need[i + 1] - plan.first_need[i]
    if fates.missing[i] == 0 then table.insert(fates.order, i) end
  end
  return fates
end

-- Summarizes the dependencies of a node. Returns whether any is open, whether any is reset, and the numbers at which
-- the first one failed, the first one completed and the last one ended.
local function needs_of(plan, fates, i)
  local open, is_reset, failed, first, last = false, false, nil, nil, 0
  for at = plan.first_need[i], plan.first_need[i + 1] - 1 do
    local need = plan.needs[at]
    local number = fates.ended[need]
    is_reset = is_reset or fates.reset[need]
    if not number then
      open = true
    elseif fates.completed[need] then
      first, last = math.min(first or number, number), math.max(last, number)
    else
      failed, last = math.min(failed or number, number), math.max(last, number)
    end
  end
  return open, is_reset, failed, first, last
end

-- The number at which a node could begin, or at which it could never begin any more; neither if that is not known yet.
---@return integer? able
---@return integer? never
local function begins(when, open, failed, first, last)
  if when == "any" and (first or not open and not failed) then return first or 0 end
  if when == "all" and failed then return nil, failed end
  if open then return nil end
  if when == "any" then return nil, last end
  return last
end

-- Decides whether a node that was kept, or whose child would go on, is reset as well.
local function judge(plan, fates, i, kept, reset_child)
  local open, is_reset, failed, first, last = needs_of(plan, fates, i)
  local able, never = begins(plan.when[i] or "all", open, failed, first, last)
  if not kept then
    fates.ended[i] = never
    if never then fates.reset[i] = false end -- it never begins, so nodes that can do without it keep their outcomes
    return reset_child and not reset_child.restart and (is_reset or not able and not never)
  elseif able and able <= kept.after and not is_reset then
    fates.ended[i], fates.completed[i] = kept.number, kept.completed
  else
    fates.reset[i] = true
    return true
  end
end

---The nodes that were kept, or whose child would go on, although in the graph as it is now they depend on a node that
---is reset or new.
---@param plan weir.Plan
---@param kept table<string, weir.KeptNode> by key
---@param reset_children table<string, { restart: boolean }> by key
---@return string[] keys
function select_reset.outdated(plan, kept, reset_children)
  local fates, keys, at = new_fates(plan), {}, 0 -- in an order in which each node comes after its dependencies
  for i = 1, plan.count do fates.reset[i] = reset_children[plan.keys[i]] ~= nil end
  while at < plan.count do
    at = at + 1
    local i = fates.order[at]
    local key = plan.keys[i]
    if judge(plan, fates, i, kept[key], reset_children[key]) then keys[#keys + 1] = key end
    for edge = plan.first_user[i], plan.first_user[i + 1] - 1 do
      local user = plan.users[edge]
      fates.missing[user] = fates.missing[user] - 1
      if fates.missing[user] == 0 then table.insert(fates.order, user) end
    end
  end
  return keys
end

return select_reset
