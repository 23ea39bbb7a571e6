-- Plans the retry of one ended run. The plan lists the run itself and the runs above it that ended because of it, and
-- says for each run which operations it resets, in the form that weir.reset.select reads. If the run cannot begin
-- again, the planner returns the reason. Pure; `weir retry` and weir.testing carry the plan out.

local select_reset = require "weir.reset.select"
local graph_plan = require "weir.define.graph_plan"
local suggest = require "weir.base.suggest"
local record = require "weir.record.record"
local run_id = require "weir.base.run_id"

local plan = {}

local NAMED = 5 -- operations named in a sentence

---@class weir.PlannedRun
---@field run weir.Record
---@field reset string which operations it resets: unhandled, children, from, all
---@field child string? the operation that it asks for again, followed by those that share its child, separated by tabs

-- Converts an ended run to the form that weir.reset.select takes.
local function ended(run)
  local operations = {}
  for _, operation in ipairs(run.operations) do
    if operation.state ~= "pending" then
      operations[#operations + 1] = {
        id = operation.id, kind = operation.kind, number = operation.number, after = operation.after,
        scope = operation.scope,
        failed = operation.number ~= nil and operation.state ~= "completed",
        ended_early = operation.state == "cancelled" or operation.refused,
      }
    end
  end
  return { operations = operations, redo = run.redo, graph = run.graph }
end

local function refused(format, ...) return nil, "refused", format:format(...) end

-- Refuses, because the runs above have gone on and the end of this run no longer matters.
local function past(format, ...) return nil, "past", format:format(...) end

local function operation_of(run, id)
  for _, operation in ipairs(run.operations) do
    if operation.id == id then return operation end
  end
end

local function no_such_operation(run, id)
  local names = {}
  for i, operation in ipairs(run.operations) do names[i] = operation.id end
  local near = suggest.find(id, names)
  local advice = near and ('did you mean "%s"?'):format(near) or ("weir show %s lists them"):format(run.id)
  return nil, "no_operation", ('run %s has no operation "%s"; %s'):format(run.id, id, advice)
end

-- Returns how the run itself selects the operations to reset.
local function mode_of(run, options)
  if options.scratch then return "all" end
  if not options.from then
    if run.state ~= "completed" then return "unhandled" end
    return refused("run %s has completed: there is nothing to retry; --from OPERATION or --scratch resets it",
      run.id)
  end
  local operation = operation_of(run, options.from)
  if not operation then return no_such_operation(run, options.from) end
  if operation.state == "pending" then
    return refused("%s/%s has not begun: there is nothing to reset; weir retry %s", run.id, options.from, run.id)
  end
  return "from\t" .. options.from
end

---The generation of a child that its parent asks for now, after a retry.
---@param parent weir.Record
---@param id string of the child
---@return string? id of another generation
function plan.successor(parent, id)
  local operation = operation_of(parent, run_id.operation(id))
  return operation and operation.run ~= id and operation.run or nil
end

-- Refuses a child that its parent no longer asks for: another generation, or no run, has taken its place.
local function superseded(parent, id)
  local other = plan.successor(parent, id)
  if other then
    return past("run %s was replaced by %s, which %s waits for now: weir retry %s", id, other, parent.id, other)
  end
  return past("run %s does not ask for %s any more; weir retry %s", parent.id, id, parent.id)
end

-- The operation that started a child. Other operations of the parent may share the child.
local function operation_with(parent, child)
  for _, one in ipairs(parent.operations) do
    if one.run == child.id and not one.shared then return one end
  end
end

-- Returns the operations that a parent must ask for again so that its child goes on: the given one, and those that
-- share the child and are reset as well.
local function asked_again(parent, child, operation)
  local ids, marks = { operation.id }, nil
  for _, one in ipairs(parent.operations) do
    if one.run == child.id and one.shared then
      marks = marks or select_reset.choose(ended(parent), "unhandled")
      if marks[one.id] then ids[#ids + 1] = one.id end
    end
  end
  return table.concat(ids, "\t")
end

-- Checks whether a parent can ask again for one of its children.
local function check_parent(parent, child)
  local operation = operation_with(parent, child)
  if not operation then return superseded(parent, child.id) end
  if not record.ENDED[parent.state] then
    return refused("run %s is below %s, which is %s: retry it when that has ended", child.id, parent.id, parent.state)
  end
  if parent.graph then
    if operation.depends_on then return operation end
    return refused("graph %s has no node %s any more; once its code has it again: weir retry %s --from %s", parent.id,
      operation.id, parent.id, operation.id)
  end
  if parent.state == "completed" then
    return past("run %s has completed without it; weir retry %s --from %s resets it, and all that came after",
      parent.id, parent.id, operation.id)
  end
  if not select_reset.choose(ended(parent), "unhandled")[operation.id] then
    return past("run %s has handled its failure; weir retry %s --from %s resets it, and all that came after", parent.id,
      parent.id, operation.id)
  end
  return operation
end

-- Refuses a run that does not exist. A node of a graph that has not begun is no run yet; the reason is named.
local function missing(look, id)
  local parent_id, key = run_id.parent(id), run_id.operation(id)
  local parent = parent_id and look(parent_id)
  local node = parent and parent.graph and operation_of(parent, key)
  for _, need in ipairs(node and node.depends_on or {}) do
    local operation = operation_of(parent, need)
    if operation.state == "pending" then return missing(look, run_id.child(parent_id, need)) end
    if operation.state ~= "completed" then
      local state = operation.state == "failed" and "has failed" or "is " .. operation.state
      return refused("%s has not begun: it depends on %s/%s, which %s%s", id, parent_id, need, state,
        operation.number and ("; weir retry %s/%s"):format(parent_id, need) or "")
    end
  end
  if node and node.state == "pending" then
    return refused("%s had not begun when %s ended; weir retry %s goes on with it", id, parent_id, parent_id)
  end
  return nil, "missing", ('there is no run "%s"; weir list shows the runs'):format(id)
end

---The runs that begin again in the retry of one run, the topmost first.
---@param look fun(id: string): weir.Record?
---@param id string
---@param options { from: string?, scratch: boolean? }
---@return weir.PlannedRun[]? planned
---@return "refused"|"past"|"live"|"missing"|"no_operation"|nil word why there are none
---@return string? sentence the same for people
function plan.of(look, id, options)
  local run = look(id)
  if not run then return missing(look, id) end
  if not record.ENDED[run.state] then
    return nil, "live", ("run %s is %s: it can be retried when it has ended"):format(id, run.state)
  end
  local mode, word, sentence = mode_of(run, options)
  if not mode then return nil, word, sentence end
  local planned, below = { { run = run, reset = mode } }, run
  while below.parent and not below.detached do
    local parent = look(below.parent)
    if not parent then break end
    local operation
    operation, word, sentence = check_parent(parent, below)
    if not operation then return nil, word, sentence end
    table.insert(planned, 1, { run = parent, reset = "children", child = asked_again(parent, below, operation) })
    below = parent
  end
  return planned
end

local function named(ids)
  local text = table.concat(ids, ", ", 1, math.min(#ids, NAMED))
  return #ids > NAMED and ("%s and %d more"):format(text, #ids - NAMED) or text
end

-- The graphs that begin again on newer code. Their new edges are known only when they begin.
local function on_newer_code(planned, newest)
  local ids = {}
  for _, one in ipairs(planned) do
    local run = one.run
    local bundle = run.graph and run.workflow ~= graph_plan.WORKFLOW and newest(run.workflow)
    if bundle and bundle ~= run.bundle then ids[#ids + 1] = run.id end
  end
  return ids
end

---@class weir.RetrySummary the effect of a retry on a run
---@field reset string[] operations that it resets
---@field kept string[] operations that it keeps
---@field above string[] runs that begin again because of it, from its parent up
---@field message string the same in a sentence; it also warns if the run will end in the same way

---@param planned weir.PlannedRun[]
---@param newest fun(workflow: string): string? the bundle that serves new attempts
---@return weir.RetrySummary
function plan.summary(planned, newest)
  local run = planned[#planned].run
  local marks = select_reset.choose(ended(run), planned[#planned].reset)
  local reset, kept, above = {}, {}, {}
  for _, operation in ipairs(run.operations) do
    local into = marks[operation.id] and reset or operation.state ~= "pending" and kept
    if into then into[#into + 1] = operation.id end
  end
  for i = #planned - 1, 1, -1 do above[#above + 1] = planned[i].run.id end

  local text = ("run %s begins again: %s; %s"):format(run.id,
    #reset > 0 and "reset " .. named(reset) or "nothing is reset",
    #kept > 0 and "kept " .. named(kept) or "nothing is kept")
  if #above > 0 then
    text = ("%s; %s again with it"):format(text, named(above) .. (#above == 1 and " begins" or " begin"))
  end
  local graphs = on_newer_code(planned, newest)
  if graphs[1] then
    text = ("%s; %s on newer code: nodes that depend on those, or on new nodes, are reset, too"):format(text,
      named(graphs) .. (#graphs == 1 and " runs" or " run"))
  end
  local culprit = run.error and run.error.operation
  if culprit and not marks[culprit] and operation_of(run, culprit) then
    text = ('%s; it will fail again, because the run went on after the failure of "%s"; to reset that: '
      .. "weir retry %s --from %s"):format(text, culprit, run.id, culprit)
  end
  return { reset = reset, kept = kept, above = above, message = text }
end

return plan
