-- A run for Graphviz: a graph with its nodes and their dependencies, the critical path in bold; any other run as the
-- tree of its children. Pure.

local graph_view = require "weir.view.graph_view"
local terminal = require "weir.view.terminal"

local dot = {}

local FILLS = {
  completed = "#d7f2dc", failed = "#f8d0cd", cancelled = "#f7e8b5", running = "#cfe8f7", waiting = "#cfe8f7",
  retrying = "#f7e8b5",
}

local function quoted(text)
  return '"' .. terminal.plain(text):gsub("\\", "\\\\"):gsub('"', '\\"') .. '"'
end

-- `\n` breaks the line of a label.
local function label_of(...)
  local lines = {}
  for _, line in ipairs { ... } do lines[#lines + 1] = quoted(line):sub(2, -2) end
  return '"' .. table.concat(lines, "\\n") .. '"'
end

local function attributes_of(state, label, critical)
  local style = state == "pending" and "rounded,dashed" or critical and "rounded,filled,bold" or "rounded,filled"
  return ('[label=%s, style="%s", fillcolor="%s"]'):format(label, style, FILLS[state] or "#ffffff")
end

local function begin(name)
  return { ("digraph %s {"):format(quoted(name)), "  rankdir=LR;",
           '  node [shape=box, fontname="Helvetica"];' }
end

local function about(state, span) return span and ("%s %s"):format(state, span) or state end

---@param name string the run's id
---@param view weir.GraphView
---@param now integer
---@return string
function dot.graph(name, view, now)
  local lines, after = begin(name), {}
  for i = 2, #view.critical do after[view.critical[i - 1]] = view.critical[i] end
  for _, node in ipairs(view.nodes) do
    local label = label_of(node.key, about(node.state, graph_view.span(node, now)))
    lines[#lines + 1] = ("  %s %s;"):format(quoted(node.key), attributes_of(node.state, label, node.critical))
  end
  for _, node in ipairs(view.nodes) do
    for _, dependency in ipairs(node.depends_on) do
      lines[#lines + 1] = ("  %s -> %s%s;"):format(quoted(dependency.key), quoted(node.key),
        after[dependency] == node and " [style=bold, penwidth=2]" or "")
    end
  end
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n")
end

---@param root weir.TreeRow
---@param now integer
---@return string
function dot.tree(root, now)
  local lines, edges = begin(root.name), {}
  local function add(row, id)
    local span = row.began and terminal.span((row.ended or now) - row.began)
    local label = label_of(row.name, row.about, about(row.state, span))
    lines[#lines + 1] = ("  %s %s;"):format(quoted(id), attributes_of(row.state, label))
    for _, below in ipairs(row.rows) do
      if below.is_run then
        local child = id .. "/" .. below.name
        edges[#edges + 1] = ("  %s -> %s;"):format(quoted(id), quoted(child))
        add(below, child)
      end
    end
  end
  add(root, root.name)
  table.move(edges, 1, #edges, #lines + 1, lines)
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n")
end

return dot
