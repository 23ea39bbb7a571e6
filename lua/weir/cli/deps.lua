-- `weir deps`: what a node of a graph depends on and what depends on it; of a graph, that of all nodes.
-- A node that has not begun is no run yet, but has its place here all the same.

local graph = require "weir.view.graph_view"
local json = require "weir.json"
local nearest = require "weir.base.suggest"
local output = require "weir.cli.output"
local store = require "weir.client.redis"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"

local deps = {}

local DONE = 0

-- ------------------------------------------------------------------------------------------------
-- Finding it

---The node that a run id stands for, begun or not.
---@param id string
---@return weir.GraphNode? node
---@return weir.GraphView? view of the graph that it is in
---@return weir.Record? run the graph
---@return integer? now_ms
function deps.locate(id)
  local parent, key = id:match("^(.*)/([^/]*)$")
  if not parent then return nil end
  local runs, now = store.inspect { parent }
  local run = runs[parent]
  if not run or not run.graph then return nil end
  local view = graph.view(run, now)
  local node = view.by_key[(key:gsub("~%d+$", ""))]
  return node, view, run, now
end

---Ends the command: there is no such run; in a graph names the nearest node.
---@param id string
---@param view weir.GraphView? of the graph that it would be in
function deps.no_such_run(id, view)
  if not view then return store.no_such_run(id) end
  local parent, key = id:match("^(.*)/([^/]*)$")
  local keys = {}
  for i, node in ipairs(view.nodes) do keys[i] = node.key end
  local near = nearest.find(key, keys)
  return store.fault(store.NO_INPUT, 'graph "%s" has no node "%s"; %s', parent, key,
    near and ("did you mean %s/%s?"):format(parent, near) or ("weir deps %s shows those it has"):format(parent))
end

-- What goes on is shown as its run stands.
local function look_closer(nodes)
  local ids = {}
  for _, node in ipairs(nodes) do
    if node.state == "running" then ids[#ids + 1] = node.run end
  end
  if #ids == 0 then return end
  local found = store.glance(ids)
  for _, node in ipairs(nodes) do
    if found[node.run] and node.state == "running" then node.state = found[node.run].state end
  end
end

-- ------------------------------------------------------------------------------------------------
-- One node

local function rows_of(nodes, now)
  local rows = {}
  for i, node in ipairs(nodes) do
    rows[i] = { terminal.plain(node.key), node.state, terminal.plain(node.run), graph.span(node, now) or "" }
  end
  return rows
end

local STATE, RUN, TOOK = 2, 3, 4
local LEAST = 8 -- columns of a message that still says something

-- What is left of the line is for what went wrong.
local function message_of(node, left)
  if not node.failed or left < LEAST then return "" end
  return "  " .. terminal.clip(terminal.plain(node.failed), left - 2)
end

local function print_nodes(style, title, nodes, now)
  output.print(terminal.paint(style, "dim", title))
  if #nodes == 0 then return output.print("  nothing") end
  for i, row in ipairs(terminal.columns(rows_of(nodes, now), style.columns - 5, RUN, { TOOK, RUN })) do
    local node = nodes[i]
    local colour = graph.COLOURS[node.state]
    local message = message_of(node, style.columns - 5 - terminal.width(table.concat(row, "  ")))
    row[STATE] = terminal.paint(style, colour, row[STATE])
    local text = table.concat(row, "  ") .. terminal.paint(style, colour, message)
    output.print(("  %s %s"):format(tree.mark(style, node.state), strings.trim_end(text)))
  end
end

local function print_node(node, now)
  local style = output.style()
  print_nodes(style, "depends on", node.depends_on, now)
  print_nodes(style, "required by", node.required_by, now)
  output.print(terminal.paint(style, "dim", ("in all: depends on %s, required by %d"):format(
    terminal.count(graph.reach(node, "depends_on"), "node"), graph.reach(node, "required_by"))))
end

-- ------------------------------------------------------------------------------------------------
-- A graph

local KEYS = 20 -- of what a node depends on, in a table

local function keys_of(node)
  local keys = {}
  for i = 1, math.min(#node.depends_on, KEYS) do keys[i] = terminal.plain(node.depends_on[i].key) end
  if #node.depends_on > KEYS then keys[KEYS + 1] = ("… %d more"):format(#node.depends_on - KEYS) end
  local text = table.concat(keys, ", ")
  local says_more = node.when == "settled" and #keys > 0 or node.when == "any" and #keys > 1
  return says_more and ("%s of %s"):format(node.when, text) or text
end

local TOOK_OF_NODE, DEPENDS_ON = 3, 4

local function print_graph(view, now)
  local style, rows = output.style(), { { "NODE", "STATE", "TOOK", "DEPENDS ON" } }
  for i, node in ipairs(view.nodes) do
    rows[i + 1] = { terminal.clip(terminal.plain(node.key), style.columns // 3), node.state,
                    graph.span(node, now) or "", keys_of(node) }
  end
  for n, row in ipairs(terminal.columns(rows, style.columns - 3, DEPENDS_ON, { TOOK_OF_NODE })) do
    local node = view.nodes[n - 1]
    local mark = node and tree.mark(style, node.state) or " "
    local text = strings.trim_end(table.concat(row, "  "))
    output.print(("%s %s"):format(mark, terminal.paint(style, not node and "dim" or nil, text)))
  end
end

-- ------------------------------------------------------------------------------------------------
-- JSON

local function runs_of(nodes)
  local ids = json.array {}
  for i, node in ipairs(nodes) do ids[i] = node.run end
  return ids
end

local function json_of(node)
  return { run = node.run, depends_on = runs_of(node.depends_on), required_by = runs_of(node.required_by) }
end

local function json_of_graph(id, view)
  local nodes = json.array {}
  for i, node in ipairs(view.nodes) do
    nodes[i] = json_of(node)
    nodes[i].key, nodes[i].state = node.key, node.state
  end
  return { run = id, nodes = nodes }
end

-- ------------------------------------------------------------------------------------------------

local function of_run(id, as_json)
  local run, now = store.run(id)
  if not run.graph then
    store.fault(store.FAILED, "run %s is neither a graph nor a node of one; weir show %s shows its children", id, id)
  end
  local view = graph.view(run, now)
  if as_json then
    output.print(json.encode(json_of_graph(id, view)))
  else
    look_closer(view.nodes)
    print_graph(view, now)
  end
  return DONE
end

---@param options { [1]: string, json: boolean }
---@return integer status
function deps.main(options)
  local id = options[1]
  local node, view, _, now = deps.locate(id)
  if not view then return of_run(id, options.json) end
  if not node then return deps.no_such_run(id, view) end
  if options.json then
    output.print(json.encode(json_of(node)))
  else
    look_closer(node.depends_on)
    look_closer(node.required_by)
    print_node(node, now)
  end
  return DONE
end

return deps
