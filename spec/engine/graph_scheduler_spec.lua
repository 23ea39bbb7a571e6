-- Graphs that run, in memory: what begins when, how a graph ends, what its nodes read of each other. Each story comes
-- to the same warm and replayed at every suspension, with and without nodes that are run in the graph's own turn.

local bundle = require "weir.code.bundle"
local driver = require "spec.support.driver"
local json = require "weir.json"
local modes = require "spec.support.modes"
local weir = require "weir"

local function workflow(id, run) return weir.workflow { id = id, run = run, retry = { attempts = 1 } } end

local echo = workflow("echo", function(_, data) return data end)
local fails = workflow("fails", function() error(weir.error { code = "boom", message = "it broke" }) end)
local nap = workflow("nap", function(ctx, data)
  ctx:sleep(data.span or "1s")
  return data
end)

-- The views of run `r` in every mode, which are all the same; and the driver of the last.
local function play(nodes, input, more, begin)
  local views, made = {}, nil
  for _, mode in ipairs(modes.ALL) do
    local options = { workflows = { echo, fails, nap }, limits = more and more.limits }
    for field, value in pairs(mode) do options[field] = value end
    table.move(more or {}, 1, #(more or {}), #options.workflows + 1, options.workflows)
    table.insert(options.workflows, weir.graph { id = "g", nodes = nodes })
    made = driver.new(options)
    made:start("g", input, { id = "r" })
    if begin then begin(made) end
    views[#views + 1] = made:finish("r")
    made:finish()
    assert.is_nil(made:fault())
  end
  for i = 2, #views do
    assert.equal(views[1].state, views[i].state)
    assert.same(views[1].result, views[i].result)
    assert.same(views[1].error, views[i].error)
  end
  return views[1], made
end

local function node(key, of, ...)
  return { key = key, workflow = of, depends_on = { ... }, data = { from = key } }
end

-- The same with more fields.
local function with(made, fields)
  for name, value in pairs(fields) do made[name] = value end
  return made
end

local function begun(view)
  local keys = {}
  for i, operation in ipairs(view.operations) do keys[i] = operation.id end
  return keys
end

describe("a graph", function()
  it("runs one node after the other, and results in what nothing depends on", function()
    local view, made = play {
      { key = "extract", workflow = "echo", data = { rows = 3 } },
      { key = "transform", workflow = "echo", depends_on = { "extract" },
        data = function(input, deps) return { rows = deps.extract.rows * input.factor } end },
      { key = "load", workflow = "echo", depends_on = { "transform" },
        data = function(_, deps) return { loaded = deps.transform.rows } end },
    }
    assert.equal("failed", view.state) -- without a factor
    assert.matches('data of node "transform": .*graph_scheduler_spec.lua:%d+: attempt to perform', view.error.message)
    assert.equal(1, made:view("r").attempt)
    local function give(input) return { x = input.factor } end
    view = play({ { key = "a", workflow = "echo", data = give } }, { factor = 2 })
    assert.same({ a = { x = 2 } }, view.result)
  end)

  it("fans out and in", function()
    local nodes, keys = { node("split", "echo") }, {}
    for i = 1, 300 do
      keys[i] = "part-" .. i
      nodes[#nodes + 1] = { key = keys[i], workflow = "echo", depends_on = { "split" }, data = { n = i } }
    end
    nodes[#nodes + 1] = { key = "join", workflow = "echo", depends_on = keys, data = function(_, deps)
      local sum, order = 0, {}
      for key, part in pairs(deps) do
        sum = sum + part.n
        order[#order + 1] = key
      end
      return { sum = sum, last = order[#order], count = #order }
    end }
    local view = play(nodes)
    assert.same({ join = { sum = 45150, last = "part-300", count = 300 } }, view.result)
    assert.equal(302, #view.operations)
  end)

  it("runs what does not depend on each other side by side", function()
    local view, made = play {
      node("a", "nap"), node("b", "nap"), node("c", "nap", "a", "b"), node("d", "nap", "a"),
    }
    assert.same({ c = { from = "c" }, d = { from = "d" } }, view.result)
    local record = made.records.r
    assert.equal(2000, record.finished_at - record.created_at)
  end)

  it("begins nodes that are ready together in the order in which they were given", function()
    local view = play { node("z", "nap"), node("m", "nap", "z"), node("a", "nap", "z"), node("y", "nap") }
    assert.same({ "z", "y", "m", "a" }, begun(view))
  end)

  it("gives its nodes' invokes what they ask for, and its own line", function()
    local made = driver.new { workflows = { echo, nap, weir.graph { id = "g", nodes = {
      { key = "a", workflow = "nap", timeout = "5s", priority = 7, retry = { attempts = 9 } },
      { key = "b", workflow = "nap", depends_on = { "a" } },
    } } } }
    made:start("g", {}, { id = "r" })
    made:settle()
    local child, operation = made.records["r/a"], made:view("r").by_id.a
    assert.same({ 7, 9 }, { child.priority, json.decode(child.fields.retry).attempts })
    assert.matches("spec/engine/graph_scheduler_spec.lua:%d+", operation.line)
    assert.same({ timeout_ms = 5000, on_timeout = "cancel" }, json.decode(operation.arguments))
    assert.same({ "", nil }, { child.fields.deps, made.records["r/b"] })
    made:finish "r"
    assert.equal("a", made.records["r/b"].fields.deps)
  end)

  it("tells its shape when it begins, once", function()
    local _, made = play { node("a", "nap"), with(node("b", "nap", "a"), { when = "any", optional = true }) }
    assert.same({ nodes = {
      { key = "a", workflow = "nap" },
      { key = "b", workflow = "nap", depends_on = { "a" }, when = "any", optional = true },
    } }, json.decode(made.records.r.fields.graph))
    local told = 0
    for _, name in ipairs(made:effects_of "r") do told = told + (name == "graph" and 1 or 0) end
    assert.equal(1, told)
  end)

  it("may be made of what it is given", function()
    local function nodes(input)
      local list = weir.array {}
      for i, name in ipairs(input.names) do list[i] = { key = name, workflow = "echo", data = { n = i } } end
      return list
    end
    assert.same({ x = { n = 1 }, y = { n = 2 } }, play(nodes, { names = { "x", "y" } }).result)
    local view = play(nodes, { names = { "x", "x" } })
    assert.matches('^spec/engine/graph_scheduler_spec.lua:%d+: graph "g": nodes 1 and 2 have the same key "x"$',
      view.error.message)
    assert.same({}, view.operations)
    assert.equal(1, view.attempt)
  end)

  it("with a result that is too large completes with null, and says so", function()
    local data = { t = ("x"):rep(60) }
    local nodes = { { key = "a", workflow = "echo", data = data }, { key = "b", workflow = "echo", data = data } }
    local view, made = play(nodes, nil, { limits = { payload_bytes = 100, depth = 9 } })
    assert.same({ "completed", json.null }, { view.state, view.result })
    assert.matches("the results of 2 nodes have 147 bytes, 100 are allowed", made.logs[1].text)
  end)
end)

describe("a node that fails", function()
  it("keeps what depends on it from beginning; the others go on, then the graph fails", function()
    local view, made = play {
      node("build", "fails"), node("test", "echo", "build"), node("ship", "echo", "test"), node("lint", "nap"),
      node("report", "echo", "lint"),
    }
    assert.equal("failed", view.state)
    assert.same({ "child_failed", "build", 'node "build" failed: it broke; 2 not started', "boom" },
      { view.error.code, view.error.operation, view.error.message, view.error.cause.code })
    assert.same({ failed = { "build" }, failed_count = 1, pending = { "test", "ship" }, pending_count = 2 },
      view.error.details)
    assert.equal("completed", made:state "r/report")
    assert.is_nil(made:state "r/test")
  end)

  it("is named with the others", function()
    local view = play { node("a", "fails"), node("b", "fails"), node("c", "echo"), node("d", "echo", "b") }
    assert.equal("2 of 4 nodes failed: a, b (a: it broke); 1 not started", view.error.message)
  end)

  it("by its time fails the graph just so", function()
    local view, made = play { with(node("a", "nap"), { timeout = "10ms" }), node("b", "echo", "a") }
    assert.equal('node "a" failed: invoke "a" timed out after 10ms; 1 not started', view.error.message)
    assert.equal("timeout", view.error.cause.code)
    assert.equal("cancelled", made:state "r/a")
  end)

  it("because its workflow is unknown does too", function()
    local view = play { node("a", "ecko") }
    assert.equal('node "a" failed: no workflow "ecko" (did you mean "echo"?)', view.error.message)
    assert.equal("unknown_workflow", view.error.cause.code)
  end)

  it("and is optional does not fail the graph", function()
    local view = play { with(node("a", "fails"), { optional = true }), node("b", "echo", "a"), node("c", "echo") }
    assert.same({ "completed", { c = { from = "c" } } }, { view.state, view.result })
  end)
end)

describe("when", function()
  it("any begins a node with the first that completes", function()
    local view, made = play {
      with(node("slow", "nap"), { data = { span = "1h" } }), with(node("bad", "fails"), { optional = true }),
      node("quick", "nap"), with(node("next", "echo", "slow", "bad", "quick"), { when = "any" }),
    }
    assert.equal("completed", view.state)
    assert.equal(1000, made.records["r/next"].created_at - made.records.r.created_at)
  end)

  it("any never begins a node when none has completed", function()
    local view = play { node("a", "fails"), node("b", "fails"), with(node("c", "echo", "a", "b"), { when = "any" }) }
    assert.same({ "c" }, view.error.details.pending)
  end)

  it("settled begins a node when all have ended, whatever became of them", function()
    local view, made = play {
      with(node("bad", "fails"), { optional = true }), node("never", "echo", "bad"), node("good", "nap"),
      { key = "sum", workflow = "echo", depends_on = { "bad", "never", "good" }, when = "settled",
        data = function(_, deps)
          local completed = weir.array {}
          for key in pairs(deps) do completed[#completed + 1] = key end
          return { completed = completed, code = deps("bad").error.code, never = deps("never").ok, bad = deps.bad }
        end },
    }
    assert.same({ sum = { completed = { "good" }, code = "boom", never = false } }, view.result)
    assert.is_nil(made:state "r/never")
  end)
end)

describe("a graph that is cancelled", function()
  it("ends its nodes first, and begins no more", function()
    local view, made = play({ node("a", "nap"), node("b", "nap", "a") }, nil, nil, function(made)
      made:settle()
      made:cancel("r", "by hand")
    end)
    assert.same({ "cancelled", "by hand" }, { view.state, view.error.message })
    assert.equal("cancelled", made:state "r/a")
    assert.is_nil(made:state "r/b")
  end)

  it("in the midst of 2,000 nodes leaves those that wait for their turn", function()
    local nodes = {}
    for i = 1, 2000 do nodes[i] = node("n" .. i, "nap") end
    local view, made = play(nodes, nil, nil, function(made)
      for _ = 1, 7 do made:step() end
      made:cancel("r", "by hand")
    end)
    assert.equal("cancelled", view.state)
    assert.is_true(#view.operations > 0 and #view.operations < 1000)
    for _, operation in ipairs(view.operations) do
      local state = operation.state == "refused" and "cancelled" or made:state("r/" .. operation.id)
      assert.equal("cancelled", state)
    end
  end)
end)

describe("a graph's journal", function()
  local nodes = {}
  for i = 1, 400 do
    nodes[i] = { key = "n" .. i, workflow = i % 7 == 0 and "nap" or "echo",
                 depends_on = i > 150 and { "n" .. i - 150, "n" .. i - 149 } or nil }
  end
  local definitions = { echo, nap, weir.graph { id = "g", nodes = nodes } }

  it("is gone on with wherever the process dies", function()
    local whole = driver.new { workflows = definitions }:run("g")
    for crash_at = 1, 20 do
      local made = driver.new { workflows = definitions, crash_at = crash_at * 21 }
      local view = made:run("g")
      assert.same({ whole.state, whole.result }, { view.state, view.result })
      assert.equal(400, #view.operations)
    end
  end)

  it("has every node that is ready begun in few turns, and in order", function()
    local flat = {}
    for i = 1, 3000 do flat[i] = { key = "n" .. i, workflow = "echo" } end
    local made = driver.new { workflows = { echo, weir.graph { id = "g", nodes = flat } } }
    local view = made:run("g")
    assert.equal("completed", view.state)
    for i, operation in ipairs(view.operations) do assert.equal("n" .. i, operation.id) end
    assert.is_true(made.turns < 80, made.turns) -- all were run in the graph's own turns
  end)
end)

describe("a graph that is given as data", function()
  local function run(text, more)
    local made = driver.new { workflows = { echo, fails, nap, table.unpack(more or {}) } }
    return made:run("weir.graph", nil, { text = text }), made
  end

  it("runs as any other", function()
    local view, made = run [[{"name":"etl","nodes":[
      {"key":"a","workflow":"echo","data":{"n":1.0}},{"key":"b","workflow":"nap","depends_on":["a"]}]}]]
    assert.same({ "completed", { b = {} } }, { view.state, view.result })
    assert.equal('{"n":1.0}', made.records[view.id .. "/a"].fields.result)
    assert.is_nil(made.records[view.id].fields.graph) -- its data has the shape
    assert.equal("weir.graph", view.operations[1].line)
  end)

  it("is refused as invalid data, naming keys", function()
    local function refused(text)
      local view = run(text)
      assert.same({ "failed", "invalid_data", 1 }, { view.state, view.error.code, view.attempt })
      assert.same({}, view.operations)
      return view.error.message
    end
    assert.equal('data of workflow "weir.graph" is not valid: /nodes/0/depends_on/0: node "a" depends on "b", which is '
      .. 'no node; /nodes/1/depends_on/0: node "c" depends on itself',
      refused [[{"nodes":[{"key":"a","workflow":"w","depends_on":["b"]},
                          {"key":"c","workflow":"w","depends_on":["c"]}]}]])
    assert.matches('/: must be an object', refused "[]")
    assert.matches('/: unknown field "node"; did you mean "nodes"%?', refused [[{"node":[]}]])
    assert.matches("/name: must be text", refused [[{"name":5,"nodes":[]}]])
    assert.matches("/nodes: nodes is missing: a graph is a list", refused [[{"name":"x"}]])
  end)

  it("may be invoked, and be a node of a graph", function()
    local inner = { nodes = { { key = "x", workflow = "echo", data = { 1 } } } }
    local outer = weir.graph { id = "outer", nodes = {
      { key = "sub", workflow = "weir.graph", data = inner },
      { key = "after", workflow = "echo", depends_on = { "sub" }, data = function(_, deps) return deps.sub.x end },
    } }
    local caller = workflow("caller", function(ctx) return ctx:invoke { id = "g", workflow = "outer" }.after end)
    local view, made = run("{}", { outer, caller })
    assert.equal("failed", view.state)
    view = made:run("caller")
    assert.same({ "completed", { 1 } }, { view.state, view.result })
    assert.equal("completed", made:state(view.id .. "/g/sub/x"))
  end)
end)

describe("ctx.deps", function()
  -- Node `n` of this workflow, which depends on a and bad (in any state).
  local function reads(body, name)
    local reader = workflow("reader", body)
    local view, made = play({
      node("a", "echo"), with(node("bad", "fails"), { optional = true }),
      with(node("n", name or "reader", "a", "bad"), { when = "settled" }),
    }, nil, { reader })
    assert.equal("completed", view.state, view.error and view.error.message)
    return view.result.n, made
  end

  it("gives the results of nodes, also after a step", function()
    local result = reads(function(ctx)
      local first = ctx.deps.a.from
      local second = ctx:step("s", function() return first .. "!" end)
      local bad, a = ctx.deps("bad"), ctx.deps("a")
      return { first, second, ctx.deps.a.from, ctx.deps.bad == nil, bad.error.code, a.value.from }
    end)
    assert.same({ "a", "a!", "a", true, "boom", "a" }, result)
  end)

  it("goes over those that completed, in the order of depends_on", function()
    assert.same({ { "a", "a" } }, reads(function(ctx)
      local list = weir.array {}
      for key, value in pairs(ctx.deps) do list[#list + 1] = { key, value.from } end
      return list
    end))
  end)

  it("refuses what is no dependency, naming those that are", function()
    local result = reads(function(ctx)
      local list = weir.array {}
      for i, key in ipairs { "extract", "bat" } do
        list[i] = select(2, pcall(function() return ctx.deps[key] end)).message
      end
      list[#list + 1] = select(2, pcall(function() ctx.deps.a = 1 end)).message
      return list
    end)
    assert.matches('graph_scheduler_spec.lua:%d+: deps has no "extract"; there are a, bad$', result[1])
    assert.matches('deps has no "bat"; did you mean "bad"%?$', result[2])
    assert.matches("deps.a cannot be written", result[3])
  end)

  it("is not read inside a step", function()
    assert.matches('ctx.deps cannot be called inside step "s"', reads(function(ctx)
      local ok, err = pcall(ctx.step, ctx, "s", function() return ctx.deps.a end)
      return ok or err.message
    end))
  end)

  it("is an error in a run that is no node", function()
    local made = driver.new { workflows = { workflow("w", function(ctx) return ctx.deps end) } }
    assert.matches(
      "graph_scheduler_spec.lua:%d+: ctx.deps is what a graph's node depends on", made:run("w").error.message)
  end)

  it("is empty in a node that depends on nothing", function()
    local reader = workflow("reader", function(ctx)
      local count = 0
      for _ in pairs(ctx.deps) do count = count + 1 end
      return { count, select(2, pcall(function() return ctx.deps.x end)).message }
    end)
    local view = play({ node("n", "reader") }, nil, { reader })
    assert.equal(0, view.result.n[1])
    assert.matches('deps has no "x": this node depends on none', view.result.n[2])
  end)

  it("reads each once, in operations of the node's own; pairs in batches", function()
    local nodes, keys = {}, {}
    for i = 1, 450 do
      keys[i] = "k" .. i
      nodes[i] = { key = keys[i], workflow = "echo", data = { i } }
    end
    nodes[#nodes + 1] = { key = "n", workflow = "reader", depends_on = keys }
    local reader = workflow("reader", function(ctx)
      ctx:step("begin", function() return 1 end)
      local sum = ctx.deps.k5[1]
      for _, value in pairs(ctx.deps) do sum = sum + value[1] end
      return sum + ctx.deps.k5[1]
    end)
    local view, made = play(nodes, nil, { reader })
    assert.equal(450 * 451 // 2 + 10, view.result.n)
    assert.same({ "begin", "deps#k5", "deps@1", "deps@201", "deps@401" }, begun(made:view "r/n"))
  end)

  it("goes on where a batch had no room for more", function()
    local nodes, keys = {}, {}
    for i = 1, 3 do
      keys[i] = "k" .. i
      nodes[i] = { key = keys[i], workflow = "echo", data = { text = ("x"):rep(600000) } }
    end
    nodes[#nodes + 1] = { key = "n", workflow = "reader", depends_on = keys }
    local reader = workflow("reader", function(ctx)
      ctx:step("begin", function() return 1 end)
      local bytes = 0
      for _, value in pairs(ctx.deps) do bytes = bytes + #value.text end
      return bytes
    end)
    local view, made = play(nodes, nil, { reader })
    assert.equal(1800000, view.result.n)
    assert.equal(4, #made:view("r/n").operations)
  end)
end)

describe("a graph that is changed, and retried", function()
  local fixed
  local flaky = workflow("flaky", function(_, data)
    if not fixed then error(weir.error { code = "boom", message = "it broke" }) end
    return data
  end)

  -- The states of the nodes, in every mode: "key state", those of later generations "key~2 state", in order.
  local function retry(before, after, options)
    local lists, views = {}, {}
    for i, mode in ipairs(modes.ALL) do
      fixed = false
      local function workflows(nodes)
        return { echo, fails, nap, flaky, weir.graph { id = "g", nodes = nodes }, options and options.more }
      end
      local made = modes.new(mode, workflows(before))
      made:start("g", {}, { id = "r" })
      assert.equal(options and options.first or "failed", made:finish("r").state)
      fixed = true
      made:deploy { workflows = workflows(after) }
      made:retry("r", options and options.reset or "unhandled")
      local view, list = made:finish("r"), {}
      for at, operation in ipairs(made:read("r").operations) do
        list[at] = (operation.run or operation.id):gsub("^r/", "") .. " " .. operation.state
      end
      table.sort(list)
      lists[i], views[i] = list, view
      assert.is_nil(made:fault())
      assert.same(lists[1], list)
    end
    return lists[1], views[1]
  end

  it("does again what depends now on a node that failed, and all behind it", function()
    local list, view = retry({
      node("a", "echo"), node("b", "flaky"), node("c", "echo", "a"), node("d", "nap", "c"), node("e", "echo"),
    }, {
      node("a", "echo", "b"), node("b", "flaky"), node("c", "echo", "a"), node("d", "nap", "c"), node("e", "echo"),
    })
    assert.same({ "a~2 completed", "b completed", "c~2 completed", "d~2 completed", "e completed" }, list)
    assert.equal("completed", view.state)
    assert.is_true(view.by_id.a.number > view.by_id.b.number)
  end)

  it("does again what depends now on a node that was not there", function()
    local nodes = { node("b", "flaky"), node("c", "echo"), node("d", "echo") }
    local list = retry(nodes, { nodes[1], node("c", "echo", "new"), nodes[3], node("new", "echo") })
    assert.same({ "b completed", "c~2 completed", "d completed", "new completed" }, list)
  end)

  it("leaves what no longer depends on a node that is gone", function()
    local list, view = retry({ node("gone", "echo"), node("a", "echo", "gone"), node("b", "flaky", "gone") },
      { node("a", "echo"), node("b", "flaky") })
    assert.same({ "a completed", "b~2 completed", "gone completed" }, list)
    assert.same({ a = { from = "a" }, b = { from = "b" } }, view.result)
  end)

  it("is done with a node that failed and is gone", function()
    local list, view = retry({ node("a", "echo"), node("b", "flaky", "a"), node("c", "echo", "b") },
      { node("a", "echo"), node("c", "echo", "a") })
    assert.same({ "a completed", "c completed" }, list)
    assert.equal("completed", view.state)
  end)

  it("takes a node that is renamed for another one, and what depends on it does that anew", function()
    local list = retry({ node("old", "echo"), node("c", "echo", "old"), node("b", "flaky") },
      { node("name", "echo"), node("c", "echo", "name"), node("b", "flaky") })
    assert.same({ "b completed", "c~2 completed", "name completed", "old completed" }, list)
  end)

  it("begins a node that failed anew, when it depends on others now", function()
    local reader = workflow("reader", function(ctx)
      local sum = {}
      for key, value in pairs(ctx.deps) do sum[#sum + 1] = key .. "=" .. value.from end
      ctx:sleep "1s"
      if not fixed then error "it broke" end
      return table.concat(sum, " ")
    end)
    local list, view = retry({ node("a", "echo"), node("b", "echo"), node("c", "reader", "a") },
      { node("a", "echo"), node("b", "echo"), node("c", "reader", "b", "a") }, { more = reader })
    assert.same({ "a completed", "b completed", "c~2 completed" }, list)
    assert.same({ c = "b=b a=a" }, view.result)
  end)

  it("begins a node that failed anew, when what it depends on is done again for its new needs", function()
    local list = retry({ node("y", "flaky"), node("w", "echo"), node("x", "flaky", "w") },
      { node("y", "flaky"), node("w", "echo", "y"), node("x", "flaky", "w") })
    assert.same({ "w~2 completed", "x~2 completed", "y completed" }, list)
  end)

  it("runs another workflow for a node that failed, in a new generation", function()
    local list, view = retry({ node("a", "echo"), node("b", "flaky", "a") },
      { node("a", "echo"), node("b", "nap", "a") })
    assert.same({ "a completed", "b~2 completed" }, list)
    assert.equal("completed", view.state)
  end)

  it("refuses another workflow for a node that is kept, until that is done again by name", function()
    local before = { node("a", "echo"), node("b", "flaky", "a") }
    local after = { node("a", "nap"), node("b", "flaky", "a") }
    local _, view = retry(before, after)
    assert.same({ "failed", "replay_mismatch" }, { view.state, view.error.code })
    assert.matches('operation "a" was invoke of "echo" .* now invoke of "nap"', view.error.message)
    local list
    list, view = retry(before, after, { reset = "from\ta" })
    assert.same({ "a~2 completed", "b~2 completed" }, list)
    assert.equal("completed", view.state)
  end)

  it("keeps a node that waits for any, and has one that completed", function()
    local any = { when = "any" }
    local list = retry({ node("a", "echo"), node("b", "flaky"), with(node("c", "echo", "a"), any) },
      { node("a", "echo"), node("b", "flaky"), node("new", "echo"), with(node("c", "echo", "a", "new"), any) })
    assert.same({ "a completed", "b completed", "c completed", "new completed" }, list)
    list = retry({ node("a", "echo"), node("b", "flaky"), with(node("c", "echo", "a"), any) },
      { node("a", "echo"), node("b", "flaky"), with(node("c", "echo", "a", "b"), any) })
    assert.same({ "a completed", "b completed", "c~2 completed" }, list)
  end)

  it("does again what waited for one to settle, and waits for its success now", function()
    local a, d = node("a", "fails"), node("d", "echo")
    local list, view = retry({ a, with(node("c", "echo", "a"), { when = "settled" }), d },
      { a, node("c", "echo", "a"), d }, { reset = "from\td" })
    assert.same({ "a failed", "c pending", "d~2 completed" }, list)
    assert.equal('node "a" failed: it broke; 1 not started', view.error.message)
  end)

  it("does again what depends now on a node from which on it is retried, though all completed", function()
    local list = retry({ node("a", "echo"), node("b", "echo"), node("c", "echo", "a") },
      { node("a", "echo", "b"), node("b", "echo"), node("c", "echo", "a") },
      { reset = "from\tb", first = "completed" })
    assert.same({ "a~2 completed", "b~2 completed", "c~2 completed" }, list)
  end)

  it("keeps to that when it is cut off before it knows the new graph, and retried again", function()
    fixed = false
    local function workflows(nodes) return { echo, flaky, weir.graph { id = "g", nodes = nodes } } end
    local made = driver.new { workflows = workflows { node("a", "echo"), node("b", "flaky") } }
    made:start("g", {}, { id = "r" })
    made:finish "r"
    fixed = true
    made:deploy { workflows = workflows { node("a", "echo", "b"), node("b", "flaky") } }
    made:retry("r", "unhandled")
    made:cancel("r", "not yet", true)
    assert.equal("cancelled", made:finish("r").state)
    made:retry("r", "unhandled")
    assert.equal("completed", made:finish("r").state)
    assert.equal("completed", made:state "r/a~2")
  end)

  it("keeps what could do without a node that an earlier retry reset, and that can never begin", function()
    local broken = {}
    local moody = workflow("moody", function(_, data)
      if broken[data.from] then error(weir.error { code = "boom", message = "it broke" }) end
      return data
    end)
    local made = driver.new { workflows = { echo, moody, weir.graph { id = "g", nodes = {
      node("n", "moody"), node("a", "echo", "n"), node("c", "echo"), node("d", "moody"),
      with(node("b", "echo", "a", "c"), { when = "any" }),
    } } } }
    local function states(again)
      if again then made:retry(table.unpack(again)) end
      made:finish("r")
      local list = {}
      for i, operation in ipairs(made:read("r").operations) do
        list[i] = (operation.run or operation.id):gsub("^r/", "") .. " " .. operation.state
      end
      table.sort(list)
      return list
    end
    broken.d = true
    made:start("g", {}, { id = "r" })
    assert.same({ "a completed", "b completed", "c completed", "d failed", "n completed" }, states())
    broken.n = true
    assert.same({ "a pending", "b~2 completed", "c completed", "d failed", "n~2 failed" }, states { "r", "from\tn" })
    broken = {}
    assert.same({ "a pending", "b~2 completed", "c completed", "d completed", "n~2 failed" },
      states { "r", "children\td", "r/d", "unhandled" })
  end)
end)

describe("weir.graph", function()
  it("tells a mistake at the author's line", function()
    local function fault(fields) return select(2, pcall(weir.graph, fields)) end
    assert.matches('graph "etl": node "b" depends on itself$', fault {
      id = "etl", nodes = { { key = "b", workflow = "w", depends_on = { "b" } } },
    })
    assert.matches('graph "etl": lacks the field "nodes"$', fault { id = "etl" })
    assert.matches('unknown field "run"; a graph has id, nodes, schema, timeout, ', fault { id = "e", run = print })
    assert.matches('unknown field "node"; did you mean "nodes"%?$', fault { id = "etl", node = {} })
    assert.matches("^%?:0: weir.graph: takes a table of fields, not a nil$", fault())
    assert.matches('names that begin with "weir." are weir\'s own$', fault { id = "weir.graph", nodes = {} })
  end)

  it("is refused in a bundle whose files lack a node's workflow", function()
    local made, faults = bundle.load("b", {
      ["etl.lua"] = [[
        local weir = require "weir"
        return weir.graph { id = "etl", nodes = { { key = "load", workflow = "laod" } } }]],
      ["load.lua"] = 'return require "weir".workflow { id = "load", run = function() end }',
    })
    assert.is_nil(made)
    assert.same({ 'etl.lua:2: graph "etl": node "load" runs workflow "laod", which no file here defines '
      .. '(did you mean "load"?)' }, faults)
  end)

  it("may have nodes that are graphs given as data", function()
    local made = bundle.load("b", { ["etl.lua"] = [[
      return require "weir".graph { id = "etl", nodes = { { key = "sub", workflow = "weir.graph" } } }]] })
    assert.is_table(made and made.workflows.etl.graph)
    assert.equal("weir.graph", made.workflows["weir.graph"].id)
  end)
end)
