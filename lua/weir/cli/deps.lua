-- `weir deps` prints the nodes on which a node of a graph depends, and those that depend on it. For a graph it prints
-- all nodes.

local dependencies = require "weir.client.dependencies"
local graph_view = require "weir.view.graph_view"
local json = require "weir.json"
local output = require "weir.cli.output"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"

local deps = {}

local DONE = 0

-- ------------------------------------------------------------------------------------------------
-- One node

local function rows_of(nodes, now)
  local rows = {}
  for i, node in ipairs(nodes) do
    rows[i] = { terminal.plain(node.key), node.state, terminal.plain(node.run), graph_view.span(node, now) or "" }
  end
  return rows
end

local STATE, RUN, TOOK = 2, 3, 4
local LEAST = 8 -- columns: a shorter message says nothing

-- The message fills the rest of the line.
local function message_of(node, left)
  if not node.failed or left < LEAST then return "" end
  return "  " .. terminal.clip(terminal.plain(node.failed), left - 2)
end

local function print_nodes(style, title, nodes, now)
  output.print(terminal.paint(style, "dim", title))
  if #nodes == 0 then return output.print("  nothing") end
  for i, row in ipairs(terminal.columns(rows_of(nodes, now), style.columns - 5, RUN, { TOOK, RUN })) do
    local node = nodes[i]
    local colour = graph_view.COLOURS[node.state]
    local message = message_of(node, style.columns - 5 - terminal.width(table.concat(row, "  ")))
    row[STATE] = terminal.paint(style, colour, row[STATE])
    local text = table.concat(row, "  ") .. terminal.paint(style, colour, message)
    output.print(("  %s %s"):format(tree.mark(style, node.state), strings.trim_end(text)))
  end
end

local function print_node(node, now)
  local style = output.style()
  dependencies.read_states(node.depends_on)
  dependencies.read_states(node.required_by)
  print_nodes(style, "depends on", node.depends_on, now)
  print_nodes(style, "required by", node.required_by, now)
  output.print(terminal.paint(style, "dim", ("in all: depends on %s, required by %d"):format(
    terminal.count(graph_view.reach(node, "depends_on"), "node"), graph_view.reach(node, "required_by"))))
end

-- ------------------------------------------------------------------------------------------------
-- A graph

local KEYS = 20 -- dependencies of a node that the table names

local function keys_of(node)
  local keys = {}
  for i = 1, math.min(#node.depends_on, KEYS) do keys[i] = terminal.plain(node.depends_on[i].key) end
  if #node.depends_on > KEYS then keys[KEYS + 1] = ("… %d more"):format(#node.depends_on - KEYS) end
  local text = table.concat(keys, ", ")
  local needs_when = node.when == "settled" and #keys > 0 or node.when == "any" and #keys > 1
  return needs_when and ("%s of %s"):format(node.when, text) or text
end

local TOOK_OF_NODE, DEPENDS_ON = 3, 4

local function print_graph(view, now)
  local style, rows = output.style(), { { "NODE", "STATE", "TOOK", "DEPENDS ON" } }
  dependencies.read_states(view.nodes)
  for i, node in ipairs(view.nodes) do
    rows[i + 1] = { terminal.clip(terminal.plain(node.key), style.columns // 3), node.state,
                    graph_view.span(node, now) or "", keys_of(node) }
  end
  for n, row in ipairs(terminal.columns(rows, style.columns - 3, DEPENDS_ON, { TOOK_OF_NODE })) do
    local node = view.nodes[n - 1]
    local mark = node and tree.mark(style, node.state) or " "
    local text = strings.trim_end(table.concat(row, "  "))
    output.print(("%s %s"):format(mark, terminal.paint(style, not node and "dim" or nil, text)))
  end
end

-- ------------------------------------------------------------------------------------------------

---@param options { [1]: string, json: boolean }
---@return integer status
function deps.main(options)
  local id = options[1]
  local node, view, _, now = dependencies.locate(id)
  if view and not node then return dependencies.raise_not_found(id, view) end
  if node and options.json then
    output.print(json.encode(dependencies.node_value(node)))
  elseif node then
    print_node(node, now)
  else
    view, now = dependencies.graph(id)
    if options.json then
      output.print(json.encode(dependencies.graph_value(id, view)))
    else
      print_graph(view, now)
    end
  end
  return DONE
end

return deps
