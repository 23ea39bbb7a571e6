-- The nodes of a graph: on which others each depends, and which depend on it. A pending node is no run yet, but has the
-- id that its run will have.

local fault = require "weir.client.fault"
local graph_view = require "weir.view.graph_view"
local json = require "weir.json"
local redis = require "weir.client.redis"
local run_id = require "weir.base.run_id"
local suggest = require "weir.base.suggest"

local dependencies = {}

---The node that has this run id, begun or not.
---@param id string
---@return weir.GraphNode? node
---@return weir.GraphView? view of the graph that it is in
---@return weir.Record? run the graph
---@return integer? now_ms
function dependencies.locate(id)
  local parent = run_id.parent(id)
  if not parent then return nil end
  local runs, now = redis.inspect { parent }
  local run = runs[parent]
  if not run or not run.graph then return nil end
  local view = graph_view.view(run, now)
  local node = view.by_key[run_id.operation(id)]
  return node, view, run, now
end

---Raises that a run does not exist; in a graph it names the nearest node.
---@param id string
---@param view weir.GraphView? of the graph that it would be in
function dependencies.raise_not_found(id, view)
  if not view then return redis.raise_not_found(id) end
  local parent, key, keys = run_id.parent(id), run_id.operation(id), {}
  for i, node in ipairs(view.nodes) do keys[i] = node.key end
  local nearest = suggest.find(key, keys)
  fault.raise_with("not_found", { run = id, nearest = nearest and run_id.child(parent, nearest) },
    'graph "%s" has no node "%s"; %s', parent, key,
    nearest and ("did you mean %s/%s?"):format(parent, nearest) or ("weir deps %s shows its nodes"):format(parent))
end

---Sets the state of each node that has begun to that of its run.
---@param nodes weir.GraphNode[]
function dependencies.read_states(nodes)
  local ids = {}
  for _, node in ipairs(nodes) do
    if node.state == "running" then ids[#ids + 1] = node.run end
  end
  if #ids == 0 then return end
  local runs = redis.status(ids)
  for _, node in ipairs(nodes) do
    if runs[node.run] and node.state == "running" then node.state = runs[node.run].state end
  end
end

---The view of a graph.
---@param id string
---@return weir.GraphView
---@return integer now_ms
function dependencies.graph(id)
  local run, now = redis.run(id)
  if not run.graph then
    fault.raise_with("wrong_state", { run = id },
      "run %s is neither a graph nor a node of one; weir show %s shows its children", id, id)
  end
  return graph_view.view(run, now), now
end

local function runs_of(nodes)
  local ids = json.array {}
  for i, node in ipairs(nodes) do ids[i] = node.run end
  return ids
end

---A node as a value for JSON.
---@param node weir.GraphNode
---@return table
function dependencies.node_value(node)
  return { run = node.run, depends_on = runs_of(node.depends_on), required_by = runs_of(node.required_by) }
end

---A graph as a value for JSON.
---@param id string
---@param view weir.GraphView
---@return table
function dependencies.graph_value(id, view)
  local nodes = json.array {}
  for i, node in ipairs(view.nodes) do
    nodes[i] = dependencies.node_value(node)
    nodes[i].key, nodes[i].state = node.key, node.state
  end
  return { run = id, nodes = nodes }
end

return dependencies
