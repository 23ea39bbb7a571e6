-- The run of a graph, ready to be drawn: its nodes with their states, in stages, and the critical path, which is the
-- chain of nodes that decided when the graph ended. diagram, graph_text and dot draw it.
--
-- Pure, and linear in nodes and edges; nothing in it recurses, as chains may be long.

local record = require "weir.record.record"
local run_id = require "weir.base.run_id"
local terminal = require "weir.view.terminal"

local graph_view = {}

---The colour of a node by its state; a state that is not here has none.
graph_view.COLOURS = { failed = "red", cancelled = "yellow", retrying = "yellow", pending = "dim" }

---@class weir.GraphNode
---@field key string
---@field workflow string
---@field run string its run's id
---@field state string of its run while that has not ended, else of its operation
---@field when "all"|"any"|"settled"
---@field optional boolean
---@field depends_on weir.GraphNode[]
---@field required_by weir.GraphNode[]
---@field began integer? nil: it is pending
---@field ended integer?
---@field failed string? the message of its error
---@field children integer? runs that its own run has started; nil: none, or its run was not read
---@field stage integer 1 for a node without dependencies, else one more than the highest stage of its dependencies
---@field critical boolean? it is on the critical path

---@class weir.GraphView
---@field nodes weir.GraphNode[] in the order of the graph
---@field by_key table<string, weir.GraphNode>
---@field stages weir.GraphNode[][]
---@field critical weir.GraphNode[] first to last
---@field critical_ms integer the time that they took together

local function message_of(failure)
  while failure and failure.cause do failure = failure.cause end -- the innermost cause says most
  return failure and tostring(failure.message)
end

local function children_of(child)
  local n = 0
  for _, operation in ipairs(child.operations or {}) do
    if operation.run and operation.started_at then n = n + 1 end
  end
  return n > 0 and n or nil
end

-- A node whose start was refused because its graph was being cancelled has not failed.
local function state_of(operation)
  if not operation then return "pending" end
  return operation.error and operation.error.code == "cancelled" and "cancelled" or operation.state
end

local function read_node(run, declared, operation, child)
  local node = {
    key = declared.key, workflow = declared.workflow,
    run = operation and operation.run or run_id.child(run.id, declared.key),
    state = state_of(operation), when = declared.when or "all", optional = declared.optional == true,
    depends_on = {}, required_by = {}, stage = 1,
  }
  if node.state == "pending" then return node end
  node.began, node.ended = operation.started_at, operation.finished_at or record.ENDED[run.state] and run.finished_at
  node.failed = message_of(operation.error)
  if not child then return node end
  node.children = children_of(child)
  if not node.ended and not record.ENDED[child.state] then
    node.state = child.state
    node.failed = child.state == "retrying" and type(child.error) == "table" and message_of(child.error) or nil
  end
  return node
end

-- Finds the stages by removing, again and again, the nodes whose dependencies are all removed.
local function find_stages(view)
  local open, free = {}, {}
  for _, node in ipairs(view.nodes) do
    open[node] = #node.depends_on
    if open[node] == 0 then free[#free + 1] = node end
  end
  local at, deepest = 1, 1
  while free[at] do
    local node = free[at]
    deepest = math.max(deepest, node.stage)
    for _, after in ipairs(node.required_by) do
      after.stage = math.max(after.stage, node.stage + 1)
      open[after] = open[after] - 1
      if open[after] == 0 then free[#free + 1] = after end
    end
    at = at + 1
  end
  local stages = {}
  for stage = 1, deepest do stages[stage] = {} end
  for _, node in ipairs(view.nodes) do table.insert(stages[node.stage], node) end
  return stages
end

-- ------------------------------------------------------------------------------------------------
-- The critical path

-- The failed node because of which this one will not start: the first failure for a node that needs all its
-- dependencies, the last one for a node that needs any.
local function find_blocker(node, blockers)
  local chosen
  for _, dependency in ipairs(node.depends_on) do
    local blocker = dependency.ended and dependency.state ~= "completed" and dependency or blockers[dependency]
    if node.when == "all" then
      if blocker and (not chosen or blocker.ended < chosen.ended) then chosen = blocker end
    elseif not blocker then
      return nil
    elseif not chosen or blocker.ended > chosen.ended then
      chosen = blocker
    end
  end
  return chosen
end

local function find_blockers(view)
  local blockers = {}
  for _, stage in ipairs(view.stages) do
    for _, node in ipairs(stage) do
      if node.state == "pending" and node.when ~= "settled" then blockers[node] = find_blocker(node, blockers) end
    end
  end
  return blockers
end

-- Of two nodes that ended in the same millisecond the one in the higher stage counts as the later.
local function ended_later(node, other)
  return node.ended > other.ended or node.ended == other.ended and node.stage > other.stage
end

-- The dependency whose end allowed this node to begin.
local function find_decider(node, blockers)
  local chosen
  for _, dependency in ipairs(node.depends_on) do
    local candidate = dependency.ended and dependency or node.when == "settled" and blockers[dependency] or nil
    if node.when == "any" then
      local first = candidate and candidate.state == "completed" and (not chosen or candidate.ended < chosen.ended)
      chosen = first and candidate or chosen
    elseif candidate and (not chosen or ended_later(candidate, chosen)) then
      chosen = candidate
    end
  end
  return chosen
end

-- The last node of the critical path: while the graph runs, the node that has run longest; then the one that ended
-- last.
local function find_last(view)
  local running, ended
  for _, node in ipairs(view.nodes) do
    if node.ended then
      if not ended or ended_later(node, ended) then ended = node end
    elseif node.began and (not running or node.began < running.began) then
      running = node
    end
  end
  return running or ended
end

local function find_critical(view, now)
  local blockers, chain, total = find_blockers(view), {}, 0
  local node = find_last(view)
  while node do
    node.critical = true
    chain[#chain + 1] = node
    total = total + (node.ended or now) - node.began
    node = find_decider(node, blockers)
  end
  for i = 1, #chain // 2 do chain[i], chain[#chain + 1 - i] = chain[#chain + 1 - i], chain[i] end
  return chain, total
end

-- ------------------------------------------------------------------------------------------------

---@param run weir.Record of a graph
---@param now integer ms, by the clock of the run
---@param children table<string, weir.Record>? the runs of its nodes, as far as they were read
---@return weir.GraphView
function graph_view.view(run, now, children)
  local operations, view = {}, { nodes = {}, by_key = {} }
  for _, operation in ipairs(run.operations) do operations[operation.id] = operation end
  for i, declared in ipairs(run.graph.nodes) do
    local operation = operations[declared.key]
    local child = operation and operation.run and children and children[operation.run]
    local node = read_node(run, declared, operation, child)
    view.nodes[i], view.by_key[declared.key] = node, node
  end
  for i, declared in ipairs(run.graph.nodes) do
    local node = view.nodes[i]
    for _, key in ipairs(declared.depends_on or {}) do
      table.insert(node.depends_on, view.by_key[key])
      table.insert(view.by_key[key].required_by, node)
    end
  end
  view.stages = find_stages(view)
  view.critical, view.critical_ms = find_critical(view, now)
  return view
end

---The number of nodes in each state.
---@param nodes weir.GraphNode[]
---@return table<string, integer>
function graph_view.counts(nodes)
  local counts = {}
  for _, node in ipairs(nodes) do counts[node.state] = (counts[node.state] or 0) + 1 end
  return counts
end

---The time that a node took or has taken so far; nil for one that has not begun.
---@param node weir.GraphNode
---@param now integer
---@return string?
function graph_view.span(node, now)
  return node.began and terminal.span((node.ended or now) - node.began)
end

-- The dependency that keeps a node from starting: one whose end excludes the node, else one that has not ended yet.
local function obstacle_of(node, blockers)
  local open, bad
  for _, dependency in ipairs(node.depends_on) do
    local is_bad = blockers[dependency] or dependency.ended and dependency.state ~= "completed"
    if is_bad and node.when == "all" then return dependency end
    if dependency.state == "completed" and node.when == "any" then return nil end
    bad = bad or is_bad and dependency
    open = open or not is_bad and not dependency.ended and dependency
  end
  return open or blockers[node] and bad or nil
end

---Why a pending node has not begun: the dependency that it waits for, and, if it will never begin, the failed node that
---is the cause.
---@param view weir.GraphView
---@param node weir.GraphNode
---@return weir.GraphNode? obstacle nil: it is about to begin
---@return weir.GraphNode? blocker
function graph_view.obstacle(view, node)
  local blockers = find_blockers(view)
  return obstacle_of(node, blockers), blockers[node]
end

---Counts the nodes that are reached along one kind of edge, without the node itself.
---@param node weir.GraphNode
---@param edges "depends_on"|"required_by"
---@return integer
function graph_view.reach(node, edges)
  local seen, stack, n = { [node] = true }, { node }, 0
  while #stack > 0 do
    for _, next_node in ipairs(table.remove(stack)[edges]) do
      if not seen[next_node] then
        seen[next_node], n = true, n + 1
        stack[#stack + 1] = next_node
      end
    end
  end
  return n
end

return graph_view
