-- Graphs as they are written down: what is refused and how, and the plan that is made of the rest.

local graph_plan = require "weir.define.graph_plan"
local json = require "weir.json"

-- A node for short: n("b", "a") is node b, which depends on a.
local function n(key, ...)
  return { key = key, workflow = "w", depends_on = select("#", ...) > 0 and { ... } or nil }
end

local function fault(nodes)
  local plan, message = graph_plan.compile(nodes)
  assert.is_nil(plan)
  return message
end

-- One node with a field more.
local function fault_of(field, value) return fault { { key = "a", workflow = "w", [field] = value } } end

describe("a plan", function()
  it("has the edges both ways, in the order in which they were given", function()
    local plan = assert(graph_plan.compile { n("d", "c", "b"), n "a", n("b", "a"), n("c", "a") })
    assert.same({ "d", "a", "b", "c" }, plan.keys)
    assert.same({ 4, 3, 2, 2 }, plan.needs)
    assert.same({ 1, 3, 3, 4, 5 }, plan.first_need)
    assert.same({ 3, 4, 1, 1 }, plan.users)
    assert.same({ 1, 1, 3, 4, 5 }, plan.first_user)
  end)

  it("keeps what a node asks for, and nothing of what it leaves out", function()
    local function make() return {} end
    local plan = assert(graph_plan.compile {
      { key = "a", workflow = "w", timeout = "5m", queue = "gpu", priority = 3, retry = { attempts = 1 }, when = "any",
        optional = true, data = { 1, "x" } },
      { key = "b", workflow = "v", when = "all", optional = false, data = {} },
      { key = "c", workflow = "v", data = make },
    })
    assert.same({ 300000, "gpu", 3 }, { plan.options[1].timeout_ms, plan.options[1].queue, plan.options[1].priority })
    assert.equal(1, json.decode(plan.options[1].retry).attempts)
    assert.same({ "any" }, plan.when)
    assert.same({ true }, plan.optional)
    assert.same({ [1] = '[1,"x"]', [3] = make }, plan.data)
    assert.is_nil(plan.options[2])
  end)

  it("is the same of JSON, where null is what is not given", function()
    local plan = assert(graph_plan.compile(json.decode [[
      [{"key":"a","workflow":"w","depends_on":[],"timeout":null,"when":null,"data":null},
       {"key":"b","workflow":"w","depends_on":["a"],"optional":true,"data":{"n":1.0}}]
    ]]))
    assert.same({ "null", '{"n":1.0}' }, plan.data)
    assert.same({ 1 }, plan.needs)
    assert.same({ [2] = true }, plan.optional)
  end)

  it("is drawn without data and defaults", function()
    local plan = assert(graph_plan.compile {
      { key = 'a "b"', workflow = "w", data = { 1 } },
      { key = "c", workflow = "v", depends_on = { 'a "b"' }, when = "settled", optional = true },
    })
    assert.same({ nodes = {
      { key = 'a "b"', workflow = "w" },
      { key = "c", workflow = "v", depends_on = { 'a "b"' }, when = "settled", optional = true },
    } }, json.decode(graph_plan.shape(plan)))
  end)

  it("of 100,000 nodes in a chain takes no recursion and little time", function()
    local nodes = {}
    for i = 1, 100000 do
      nodes[i] = { key = "n" .. i, workflow = "w", depends_on = i > 2 and { "n" .. i - 1, "n" .. i - 2 } or nil }
    end
    local began = os.clock()
    local plan = assert(graph_plan.compile(nodes))
    assert.is_true(os.clock() - began < 5) -- some tenths of a second, but for the machine
    assert.equal(199996, #plan.needs)
    nodes[1].depends_on = { "n100000" }
    assert.matches("cycle: n1 %-> n100000 %-> n99999 .* … %(%d+ nodes%) %-> n1$", fault(nodes))
  end)
end)

describe("a graph is refused", function()
  it("that is no list, or is empty", function()
    assert.equal("nodes must be a list of nodes, not a string", fault "a")
    assert.equal("nodes must be a list of nodes, not a table", fault { a = n "a" })
    assert.equal("nodes is empty: a graph has one at least", fault {})
    assert.equal("node 2 is no table with a key and a workflow", fault { n "a", "b" })
  end)

  it("whose nodes depend on what is no node, naming the nearest", function()
    assert.equal('node "load" depends on "extrct", which is no node (did you mean "extract"?)',
      fault { n "extract", n("load", "extrct") })
    assert.equal('node "load" depends on "7", which is no node', fault { n "extract", n("load", 7) })
  end)

  it("and looks for the nearest three times, and repeats no long key", function()
    local message = fault { n "extract", n("load", "extrct", "extrac", "xtract", "etract", ("k"):rep(100000)) }
    assert.equal('node "load" depends on "extrct", which is no node (did you mean "extract"?); '
      .. 'node "load" depends on "extrac", which is no node (did you mean "extract"?); '
      .. 'node "load" depends on "xtract", which is no node (did you mean "extract"?); '
      .. 'node "load" depends on "etract", which is no node; '
      .. ('node "load" depends on "%s…", which is no node'):format(("k"):rep(80)), message)
    assert.equal(('node "a": unknown field "%s…"; a node has data'):format(("f"):rep(80)),
      fault_of(("f"):rep(100000), 1):sub(1, 126))
  end)

  it("with a key twice, also among what a node depends on", function()
    assert.equal('nodes 1 and 3 have the same key "a"', fault { n "a", n "b", n "a" })
    assert.equal('node "b" names "a" twice in its depends_on', fault { n "a", n("b", "a", "a") })
  end)

  it("with a node that depends on itself", function()
    assert.equal('node "b" depends on itself', fault { n "a", n("b", "a", "b") })
  end)

  it("with a cycle, which is printed", function()
    assert.equal("nodes depend on each other in a cycle: a -> b -> c -> a",
      fault { n "start", n("a", "start", "b"), n("b", "c"), n("c", "a"), n("after", "c") })
  end)

  it("for a key or a workflow that cannot be one", function()
    assert.equal('node 1: key "a/b" must not contain "/", which separates run ids', fault { n "a/b" })
    assert.equal("node 1: key is missing", fault { { workflow = "w" } })
    assert.equal('node "a": workflow is missing', fault { { key = "a" } })
  end)

  it("for a field that no node has, naming the nearest", function()
    assert.equal('node "a": unknown field "depend_on"; did you mean "depends_on"?', fault_of("depend_on", {}))
    assert.matches("; a node has data, depends_on, key, ", fault_of("colour", "red"))
  end)

  it("for a field that cannot be what it is", function()
    assert.equal('node "a": when is "all", "any" or "settled"', fault_of("when", "one"))
    assert.equal('node "a": optional is true or false', fault_of("optional", "yes"))
    assert.equal('node "a": depends_on is a list of keys', fault_of("depends_on", "b"))
    assert.equal('node "a": timeout must be longer than 0', fault_of("timeout", 0))
    assert.matches('^node "a": timeout: "soon" is no duration', fault_of("timeout", "soon"))
    assert.matches('^node "a": retry.attempts must be', fault_of("retry", { attempts = 0 }))
    assert.matches('^node "a": queue "%*"', fault_of("queue", "*"))
    assert.equal('node "a": priority must be an integer from -100 to 100', fault_of("priority", 101))
    assert.matches('^data of node "a" cannot be written as JSON: ', fault_of("data", { print }))
  end)

  it("with every fault, and where in the data it is", function()
    local _, fault_of_all, faults = graph_plan.compile { n "a", n("b", "x"), n("c", "a", "y") }
    assert.equal(faults[1].message .. "; " .. faults[2].message, fault_of_all)
    assert.same({ "/nodes/1/depends_on/0", "/nodes/2/depends_on/1" }, { faults[1].path, faults[2].path })
    local many = {}
    for i = 1, 100 do many[i] = n("n" .. i, "none") end
    assert.equal(10, #select(3, graph_plan.compile(many)))
  end)
end)
