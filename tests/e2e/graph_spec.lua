-- Graphs on the binary: the shapes that people draw, what becomes of them when a node fails, and large ones.

local facts = require "tests.facts"
local support = require "tests.support"

local FOLDER = "tests/fixtures/graphs"

describe("a graph", function()
  local host, store

  lazy_setup(function()
    host = support.host { FOLDER }
    store = facts.of(host.redis)
  end)

  lazy_teardown(function()
    assert.same({}, store:faults())
    store:close()
    host:stop()
  end)

  local function ended(id, workflow, data)
    store:start(id, workflow, data)
    return store:ended(id)
  end

  -- Its nodes as "key state", in order.
  local function nodes(run)
    local list = {}
    for i, operation in ipairs(run.operations) do list[i] = operation.id .. " " .. operation.state end
    return list
  end

  it("is a pipeline: each node reads what the one before returned", function()
    local run = ended("etl-1", "etl", { rows = 5 })
    assert.same({ "completed", '{"load":{"rows":5}}' }, { run.state, run.result })
    assert.same({ "extract completed", "transform completed", "load completed" }, nodes(run))
    assert.same({ "extract" }, run.operations[2].depends_on)
    local transform = store:run "etl-1/transform" -- it has a step, so it was run by itself
    assert.equal('{"first":5,"more":10,"rows":5}', transform.result)
    assert.same({ "deps#extract completed", "look completed" }, nodes(transform))
  end)

  it("is a diamond", function()
    local run = ended("diamond-1", "diamond")
    assert.same({ "completed", '{"bottom":{"n":6}}' }, { run.state, run.result })
  end)

  it("fans out and in: 10,000 nodes into one that reads them all", function()
    local run = ended("fan-1", "fan-in", { nodes = 10000, join = "count" })
    assert.same({ "completed", '{"join":10000}' }, { run.state, run.result })
    assert.equal(10001, #run.operations)
  end)

  it("whose node fails never starts what depends on it, and goes on beside it", function()
    local run = ended("ci-1", "ci")
    assert.equal("failed", run.state)
    assert.same({ "checkout completed", "build failed", "lint completed", "report completed", "test pending",
                  "deploy pending" }, nodes(run))
    assert.same({ "child_failed", "build", 'node "build" failed: it is broken; 2 not started', "broken" },
      { run.error.code, run.error.operation, run.error.message, run.error.cause.code })
    assert.same({ failed = { "build" }, failed_count = 1, pending = { "test", "deploy" }, pending_count = 2 },
      run.error.details)
    assert.equal("1", store:run("ci-1/report").result) -- lint alone completed
    assert.is_nil(store:run "ci-1/test")
  end)

  it("is invoked like any workflow, also one that is given as data", function()
    local run = ended("caller-1", "caller", { name = "given", nodes = {
      { key = "a", workflow = "echo", data = { n = 3 } }, { key = "b", workflow = "count", depends_on = { "a" } },
    } })
    assert.same({ "completed", '[6,{"b":1}]' }, { run.state, run.result })
    local given = store:run "caller-1/g"
    assert.same({ "a completed", "b completed" }, nodes(given))
    assert.same({ "a" }, given.operations[2].depends_on)
  end)

  it("is a node of another one", function()
    local run = ended("nested-1", "nested")
    assert.same({ "completed", '{"outer":{"rows":2}}' }, { run.state, run.result })
    assert.equal("completed", store:run("nested-1/inner/transform").state)
  end)

  it("that is bad data fails and starts nothing", function()
    local run = ended("bad-1", "weir.graph", { nodes = {
      { key = "a", workflow = "echo", depends_on = { "b" } }, { key = "b", workflow = "echo", depends_on = { "a" } },
    } })
    assert.equal("invalid_data", run.error.code)
    assert.matches("nodes depend on each other in a cycle: a -> b -> a", run.error.message, 1, true)
    assert.is_nil(store:run "bad-1/a")
  end)

  it("is cancelled with its nodes; those not begun stay so", function()
    store:start("waits-1", "waits")
    store:becomes("waits-1/a", "waiting")
    assert.equal(0, host:weir("cancel", "waits-1").status)
    local run = store:ended "waits-1"
    assert.same({ "cancelled", { "a cancelled", "b pending" } }, { run.state, nodes(run) })
  end)

  it("goes on from its journal when its host is killed", function()
    store:start("fan-2", "fan-in", { nodes = 20000, join = "echo" })
    support.wait_until("5,000 nodes to have ended", function()
      return (tonumber(store:call("HGET", store.key .. "r:fan-2", "last_number")) or 0) > 5000
    end)
    host:kill()
    host:start()
    local run = store:ended "fan-2"
    assert.same({ "completed", '{"join":{}}' }, { run.state, run.result })
    assert.equal(20001, #run.operations)
    for _, operation in ipairs(run.operations) do assert.equal("completed", operation.state) end
  end)
end)

describe("weir check, of a graph,", function()
  it("names the node whose workflow no file defines", function()
    local folder = support.folder()
    support.write(folder .. "/etl.lua", [[
local weir = require "weir"
return weir.graph {
  id = "etl",
  nodes = { { key = "load", workflow = "laod" } },
}
]])
    support.write(folder .. "/load.lua", 'return require "weir".workflow { id = "load", run = function() end }')
    local reply = support.weir("check", folder)
    support.remove(folder)
    assert.equal(1, reply.status)
    assert.matches('etl.lua:2: graph "etl": node "load" runs workflow "laod", which no file here defines '
      .. '(did you mean "load"?)', reply.stdout .. reply.stderr, 1, true)
  end)
end)
