-- ctx:invoke and ctx:spawn, run to their ends in memory: results, errors, timeouts, and refusals of mistakes.

local driver = require "spec.support.driver"
local json = require "weir.json"
local verbs = require "spec.support.verbs"
local weir = require "weir"

local failed, here, raised = verbs.failed, verbs.here, verbs.raised
local result, run, with = verbs.result, verbs.run, verbs.with

describe("invoke", function()
  it("returns what the child returned, and about it", function()
    local value = result(function(ctx)
      local doubled, info = ctx:invoke { id = "a", workflow = "double", data = { value = 21 } }
      return { doubled, info.id, info.attempts, info.finished_at >= info.started_at }
    end)
    assert.same({ 42, "r/a", 1, true }, value)
  end)

  it("tells when a child was asked for, in a replay as before", function()
    local value = result(function(ctx)
      ctx:sleep "1s"
      local _, one = ctx:invoke { id = "one", workflow = "nap", data = { span = "1s" } }
      local _, two = ctx:invoke { id = "two", workflow = "nap", data = { span = "1s" }, timeout = "1d" }
      ctx:sleep "1s"
      return { one.finished_at - one.started_at, two.started_at - one.finished_at }
    end, nil, { fields = { retry = { attempts = 1 } } })
    assert.same({ 1000, 0 }, value)
  end)

  it("without data gives an empty object, without an id a numbered one", function()
    local view = run(function(ctx)
      return { ctx:invoke { workflow = "echo" }, (ctx:invoke { workflow = "double", data = { value = 1 } }) }
    end)
    assert.equal("{}", json.encode(view.result[1]))
    assert.equal(2, view.result[2])
    assert.equal("invoke", view.by_id["invoke#1"].kind)
    assert.equal("double", view.by_id["invoke#2"].subject)
  end)

  it("raises child_failed with the child's own error, whole", function()
    local err = raised(function(ctx) ctx:invoke { id = "a", workflow = "broken", data = { what = "tea" } } end)
    assert.equal("child_failed", err.code)
    assert.equal("Child execution failed: no tea", err.message)
    assert.equal("a", err.operation)
    assert.equal("broken", err.workflow)
    assert.is_true(err:is("sold_out"))
    assert.equal("r/a", err.cause.run)
    assert.same({ what = "tea" }, err.cause.details)
  end)

  it("raises the same failure at every await", function()
    local errors = result(function(ctx)
      local future, list = ctx:spawn { id = "a", workflow = "broken" }, {}
      for i = 1, 3 do
        local _, err = pcall(future.await, future)
        list[i] = err.code .. ":" .. err.cause.code
      end
      return list
    end)
    assert.same({ "child_failed:sold_out", "child_failed:sold_out", "child_failed:sold_out" }, errors)
  end)

  it("ends the run with an uncaught failure, without another attempt", function()
    local err, view = failed(function(ctx) ctx:invoke { id = "a", workflow = "broken" } end)
    assert.equal("child_failed", err.code)
    assert.equal(1, view.attempt)
  end)

  it("times out at once, tells the child, and waits for it before the run ends", function()
    local view, made = run(function(ctx)
      local began = ctx:now()
      local _, err = pcall(ctx.invoke, ctx, { id = "a", workflow = "nap", data = { span = "1h" }, timeout = "2s" })
      return { err.code, err.message, err.operation, ctx:now() - began }
    end)
    assert.same({ "timeout", 'invoke "a" timed out after 2s', "a", 2.0 }, view.result)
    assert.equal("timeout", view.by_id.a.state)
    assert.equal("cancelled", made:state("r/a"))
    assert.is_true(made.records["r/a"].finished_at <= made.records.r.finished_at)
  end)

  it("counts the timeout from its record, the child's queueing and retries included", function()
    local view = run(function(ctx)
      return ctx:spawn { id = "a", workflow = "nap", data = { span = "1s" }, delay = "3s", timeout = "2s" }:settle()
    end)
    assert.equal("timeout", view.result.error.code)
    assert.equal(2000, view.by_id.a.finished_at - view.by_id.a.started_at)
  end)

  it("lets go of the child where on_timeout says abandon", function()
    local made = driver.new { workflows = with(function(ctx)
      local settled = ctx:spawn {
        id = "a", workflow = "nap", data = { span = "1h", name = "n" }, timeout = "2s", on_timeout = "abandon",
      }:settle()
      return settled.error.code
    end) }
    local view = made:run("w", nil, { id = "r" })
    assert.equal("timeout", view.result)
    assert.equal("waiting", made:state("r/a"))
    made:finish()
    assert.equal("completed", made:state("r/a"))
  end)

  it("takes what the child returned when that was recorded first", function()
    local made = driver.new { inlined = false, workflows = with(function(ctx)
      return ctx:invoke { id = "a", workflow = "nap", data = { span = "2s", name = "n" }, timeout = "2s" }
    end) }
    local view = made:run("w", nil, { id = "r" })
    assert.is_truthy(view.state == "completed" or view.error.code == "timeout")
    assert.is_nil(made:fault())
  end)

  it("gives the child its retry, queue, priority and delay", function()
    local attempts = 0
    local made = driver.new { workflows = {
      weir.workflow { id = "w", run = function(ctx)
        local settled = ctx:spawn { id = "a", workflow = "flaky", delay = "10s", priority = 7, queue = "slow",
          retry = { attempts = 2, delay = "5s", jitter = false } }:settle()
        return settled.error.cause.message
      end },
      weir.workflow { id = "flaky", run = function()
        attempts = attempts + 1
        error("attempt " .. attempts, 0)
      end },
    } }
    local view = made:run("w", nil, { id = "r" })
    assert.equal("attempt 2", view.result)
    assert.equal(2, made.records["r/a"].attempt)
    assert.equal(7, made.records["r/a"].priority)
    assert.equal(15000, made.records["r/a"].finished_at - made.records["r/a"].created_at)
  end)

  it("of an unknown workflow names the nearest", function()
    local err = failed(function(ctx) ctx:invoke { id = "a", workflow = "dubble" } end)
    assert.equal("unknown_workflow", err.code)
    assert.equal('no workflow "dubble" (did you mean "double"?)', err.message)
    assert.equal("a", err.operation)
  end)

  it("of a workflow that another folder serves is let through", function()
    local made = driver.new { workflows = with(function(ctx) return ctx:invoke { id = "a", workflow = "far" } end) }
    made:deploy { folder = 2, workflows = { weir.workflow { id = "far", run = function() return "away" end } } }
    assert.equal("away", made:run("w").result)
  end)

  it("with data that breaks the schema starts nothing and names every violation", function()
    local view, made = run(function(ctx)
      return ctx:spawn { id = "a", workflow = "strict", data = { n = "x" } }:settle()
    end)
    assert.equal("invalid_data", view.result.error.code)
    assert.equal("a", view.result.error.operation)
    assert.equal(1, #view.result.error.details)
    assert.is_nil(made.records["r/a"])
    assert.equal("refused", view.by_id.a.state)
  end)

  it("deeper than the limit is refused, the chain printed", function()
    local made = driver.new { limits = { payload_bytes = 1000, depth = 3 }, workflows = { weir.workflow {
      id = "w", run = function(ctx) return ctx:invoke { id = "a", workflow = "w" } end,
    } } }
    local err = made:run("w", nil, { id = "r" }).error
    assert.is_true(err:is("too_deep"))
    while err.cause do err = err.cause end
    assert.equal("invoking w goes deeper than 3 runs: w > w > w > w", err.message)
    assert.equal(4, #made.order)
    assert.is_true(#made.told < 100)
  end)

  it("detached returns the child's id, and neither waits nor ends with it", function()
    local made = driver.new { workflows = with(function(ctx)
      return ctx:invoke { id = "a", workflow = "nap", data = { span = "1h" }, detached = true,
        decode = function() error("not for an id") end }
    end) }
    assert.equal("r/a", made:run("w", nil, { id = "r" }).result)
    made:settle()
    assert.equal("waiting", made:state("r/a"))
    made:finish()
    assert.equal("completed", made:state("r/a"))
  end)

  it("encodes and decodes with the author's own functions", function()
    local value = result(function(ctx)
      return ctx:invoke { id = "a", workflow = "echo", data = { 1, 2 },
        encode = function(data) return ('{"sum":%d}'):format(data[1] + data[2]) end,
        decode = function(text) return text .. "!" end }
    end)
    assert.equal('{"sum":3}!', value)
  end)

  it("refuses what encode must not return", function()
    local function coded(encode)
      return raised(function(ctx) ctx:invoke { id = "a", workflow = "echo", encode = encode } end)
    end
    assert.equal("payload_invalid", coded(function() return "{" end).code)
    assert.equal('encode of "a" must return JSON text: it is a nil', coded(function() end).message)
    assert.equal("a", coded(function() return 5 end).operation)
  end)

  it("raises payload_invalid when decode fails, every time", function()
    local errors = result(function(ctx)
      local future = ctx:spawn { id = "a", workflow = "echo", decode = function() error("no", 0) end }
      return { future:settle().error.message, future:settle().error.code }
    end)
    assert.same({ 'decode of "a" failed: no', "payload_invalid" }, errors)
  end)

  it("refuses data that is no JSON, or too large", function()
    local limits = { payload_bytes = 100, depth = 64 }
    local function refused(data)
      return raised(function(ctx) ctx:invoke { id = "a", workflow = "echo", data = data } end, nil, { limits = limits })
    end
    assert.equal("payload_invalid", refused({ print }).code)
    assert.equal("payload_invalid", refused({ 0 / 0 }).code)
    local err = refused { ("x"):rep(200) }
    assert.equal("payload_too_large", err.code)
    assert.equal('data of "a" has 204 bytes as JSON; 100 are allowed', err.message)
  end)

  it("refuses mistakes at the author's line", function()
    local function mistake(options)
      return here(raised(function(ctx) ctx:invoke(options) end))
    end
    assert.equal("ctx:invoke takes a table: ctx:invoke{ id = …, workflow = …, data = … }", mistake("echo"))
    assert.equal('ctx:invoke: unknown field "worklow"; did you mean "workflow"?', mistake { worklow = "echo" })
    assert.equal("ctx:invoke: workflow is missing", mistake {})
    assert.equal('ctx:invoke: id "a/b" must not contain "/", which separates run ids',
      mistake { id = "a/b", workflow = "echo" })
    assert.equal('ctx:invoke: on_timeout is "cancel" or "abandon"', mistake { workflow = "echo", on_timeout = "x" })
    assert.is_truthy(mistake { workflow = "echo", timeout = "soon" }:find("^ctx:invoke: timeout: "))
    assert.is_truthy(mistake { workflow = "echo", retry = { attempts = 0 } }:find("^ctx:invoke: retry%.attempts"))
    for _, priority in ipairs { 101, "5", 1.5, true, {} } do
      assert.equal("ctx:invoke: priority must be an integer from -100 to 100",
        mistake { workflow = "echo", priority = priority })
    end
    assert.is_truthy(mistake { workflow = "echo", queue = 5 }:find("^ctx:invoke: queue must be text"))
    assert.is_truthy(mistake { workflow = "echo", queue = "a,b" }:find("several queues"))
    assert.equal("call ctx:invoke with a colon", here(raised(function(ctx) ctx.invoke { workflow = "echo" } end)))
  end)

  it("takes a priority that JSON made a float", function()
    assert.equal(1, result(function(ctx)
      return ctx:invoke { id = "a", workflow = "echo", data = 1, priority = 5.0 }
    end))
  end)

  it("refuses an id that is there already, and no attempt follows", function()
    local err, view = failed(function(ctx)
      ctx:invoke { id = "a", workflow = "echo" }
      ctx:step("a", function() end)
    end)
    assert.equal("duplicate_id", err.code)
    assert.is_truthy(err.message:find('^operation "a" is there already, from spec/engine/invoke_spec.lua:%d+;'))
    assert.equal(1, view.attempt)
  end)
end)

describe("spawn", function()
  it("starts side by side what it starts", function()
    local view = run(function(ctx)
      local a = ctx:spawn { id = "a", workflow = "nap", data = { span = "2s", name = "a" } }
      local b = ctx:spawn { id = "b", workflow = "nap", data = { span = "1s", name = "b" } }
      return { (a:await()), (b:await()) }
    end)
    assert.same({ "a", "b" }, view.result)
    assert.equal(2000, view.finished_at - view.started_at)
    assert.equal(1, view.by_id.b.number)
  end)

  it("is waited for when no branch awaits it", function()
    local view, made = run(function(ctx)
      ctx:spawn { id = "a", workflow = "nap", data = { span = "1m", name = "a" } }
      return "done"
    end)
    assert.equal("done", view.result)
    assert.equal("completed", made:state("r/a"))
    assert.equal(60000, view.finished_at - view.started_at)
  end)

  it("whose failure is not awaited leaves a warning, once", function()
    local function warnings(body, options)
      local made = driver.new { workflows = with(body, options) }
      local view, texts = made:run("w"), {}
      for i, line in ipairs(made.logs) do texts[i] = line.level .. " " .. line.text end
      return texts, view
    end
    local texts, view = warnings(function(ctx)
      ctx:spawn { id = "b", workflow = "broken" }
      ctx:spawn { id = "n", workflow = "nosuch" }
      ctx:spawn { id = "seen", workflow = "broken" }:settle()
      ctx:race { ctx:spawn { id = "lost", workflow = "nap", data = { span = "1h" } }, function() end }
    end)
    assert.equal("completed", view.state)
    assert.equal(2, #texts)
    assert.matches('^warn child "b" %(broken%) failed and was not awaited: ', texts[1])
    assert.matches('^warn child "n" %(nosuch%) failed and was not awaited: no workflow "nosuch"', texts[2])
    texts = warnings(function(ctx)
      ctx:spawn { id = "b", workflow = "broken" }
      ctx:spawn { id = "n", workflow = "nap", data = { span = "1h" } }
      ctx:sleep "1s"
      error("no", 0)
    end, { retry = { attempts = 1 } })
    assert.equal(1, #texts)
    assert.matches('^warn child "b"', texts[1])
  end)

  it("whose failure no branch awaits fails nothing", function()
    local view = run(function(ctx)
      ctx:spawn { id = "a", workflow = "broken" }
      return "done"
    end)
    assert.equal("done", view.result)
    assert.equal("failed", view.by_id.a.state)
  end)

  it("shows nothing of the run in its future", function()
    assert.equal("a future has no run; future:await() waits for its result, future:settle() also for its failure, "
      .. "future:cancel() ends it",
      here(raised(function(ctx) return ctx:spawn({ id = "a", workflow = "echo" }).run end)))
    assert.equal("call future:await with a colon",
      here(raised(function(ctx) ctx:spawn { id = "a", workflow = "echo" }.await() end)))
  end)
end)
