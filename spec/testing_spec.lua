-- weir.testing: what authors test with, tested as they would use it.

local testing = require "weir.testing"
local weir = require "weir"

local HOUR = 3600000

local function workflow(id, run, fields)
  fields = fields or {}
  fields.id, fields.run = id, run
  return weir.workflow(fields)
end

-- An order whose payment and stock are somewhere else.
local order = workflow("order", function(ctx, data)
  local pay = ctx:spawn { id = "pay", workflow = "payment", data = { amount = data.amount }, timeout = "30s" }:settle()
  if not pay.ok and pay.error.code == "timeout" then return { status = "pending" } end
  if not pay.ok then error(pay.error) end
  ctx.log:info("paid", { amount = data.amount })
  ctx:sleep { id = "night", duration = "8h" }
  return { status = "completed", transaction = pay.value.transaction }
end)

local function new(definitions, options)
  options = options or {}
  options.workflows = definitions
  return testing.new(options)
end

local function raised(act, ...)
  local ok, message = pcall(act, ...)
  assert.is_false(ok)
  return tostring(message)
end

local function raises(pattern, act, ...)
  local message = raised(act, ...)
  assert.is_truthy(message:find(pattern, 1, true), message)
  return message
end

describe("a runner", function()
  it("runs a workflow to its end in no time", function()
    local runner = new { order }
    runner:mock("payment", { transaction = "t1" })
    local began = runner:now()
    local result = runner:run("order", { amount = 5 }, { tags = { customer = 7 } })

    assert.completed(result)
    assert.same({ status = "completed", transaction = "t1" }, result.result)
    assert.equal("order-1", result.id)
    assert.equal("order", result.workflow)
    assert.equal(1, result.attempts)
    assert.same({ customer = "7" }, result.tags)
    assert.equal(began, result.started_at)
    assert.equal(began + 8 * HOUR, result.finished_at)
    assert.equal(began + 8 * HOUR, runner:now())
    assert.is_nil(result.error)
  end)

  it("shows operations, children and what was said", function()
    local runner = new { order }
    runner:mock("payment", { transaction = "t1" })
    local result = runner:run("order", { amount = 5 })

    assert.equal(2, #result.operations)
    local pay = result:operation("pay")
    assert.equal("invoke", pay.kind)
    assert.equal("completed", pay.state)
    assert.equal("payment", pay.workflow)
    assert.equal("order-1/pay", pay.run)
    assert.same({ transaction = "t1" }, pay.result)
    assert.equal(1, pay.number)
    assert.equal(0, pay.after)
    assert.equal(1, pay.attempts)
    assert.equal(30000, pay.arguments.timeout_ms)
    assert.is_nil(pay.error)
    assert.is_truthy(pay.line:find("testing_spec.lua:%d+$"))
    assert.equal(pay.started_at, pay.finished_at)
    assert.equal("payment", result.children.pay.workflow)
    assert.equal("completed", result.children.pay.state)
    assert.equal("paid", result.log[1].text)
    assert.same({ amount = 5 }, result.log[1].fields)
    assert.equal("info", result.log[1].level)

    local message = raises('run order-1 has no operation "pya", did you mean "pay"?; it has pay, night',
      result.operation, result, "pya")
    assert.is_truthy(message:find("testing_spec.lua", 1, true))
  end)

  it("draws a run, and tells what happened when", function()
    local runner = new { order }
    runner:mock("payment", testing.after("2s", { transaction = "t1" }))
    local result = runner:run("order", { amount = 5 })
    local drawn = tostring(result)
    assert.is_truthy(drawn:find("✓ order-1  order", 1, true), drawn)
    assert.is_truthy(drawn:find("└─ ✓ night  sleep 8h", 1, true), drawn)
    local timeline = result:timeline()
    for _, line in ipairs {
      "+0ms      order-1  order begins", "+0ms      order-1  pay begins: invoke of payment",
      '+2s       order-1  pay completed: {"transaction":"t1"}', "+8h       order-1  night completed",
    } do
      assert.is_truthy(timeline:find(line, 1, true), timeline)
    end
  end)

  it("takes code from a folder, as a host does, and from texts", function()
    local runner = testing.new { dir = "workflows" }
    assert.completed(runner:run("process-order", { order_id = "order-1", amount = 5 }))
    runner = testing.new { files = { ["w.lua"] = [[
      return require "weir".workflow { id = "w", run = function(ctx, data) return math.random(data.n) end } ]] } }
    assert.equal(runner:run("w", { n = 1000000 }).result, testing.new { files = { ["w.lua"] = [[
      return require "weir".workflow { id = "w", run = function(ctx, data) return math.random(data.n) end } ]] } }
      :run("w", { n = 1000000 }).result)
    raises("w.lua:1: ", testing.new, { files = { ["w.lua"] = "return nonsense.x" } })
    raises("there is no folder spec/nowhere", testing.new, { dir = "spec/nowhere" })
  end)

  it("loads the folder of the spec, unless it is told what to load", function()
    local function load_from(path)
      return load('local made = require("weir.testing").new() return made', "@" .. path)()
    end
    assert.equal("completed", load_from("workflows/hello_spec.lua"):run("hello").state)
    assert.equal("completed", load_from("workflows/spec/hello_spec.lua"):run("hello").state)
    raises("there is no folder nowhere", load_from, "nowhere/a_spec.lua")
    raises("spec/nothing", load_from, "spec/nothing/spec/a_spec.lua")
  end)

  it("refuses what it does not understand, where the spec stands", function()
    local runner = new { order }
    for sentence, act in pairs {
      ['there is no workflow "ordr"; did you mean "order"?'] = function() runner:run("ordr") end,
      ['there is no workflow "x"; there are order'] = function() runner:start("x") end,
      ['there is no run "order-9"; there are none'] = function() runner:result("order-9") end,
      ['runner:run: unknown field "idd"; did you mean "id"?'] = function() runner:run("order", {}, { idd = 1 }) end,
      ["runner:run: delay: \"soon\" is no duration"] = function() runner:run("order", {}, { delay = "soon" }) end,
      ['runner:run: id "a/b" must not contain "/"'] = function() runner:run("order", {}, { id = "a/b" }) end,
      ["priority must be an integer"] = function() runner:run("order", {}, { priority = 101 }) end,
      ["the data cannot be written as JSON"] = function() runner:run("order", { f = print }) end,
      ["runner:signal is not there yet"] = function() runner:signal("a", "b") end,
      ["testing.new takes one of dir"] = function() testing.new { dir = "workflows", workflows = {} } end,
      ['unknown field "workflow"; did you mean "workflows"?'] = function() testing.new { workflow = 1 } end,
      ["workflows[2] is no workflow"] = function() new { order, {} } end,
      ['"payment" is not mocked; nothing is'] = function() runner:unmock("payment") end,
      ['there is no workflow "payment"'] = function() runner:calls("payment") end,
      ["testing.sequence takes a list"] = function() testing.sequence {} end,
      ['testing.after: "x" is no duration'] = function() testing.after("x", 1) end,
    } do
      assert.is_truthy(raises(sentence, act):find("testing_spec.lua:%d+: "))
    end
  end)

  it("keeps several runs side by side, and the clock", function()
    local nap = workflow("nap", function(ctx, data)
      ctx:sleep(data.span)
      return ctx.run.id
    end)
    local runner = new({ nap }, { now = 1000 })
    local a = runner:start("nap", { span = "1d" })
    local b = runner:start("nap", { span = "2d" }, { id = "b" })
    assert.equal("waiting", runner:result(a).state)
    runner:advance("1d")
    assert.completed(runner:result(a))
    assert.equal("waiting", runner:result(b).state)
    assert.equal(1000 + 24 * HOUR, runner:now())
    runner:advance("30d")
    assert.completed(runner:result(b))
    assert.equal(31 * testing.duration "1d" + 1000, runner:now())
  end)

  it("starts later, in a queue, with a priority, once for a key", function()
    local seen = {}
    local note = workflow("note", function(_, data) seen[#seen + 1] = data.name end)
    local runner = new({ note }, { always_replay = false })
    runner:start("note", { name = "late" }, { delay = "1h", queue = "slow", priority = 5 })
    local id = runner:start("note", { name = "first" }, { dedupe = "k" })
    assert.equal(id, runner:start("note", { name = "second" }, { dedupe = { key = "k", within = "1m" } }))
    assert.equal(1, #seen)
    runner:advance("1h")
    assert.same({ "first", "late" }, seen)
    assert.equal("again", runner:start("note", { name = "first" }, { id = "again" }))
    assert.equal("again", runner:start("note", { name = "first" }, { id = "again" }))
    raises('duplicate_id: there is a run "again" already, of other data',
      runner.start, runner, "note", { name = "other" }, { id = "again" })
  end)

  it("cancels, with and without clean-up", function()
    local careful = workflow("careful", function(ctx)
      ctx:undo("put", function(own) own:step("away", function() return true end) end)
      ctx:sleep { id = "long", duration = "1d" }
    end)
    local runner = new { careful }
    local result = runner:cancel(runner:start "careful")
    assert.cancelled(result)
    assert.equal("completed", result:operation("undo:put:away").state)
    result = runner:cancel(runner:start "careful", { now = true })
    assert.cancelled(result)
    assert.equal(1, #result.operations)
    raises("run careful-2 has ended: it is cancelled", runner.cancel, runner, "careful-2")
  end)

  it("retries by hand, and says what it resets", function()
    local runner = new { order }
    runner:mock("payment", testing.sequence { weir.fatal "no money", { transaction = "t2" } })
    local result = runner:run("order", { amount = 5 })
    assert.failed_with(result, "child_failed")
    local sentence
    result, sentence = runner:retry("order-1")
    assert.completed(result)
    assert.equal("t2", result.result.transaction)
    assert.equal("run order-1 begins again: reset pay; nothing is kept", sentence)
    raises("run order-1 has completed: there is nothing to retry", runner.retry, runner, "order-1")
    raises('run order-1 has no operation "x"', runner.retry, runner, "order-1", { from = "x" })
    runner:mock("payment", { transaction = "t3" })
    assert.equal("t3", runner:retry("order-1", { scratch = true }).result.transaction)
    runner:mock("payment", { transaction = "t4" })
    assert.equal("t4", runner:retry("order-1", { from = "pay" }).result.transaction)
  end)

  it("runs the code of a child once, not in its parent's turn as well", function()
    local times = 0
    local runner = new {
      workflow("parent", function(ctx)
        for i = 1, 5 do ctx:invoke { id = "c" .. i, workflow = "child" } end
      end),
      workflow("child", function() times = times + 1 end),
    }
    assert.completed(runner:run("parent"))
    assert.equal(5, times)
  end)

  it("runs many, quickly", function()
    local ten = workflow("ten", function(ctx)
      local sum = 0
      for i = 1, 10 do sum = sum + ctx:step("s" .. i, function() return i end) end
      return sum
    end)
    local runner, count = new { ten }, 0
    for _ = 1, 1000 do
      local result = runner:run("ten")
      count = count + #result.operations
      assert.equal(55, result.result)
    end
    assert.equal(10000, count)
  end)

  it("says that a run does not come to its end", function()
    local endless = workflow("endless", function(ctx)
      while true do ctx:sleep "1s" end
    end)
    local runner = new({ endless }, { always_replay = false })
    runner.memory.max_events = 500
    raises("the runs do not come to an end: 501 events; the last one was of endless-1", runner.run, runner, "endless")
  end)

  it("gives a failing run's error, with is", function()
    local runner = new { order }
    runner:mock("payment", function() error(weir.error { code = "no_money", message = "none", retryable = false }) end)
    local result = runner:run("order", { amount = 5 })
    assert.failed_with(result, "no_money")
    assert.failed_with(result, "child_failed")
    assert.equal("Child execution failed: none", result.error.message)
    assert.is_true(result:operation("pay").error:is "no_money")
    assert.equal("no_money", result.children.pay.error.code)
    assert.failed_with(testing.new { dir = "workflows" }:run("process-order", {}), "invalid_data")
  end)
end)

describe("mocks", function()
  local function parent(options)
    return workflow("parent", function(ctx, data)
      local future = ctx:spawn { id = "c", workflow = "child", data = data, timeout = options and options.timeout,
        retry = options and options.retry }
      local settled = future:settle()
      if not settled.ok then return { code = settled.error.code, cause = settled.error.cause
        and settled.error.cause.code } end
      return settled.value
    end)
  end

  it("are functions of the data and the call", function()
    local runner = new { parent() }
    local call
    runner:mock("child", function(data, about)
      call = about
      return { doubled = data.n * 2 }
    end)
    assert.same({ doubled = 8 }, runner:run("parent", { n = 4 }).result)
    assert.same({
      id = "c", run = "parent-1/c", workflow = "child", attempt = 1, parent = "parent-1", number = 1,
    }, call)
  end)

  it("are values, errors, sequences and take their time", function()
    local runner = new { parent() }
    runner:mock("child", testing.sequence {
      "a", weir.fatal "b", testing.after("1h", "c"), function() return testing.after("1h", "d") end,
    })
    assert.equal("a", runner:run("parent").result)
    assert.same({ code = "child_failed", cause = "error" }, runner:run("parent").result)
    local began = runner:now()
    assert.equal("c", runner:run("parent").result)
    assert.equal("d", runner:run("parent").result)
    assert.equal(began + 2 * HOUR, runner:now())
    raises('the sequence of the mock of "child" has 4 answers; this is call 5', runner.run, runner, "parent")
  end)

  it("are retried, timed out and raced as children are", function()
    local runner = new { parent { retry = { attempts = 2, delay = "10s", jitter = false } } }
    runner:mock("child", testing.sequence { weir.error { code = "busy" }, "there" })
    local result = runner:run("parent")
    assert.equal("there", result.result)
    assert.equal(2, result:operation("c").attempts)
    assert.equal(10000, result.finished_at - result.started_at)
    local calls = runner:calls("child")
    assert.equal(2, #calls)
    assert.equal("failed", calls[1].state)
    assert.equal("busy", calls[1].error.code)
    assert.equal("completed", calls[2].state)
    assert.equal("there", calls[2].result)
    assert.equal(2, calls[2].attempt)

    runner = new { parent { timeout = "30s" } }
    runner:mock("child", testing.after("1h", "late"))
    result = runner:run("parent")
    assert.equal("timeout", result.result.code)
    assert.cancelled(result.children.c)
    assert.equal(30000, result.finished_at - result.started_at)

    runner = new { workflow("race", function(ctx)
      local _, key = ctx:race { slow = ctx:spawn { id = "s", workflow = "slow" },
                                fast = ctx:spawn { id = "f", workflow = "fast" } }
      return key
    end) }
    runner:mock("slow", testing.after("2s", 1))
    runner:mock("fast", testing.after("1s", 1))
    assert.equal("fast", runner:run("race").result)
  end)

  it("stand in at any depth, not for what the spec starts itself, until they are taken away", function()
    local child = workflow("child", function(ctx) return ctx:invoke { id = "leaf", workflow = "leaf" } end)
    local leaf = workflow("leaf", function() return "real" end)
    local runner = new { parent(), child, leaf }
    assert.equal("real", runner:run("parent").result)
    runner:mock("leaf", "mocked")
    assert.equal("mocked", runner:run("parent").result)
    assert.equal("real", runner:run("leaf").result)
    runner:unmock("leaf")
    assert.equal("real", runner:run("parent").result)
  end)

  it("cannot move the runner that runs them", function()
    local runner = new { parent() }
    runner:mock("child", function() runner:advance "1h" end)
    raises("a mock cannot move the runner that runs it", runner.run, runner, "parent")
  end)

  it("are spied on through retries by hand", function()
    local runner = new { parent { retry = { attempts = 1 } } }
    runner:mock("child", testing.sequence { "one", weir.fatal "two" })
    local id = runner:run("parent").id
    runner:retry(id, { scratch = true })
    local seen = {}
    for i, call in ipairs(runner:calls "child") do
      seen[i] = { call.id, call.run, call.attempt, call.state, call.result, call.error and call.error.message }
    end
    assert.same({
      { "c", "parent-1/c", 1, "completed", "one" }, { "c", "parent-1/c~2", 1, "failed", nil, "two" },
    }, seen)
    assert.equal("completed", runner:calls("parent")[1].state)
  end)

  it("check the data by the schema of the real workflow", function()
    local child = workflow("child", function() return "real" end, { schema = { type = "object", required = { "n" } } })
    local runner = new { parent(), child }
    runner:mock("child", "mocked")
    assert.equal("mocked", runner:run("parent", { n = 1 }).result)
    assert.equal("invalid_data", runner:run("parent", {}).result.code)
    assert.called(runner, "child", 1)
  end)

  it("are asked for, by name, where a child is unknown", function()
    local runner = new { parent(), workflow("chill", function() end), workflow("w", function(ctx)
      return ctx:invoke { id = "c", workflow = "child" }
    end) }
    local result = runner:run("w")
    assert.failed_with(result, "unknown_workflow")
    assert.equal('no workflow "child" (did you mean "chill"?); mock it: runner:mock("child", …)', result.error.message)
  end)

  it("stand in for steps, scopes included", function()
    local function broken() error "a real step ran" end
    local steps = workflow("steps", function(ctx)
      local both = ctx:all {
        a = function(own) return own:step("get", broken) end,
        b = function(own) return own:step("get", broken) end,
      }
      return { ctx:step("charge", broken), both.a, both.b }
    end, { retry = { delay = "5s", jitter = false } })
    local runner = new { steps }
    local key
    runner:mock_step("steps", "charge", testing.sequence { weir.error { code = "busy" }, function(about)
      key = about.key
      return 7
    end })
    runner:mock_step("steps", "*:get", "got")
    local result = runner:run("steps")
    assert.completed(result)
    assert.same({ 7, "got", "got" }, result.result)
    assert.equal(2, result:operation("charge").attempts)
    assert.equal("steps-1/charge", key)
    assert.equal(5000, result.finished_at - result.started_at)
    raises('there is no workflow "step"; did you mean "steps"?', runner.mock_step, runner, "step", "charge", 1)
  end)

  it("of steps can be all that runs", function()
    local ran = false
    local pay = workflow("pay", function(ctx)
      ctx:step("look-up", function() end)
      return pcall(ctx.step, ctx, "charge", function() ran = true end)
    end)
    local runner = testing.new { workflows = { pay }, steps = "mocked" }
    runner:mock_step("pay", "look-up", 1)
    runner:mock_step("pay", "chrage", 1)
    raises('step "charge" of "pay" is not mocked, and this runner runs no other (steps = "mocked"): '
      .. 'runner:mock_step("pay", "charge", …); "chrage" is mocked', runner.run, runner, "pay")
    raises('is not mocked', runner.crash_everywhere, runner, function(one) one:run("pay") end)
    assert.is_false(ran)
    raises('testing.new: steps is "mocked" or nothing, not real', testing.new, { workflows = { pay }, steps = "real" })
  end)

  it("are told when they are mistyped", function()
    local shop = workflow("order", function(ctx)
      ctx:step("charge", function() end)
      ctx:step("ship-2", function() end)
      ctx:invoke { workflow = "upper" }
    end)
    local runner = new { shop, workflow("upper", function() end) }
    runner:mock_step("order", "chrage", 1)
    runner:mock_step("order", "ship-1", 1) -- another one of that kind
    runner:mock_step("order", "refund", 1)
    runner:mock("uper", 1)
    assert.same({}, runner.mocks:misspelled()) -- nothing has run
    runner:run("order")
    local told = runner.mocks:misspelled()
    assert.equal(2, #told)
    assert.matches('testing_spec.lua:%d+: runner:mock_step%("order", "chrage", …%) was never asked for, and "charge" '
      .. 'ran for real; did you mean "charge"%?$', told[1])
    assert.matches('testing_spec.lua:%d+: runner:mock%("uper", …%) was never asked for, and "upper" ran for real; '
      .. 'did you mean "upper"%?$', told[2])
    runner:unmock("uper") -- this spec ends without a warning of its own
    runner.mocks.steps = {}
  end)

  it("show what the timeout of a step leads to", function()
    local slow = workflow("slow", function(ctx)
      return ctx:step { id = "s", timeout = "10s", retry = { attempts = 1 }, run = function() end }
    end)
    local runner = new { slow }
    runner:mock_step("slow", "s", testing.after("1m", "late"))
    assert.failed_with(runner:run("slow"), "timeout")
    runner:mock_step("slow", "s", testing.after("1s", "in time"))
    assert.equal("in time", runner:run("slow").result)
  end)

  it("work in graphs, with deps", function()
    local g = weir.graph { id = "g", nodes = {
      { key = "extract", workflow = "extract" },
      { key = "load", workflow = "load", depends_on = { "extract" },
        data = function(_, deps) return { rows = deps.extract.rows } end },
    } }
    local runner = new { g, workflow("load", function(ctx, data) return { data.rows, ctx.deps.extract.rows } end) }
    runner:mock("extract", testing.after("1h", { rows = 3 }))
    local result = runner:run("g")
    assert.completed(result)
    assert.same({ load = { 3, 3 } }, result.result)
    assert.is_truthy(tostring(result):find("✓ extract", 1, true), tostring(result))
    runner:mock("extract", weir.fatal "no file")
    result = runner:run("g")
    assert.failed_with(result, "child_failed")
    assert.equal("pending", result:operation("load").state)
    runner:mock("extract", { rows = 4 })
    assert.same({ load = { 4, 4 } }, runner:retry(result.id).result)
  end)
end)

describe("a workflow that is not deterministic", function()
  it("fails the spec, with both lines", function()
    local turn = 0
    local runner = new { workflow("w", function(ctx)
      turn = turn + 1
      if turn == 1 then
        ctx:sleep { id = "a", duration = "1s" }
      else
        ctx:sleep { id = "b", duration = "1s" }
      end
    end) }
    local message = raises('workflow "w" is not deterministic: the journal holds operation "a", sleep at',
      runner.run, runner, "w")
    assert.is_truthy(message:find('the code asked for operation "b" at', 1, true))

    turn = 0
    runner = new { workflow("w", function(ctx)
      turn = turn + 1
      if turn == 1 then ctx:sleep { id = "a", duration = "1s" } else ctx:step("a", function() end) end
    end) }
    message = raises('operation "a" was sleep at', runner.run, runner, "w")
    assert.is_truthy(message:find("now step at", 1, true))
  end)

  it("fails it also where only the end differs", function()
    local turn = 0
    local runner = new { workflow("w", function(ctx)
      turn = turn + 1
      ctx:step("a", function() end)
      return turn
    end) }
    raises("it returned 1, replayed it returned 2", runner.run, runner, "w")
  end)

  it("is left alone by those who want to", function()
    local turn = 0
    local runner = new({ workflow("w", function(ctx)
      turn = turn + 1
      ctx:step("a", function() end)
      return turn
    end) }, { always_replay = false })
    assert.completed(runner:run("w"))
  end)
end)

describe("crashes", function()
  local charge = workflow("charge", function(ctx, data)
    local id = ctx:step("charge", function(about) return about.key end)
    ctx:sleep "1m"
    return { id = id, uuid = ctx:uuid(), amount = data.amount }
  end)
  local buy = workflow("buy", function(ctx)
    return ctx:all {
      a = ctx:spawn { id = "a", workflow = "charge", data = { amount = 1 } },
      b = ctx:spawn { id = "b", workflow = "ship" },
    }
  end)

  it("make no difference, wherever they are", function()
    local runner = new { buy, charge }
    runner:mock("ship", testing.sequence { weir.error { code = "busy" }, "shipped" })
    local ends = 0
    local crashes = runner:crash_everywhere(function(one)
      assert.completed(one:run("buy"))
      ends = ends + 1
    end)
    assert.is_true(crashes > 10)
    assert.equal(crashes + 2, ends)
  end)

  it("come where they are asked for", function()
    local runner = new({ buy, charge }, { crash_at = 3 })
    runner:mock("ship", "shipped")
    assert.completed(runner:run("buy"))
    assert.is_true(runner.memory.crashed)
  end)

  it("show what does make a difference", function()
    local times = 0
    local runner = new({ workflow("w", function(ctx)
      return ctx:step("count", function()
        times = times + 1
        return times > 1 and times < 4 and "more" or "one"
      end)
    end) })
    local message = raises("makes a difference:", runner.crash_everywhere, runner, function(one) one:run("w") end)
    assert.is_truthy(message:find("without: run w-1 of w: completed \"one\"", 1, true), message)
    raises("with a crash after event 1: ", runner.crash_everywhere, runner, function(one)
      assert(not one.options.crash_at, "bad luck")
    end)
  end)
end)

describe("the examples", function()
  it("have a spec each, for authors to copy", function()
    local listing <close> = assert(io.popen "ls workflows/*.lua")
    for path in listing:lines() do
      local name = path:match("([^/]+)%.lua$")
      local file = io.open(("spec/examples/%s_spec.lua"):format(name))
      assert(file, name .. " has none"):close()
    end
  end)
end)

describe("a runner called with a dot", function()
  it("says so, at the line of the spec", function()
    local runner = new { workflow("w", function() end) }
    for _, name in ipairs { "run", "start", "mock", "calls", "crash_everywhere", "replays" } do
      local function act() runner[name]("w") end
      local line = debug.getinfo(act, "S").linedefined
      raises(("testing_spec.lua:%d: call runner:%s with a colon"):format(line, name), act)
    end
  end)
end)

describe("the assertions", function()
  it("print the run", function()
    local runner = new { workflow("w", function() error(weir.fatal "no") end) }
    local result = runner:run("w")
    local message = raised(assert.completed, result)
    assert.is_truthy(message:find("run w-1 was to complete; it is failed with error: ", 1, true), message)
    assert.is_truthy(message:find("✗ w-1  w", 1, true), message)
    raises('run w-1 was to fail with "timeout"; it is failed', assert.failed_with, result, "timeout")
    raises("run w-1 was to be cancelled; it is failed", assert.cancelled, result)
    raises("was called", assert.called, runner, "w", 2)
    raises("takes the result of runner:run", assert.completed, {})
    assert.is_not.completed(result)
    assert.is_not.called(runner, "w", 2)
    assert.called(runner, "w")
  end)

  it("name the line of the spec that uses them wrongly", function()
    local result = new { workflow("w", function() end) }:run("w")
    local function here(act) raises(("testing_spec.lua:%d: "):format(debug.getinfo(act, "S").linedefined), act) end
    here(function() assert.completed(result.children.typo) end)
    here(function() assert.cancelled(nil) end)
    here(function() assert.failed_with(5, "timeout") end)
    here(function() assert.failed_with(result) end)
    here(function() assert.called(new { workflow("w", function() end) }, nil) end)
  end)

  it("leave the spies of luassert what they are", function()
    local s = spy.new(function() end)
    s(1)
    assert.spy(s).was.called(1)
    raises("Expected to be called", function() assert.spy(s).was.called(2) end)
  end)
end)

describe("golden journals", function()
  local path

  before_each(function() path = os.tmpname() os.remove(path) end)
  after_each(function() os.remove(path) end)

  local function source(body)
    local head = 'local weir = require "weir"\nreturn weir.workflow { id = "order", run = function(ctx, data)\n'
    return { ["order.lua"] = head .. body .. "\nend }" }
  end

  local BODY = [[
  ctx:step("reserve", function() return 1 end)
  local pay = ctx:spawn { id = "pay", workflow = "payment", timeout = "30s" }:settle()
  ctx:sleep "1h"
  if not pay.ok then error(pay.error) end
  return "done"]]

  local function runner_of(body)
    local runner = testing.new { files = source(body) }
    runner:mock("payment", "paid")
    return runner
  end

  it("are recorded, compared and replayed", function()
    local runner = runner_of(BODY)
    runner:run("order")
    runner:record(path)
    runner:record(path)
    assert.equal(1, runner:replays(path))
    assert.equal(1, runner_of("  -- moved down\n\n" .. BODY):replays(path))

    local other = runner_of(BODY)
    other:mock("payment", "twice")
    other:run("order")
    raises("WEIR_RECORD=1 records them anew", other.record, other, path)
  end)

  it("are replayed whatever came of the run, without executing anything", function()
    local runner = runner_of(BODY)
    runner:run("order")
    runner:mock("payment", weir.fatal "no money")
    runner:run("order")
    runner:mock("payment", testing.after("1h", "late"))
    runner:run("order")
    runner:cancel(runner:start("order"))
    runner:start("order")
    runner:record(path)
    local fresh = testing.new { files = source(BODY:gsub("return 1 end", 'error "executed" end')) }
    assert.equal(5, fresh:replays(path))
    assert.equal(0, #fresh.memory.order)
  end)

  it("fail where a run could not go on", function()
    local runner = runner_of(BODY)
    runner:run("order")
    runner:record(path)
    local function faults(sentence, body)
      local fresh = runner_of(body)
      raises(sentence, fresh.replays, fresh, path)
    end
    faults('run order-1 could not go on: operation "reserve" was step at order.lua:3 (bundle b1), now invoke of "x" at',
      BODY:gsub('ctx:step%("reserve", function%(%) return 1 end%)', 'ctx:invoke { id = "reserve", workflow = "x" }'))
    faults('the journal holds operation "reserve", step at order.lua:3, which was not asked for again',
      BODY:gsub("[^\n]*reserve[^\n]*\n", ""))
    faults('the code asked for operation "check" at order.lua:3', 'ctx:step("check", function() end)\n' .. BODY)
    faults("it does not come to its end: it waits for \"more\"",
      BODY:gsub('return "done"', 'ctx:sleep { id = "more", duration = 1 }'))
    local gone = testing.new { files = { ["x.lua"] = 'return require "weir".workflow { id = "x", run = print }' } }
    raises('there is no workflow "order" any more', gone.replays, gone, path)
    raises("there is no spec/none.json", gone.replays, gone, "spec/none.json")
    raises("nothing was run", gone.record, gone, path)
  end)

  it("hold graphs with their nodes", function()
    local definitions = { weir.graph { id = "g", nodes = {
      { key = "a", workflow = "leaf", data = { n = 1 } }, { key = "b", workflow = "leaf", depends_on = { "a" } },
    } }, workflow("leaf", function(ctx, data) return data.n or ctx.deps.a + 1 end) }
    local runner = new(definitions)
    assert.completed(runner:run("g"))
    runner:record(path)
    assert.equal(2, new(definitions):replays(path)) -- of those that have operations
    local more = {}
    for i = 1, 8 do more[i] = { key = "n" .. i, workflow = "leaf", data = { n = i } } end
    definitions[1] = weir.graph { id = "g", nodes = { { key = "a", workflow = "leaf", data = { n = 1 } },
      { key = "b", workflow = "leaf", depends_on = { "a" } }, table.unpack(more) } }
    local fresh = new(definitions)
    local message = raises('it does not come to its end: it waits for "n1" at ', fresh.replays, fresh, path)
    assert.matches('"n5" at [^,]+ and 3 more$', message)
  end)

  it("hold the branches and the undo around an operation", function()
    local body = [[
      ctx:undo("book:1", function(ctx) ctx:invoke { id = "refund", workflow = "payment" } end)
      ctx:all { ["a:b"] = function(ctx)
        ctx:undo("hold", function(ctx) ctx:invoke { id = "free", workflow = "payment" } end)
      end, c = function(ctx) ctx:invoke { id = "pay", workflow = "payment" } end }
      error(require "weir".fatal "sold out")]]
    local runner = runner_of(body)
    assert.equal("failed", runner:run("order").state)
    runner:record(path)
    assert.equal(1, runner:replays(path))
    raises('the journal holds operation "all#1:c:pay"', function()
      runner_of((body:gsub("ctx:invoke { id = \"pay\"", "ctx:invoke { id = \"other\""))):replays(path)
    end)

    local seen = {}
    local shown = require("weir.json").decode(require("weir.record.record").json(runner.memory:read("order-1")))
    for _, operation in ipairs(shown.operations) do seen[operation.id] = operation end
    assert.same({ "all#1:c" }, seen["all#1:c:pay"].scope)
    assert.same({ nil, "book:1" }, { seen["undo:book:1:refund"].scope, seen["undo:book:1:refund"].undoes })
    assert.equal("all#1:a:b:hold", seen["undo:all#1:a:b:hold:free"].undoes)
  end)

  it("are also what weir show --json prints of one run", function()
    local runner = runner_of(BODY)
    runner:run("order")
    local file <close> = assert(io.open(path, "wb"))
    file:write(require("weir.record.record").json(runner.memory:read("order-1")))
    file:close()
    assert.equal(1, runner:replays(path))
  end)
end)
