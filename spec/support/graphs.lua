-- Graphs for the specs of weir.view, from short texts.

local diagram = require "weir.view.diagram"
local graph_view = require "weir.view.graph_view"

local graphs = {}

graphs.NOW = 1000000

-- "a; b: a; c: a b" as the nodes of a shape; "b: a?" is optional, "c: any a b" says when.
function graphs.nodes_of(text)
  local nodes = {}
  for key, rest in text:gmatch("([%w%-]+):?([^;]*);?") do
    local node = { key = key, workflow = "work", depends_on = {} }
    for word in rest:gmatch("[%w%-]+") do
      if word == "any" or word == "settled" then
        node.when = word
      else
        table.insert(node.depends_on, word)
      end
    end
    node.optional = rest:find("?", 1, true) and true or nil
    nodes[#nodes + 1] = node
  end
  return nodes
end

-- Nodes named in `times` ran: { began, ended, state, message }.
function graphs.run_of(text, times, fields)
  local run = {
    id = "g", workflow = "flow", state = "waiting", operations = {}, graph = { nodes = graphs.nodes_of(text) },
  }
  for _, node in ipairs(run.graph.nodes) do
    local given = times and times[node.key]
    if given then
      table.insert(run.operations, {
        id = node.key, kind = "invoke", run = "g/" .. node.key, started_at = given[1], finished_at = given[2],
        state = given[3] or given[2] and "completed" or "running", attempts = 1,
        error = given[4] and { code = "child_failed", message = "Child execution failed: " .. given[4],
                               cause = { message = given[4] } } or nil,
      })
    end
  end
  for name, value in pairs(fields or {}) do run[name] = value end
  return run
end

-- Each node begins when the last it depends on has ended, and takes as many seconds as its place.
function graphs.times_of(text)
  local times = {}
  for i, node in ipairs(graphs.nodes_of(text)) do
    local began = 0
    for _, key in ipairs(node.depends_on) do began = math.max(began, times[key][2]) end
    times[node.key] = { began, began + 1000 * i }
  end
  return times
end

function graphs.view_of(text, times, fields)
  return graph_view.view(graphs.run_of(text, times, fields), graphs.NOW)
end

function graphs.plain(columns) return { colours = false, columns = columns or 80, rows = 24 } end

function graphs.drawn(text, columns)
  local view = graphs.view_of(text, graphs.times_of(text))
  return diagram.draw(view, { style = graphs.plain(columns), now = graphs.NOW, rows = 40 })
end

function graphs.critical_of(view)
  local keys = {}
  for i, node in ipairs(view.critical) do keys[i] = node.key end
  return table.concat(keys, " ")
end

graphs.CI = "checkout; install: checkout; build: install; unit-tests: build; integration-tests: build; "
  .. "e2e-tests: build?; deploy: settled unit-tests integration-tests e2e-tests; notify: deploy"

return graphs
