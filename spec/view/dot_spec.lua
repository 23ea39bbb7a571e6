-- Graphs in the language of Graphviz.

local graphs = require "spec.support.graphs"
local dot = require "weir.view.dot"
local graph_view = require "weir.view.graph_view"
local tree = require "weir.view.tree"

local NOW, view_of = graphs.NOW, graphs.view_of

describe("Graphviz", function()
  -- Reads a file: the attributes of its nodes, and its edges.
  local function parse(text)
    local nodes, edges = {}, {}
    local STRING = '"((?:))"' and '"(.-[^\\])"'
    assert.truthy(text:find('^digraph "[^\n]*" {\n'), text)
    assert.truthy(text:find("\n}$"))
    for line in text:gmatch("\n  ([^\n]*);") do
      local from, to, rest = line:match("^" .. STRING .. " %-> " .. STRING .. "(.*)$")
      local name, attributes = line:match("^" .. STRING .. " %[(.*)%]$")
      if from then
        edges[#edges + 1] = { from, to, rest ~= "" }
      elseif name then
        nodes[name] = attributes
      else
        assert.truthy(line:find("^rankdir=LR$") or line:find("^node %["), line)
      end
    end
    return nodes, edges
  end

  it("has a graph's nodes, edges and critical path", function()
    local text = "a; b: a; c: a; d: b c"
    local times = { a = { 0, 1000 }, b = { 1000, 2000, "failed", "no" }, c = { 1000, 4000 } }
    local view = view_of(text, times)
    local nodes, edges = parse(dot.graph("g", view, NOW))
    assert.truthy(nodes.a:find('label="a\\ncompleted 1.00s"', 1, true), nodes.a)
    assert.truthy(nodes.c:find("bold", 1, true))
    assert.truthy(nodes.d:find("dashed", 1, true))
    assert.truthy(nodes.d:find('"d\\npending"', 1, true))
    assert.same({ { "a", "b", false }, { "a", "c", true }, { "b", "d", false }, { "c", "d", false } }, edges)
  end)

  it("quotes what keys may hold", function()
    local view = graph_view.view({ id = 'g"', state = "waiting", operations = {}, graph = { nodes = {
      { key = 'say "hi"' }, { key = "back\\slash", depends_on = { 'say "hi"' } } } } }, NOW)
    local _, edges = parse(dot.graph('g"', view, NOW))
    assert.same({ { 'say \\"hi\\"', "back\\\\slash", false } }, edges)
  end)

  it("has the tree of any other run", function()
    local runs = {
      p = { id = "p", workflow = "w", state = "completed", attempt = 1, created_at = 0, finished_at = 9, operations = {
        { id = "a", kind = "invoke", run = "p/a", workflow = "x", state = "completed", attempts = 1, started_at = 1,
          finished_at = 5 },
        { id = "s", kind = "sleep", state = "completed", attempts = 1, started_at = 1, finished_at = 5 },
      } },
      ["p/a"] = { id = "p/a", workflow = "x", state = "completed", attempt = 1, created_at = 1, finished_at = 5,
        operations = { { id = "b", kind = "invoke", run = "p/a/b", workflow = "y", state = "completed", attempts = 1,
          started_at = 2, finished_at = 3 } } },
    }
    local nodes, edges = parse(dot.tree(tree.plant("p", runs), NOW))
    assert.same({ { "p", "p/a", false }, { "p/a", "p/a/b", false } }, edges)
    assert.truthy(nodes["p/a/b"]:find("y", 1, true))
    assert.is_nil(nodes["p/s"])
  end)
end)
