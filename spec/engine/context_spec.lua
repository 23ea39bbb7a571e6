-- Every verb of ctx, run to its end in memory: what it returns, what it raises, what it refuses.
-- Each workflow runs twice, warm and replayed after every turn, and must come to the same.

local driver = require "spec.support.driver"
local json = require "weir.json"
local weir = require "weir"

local HOUR = 3600000

-- Workflows that the others invoke.
local children = {
  weir.workflow { id = "echo", run = function(_, data) return data end },
  weir.workflow { id = "double", run = function(_, data) return data.value * 2 end },
  weir.workflow { id = "nap", run = function(ctx, data)
    ctx:sleep(data.span)
    return data.name
  end },
  weir.workflow { id = "broken", run = function(_, data)
    local message = "no " .. (data.what or "stock")
    error(weir.error { code = "sold_out", message = message, details = data, retryable = false })
  end },
  weir.workflow { id = "strict", run = function() return "in" end,
    schema = { type = "object", required = { "n" }, properties = { n = { type = "integer" } } } },
}

local function with(run, fields)
  fields = fields or {}
  fields.id, fields.run = fields.id or "w", run
  local definitions = { weir.workflow(fields) }
  return table.move(children, 1, #children, 2, definitions)
end

-- Runs a workflow to its end in both ways; the last driver is returned too.
local function run(body, data, options)
  options = options or {}
  local views, made = {}, nil
  for i, always_replay in ipairs { false, true } do
    made = driver.new {
      workflows = with(body, options.fields), always_replay = always_replay, limits = options.limits,
      inlined = i == 1,
    }
    views[i] = made:run("w", data, { id = "r" })
    made:finish()
    assert.is_nil(made:fault())
  end
  assert.equal(views[1].state, views[2].state)
  assert.same(views[1].result, views[2].result)
  assert.same(views[1].error, views[2].error)
  return views[2], made
end

local function result(body, data, options)
  local view = run(body, data, options)
  if view.error then error(view.error.message .. "\n" .. (view.error.traceback or ""), 2) end
  assert.equal("completed", view.state)
  return view.result
end

local function failed(body, data, options)
  local view = run(body, data, options)
  assert.equal("failed", view.state)
  return view.error, view
end

-- The error that a call inside of a workflow raises.
local function raised(body, data, options)
  local caught
  run(function(ctx, given)
    local ok, err = pcall(body, ctx, given)
    assert(not ok, "nothing was raised")
    caught = err
  end, data, options)
  return caught
end

local function here(text)
  assert.is_truthy(tostring(text):match("^spec/engine/context_spec%.lua:%d+: "), "without a place: " .. tostring(text))
  return (tostring(text):gsub("^spec/engine/context_spec%.lua:%d+: ", ""))
end

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

  it("ends the run with a failure that nobody catches, without another attempt", function()
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
    made:deploy { workflows = { weir.workflow { id = "far", run = function() return "away" end } } }
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
    assert.is_truthy(err.message:find('^operation "a" is there already, from spec/engine/context_spec.lua:%d+;'))
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

  it("is waited for when nobody awaits it", function()
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

  it("whose failure nobody awaits fails nothing", function()
    local view = run(function(ctx)
      ctx:spawn { id = "a", workflow = "broken" }
      return "done"
    end)
    assert.equal("done", view.result)
    assert.equal("failed", view.by_id.a.state)
  end)

  it("shows nothing of the run in its future", function()
    assert.equal("a future has no run; future:await() waits for its result, future:settle() also for its failure",
      here(raised(function(ctx) return ctx:spawn({ id = "a", workflow = "echo" }).run end)))
    assert.equal("call future:await with a colon",
      here(raised(function(ctx) ctx:spawn { id = "a", workflow = "echo" }.await() end)))
  end)
end)

describe("all", function()
  it("gives every result under its key", function()
    assert.same({ x = 4, y = "n" }, result(function(ctx)
      return ctx:all {
        x = ctx:spawn { workflow = "double", data = { value = 2 } },
        y = function(inner) return inner:invoke { id = "c", workflow = "nap", data = { span = 1, name = "n" } } end,
      }
    end))
  end)

  it("marks a list as one, and gives an object for nothing", function()
    assert.equal("[1,2]", json.encode(result(function(ctx)
      return ctx:all { function() return 1 end, function() return 2 end }
    end)))
    assert.equal("{}", json.encode(result(function(ctx) return ctx:all {} end)))
    assert.equal("[]", json.encode(result(function(ctx) return ctx:all(weir.array {}) end)))
    assert.equal("[]", json.encode(result(function(ctx) return ctx:settle(weir.array {}) end)))
  end)

  it("keeps the length of a list of which one returned nothing", function()
    assert.same({ 1, json.null, 3, json.null }, result(function(ctx)
      return ctx:all { function() return 1 end, ctx:spawn { id = "n", workflow = "echo", data = weir.null },
        function() return 3 end, function() end }
    end))
    assert.equal('[{"ok":true,"value":null},{"ok":true,"value":null}]', json.encode(result(function(ctx)
      return ctx:settle { function() end, ctx:spawn { id = "n", workflow = "echo", data = weir.null } }
    end)))
  end)

  it("raises the first failure and leaves the others going", function()
    local view = run(function(ctx)
      local slow = ctx:spawn { id = "slow", workflow = "nap", data = { span = "1m", name = "slow" } }
      local ok, err = pcall(ctx.all, ctx, { slow = slow, bad = ctx:spawn { id = "bad", workflow = "broken" } })
      local failed_at = ctx:now()
      return { ok, err.code, (slow:await()), ctx:now() - failed_at }
    end)
    assert.same({ false, "child_failed", "slow", 60.0 }, view.result)
  end)

  it("raises the first failure by time when it has passed already", function()
    assert.equal("second", result(function(ctx)
      local first = ctx:spawn { id = "a", workflow = "echo" }
      local late = function(inner) inner:sleep(2) error("first", 0) end
      local soon = function(inner) inner:sleep(1) error("second", 0) end
      first:await()
      local settled = ctx:settle { function(inner) return inner:all { late, soon } end }
      return settled[1].error.message
    end))
  end)

  it("takes one future under two keys", function()
    assert.same({ a = 2, b = 2 }, result(function(ctx)
      local future = ctx:spawn { workflow = "double", data = { value = 1 } }
      return ctx:all { a = future, b = future }
    end))
    assert.equal("cab", result(function(ctx)
      local future = ctx:spawn { workflow = "nap", data = { span = 1, name = "a" } }
      local settled = ctx:settle { b = future, c = future, later = function(inner)
        inner:sleep(2)
        return "c"
      end }
      return settled.later.value .. settled.b.value .. ctx:all({ future, future, function(inner)
        inner:sleep(1)
        return "b"
      end })[3]
    end))
  end)

  it("begins branches in the order of their keys, each in a scope of its own", function()
    local view = run(function(ctx)
      local order = {}
      local function branch(name)
        return function(inner)
          order[#order + 1] = name
          return inner:step("s", function() return name end)
        end
      end
      local results = ctx:all { b = branch "b", a = branch "a", [2] = branch "2", [1] = branch "1" }
      return { order, results.a }
    end)
    assert.same({ "1", "2", "a", "b" }, view.result[1])
    assert.equal("step", view.by_id["all#1:a:s"].kind)
    assert.equal("step", view.by_id["all#1:2:s"].kind)
  end)

  it("refuses what is no future and no function", function()
    assert.equal("ctx:all: [a] is a number, not a future or a function (ctx:spawn makes one)",
      here(raised(function(ctx) ctx:all { a = 5 } end)))
    assert.equal("ctx:settle takes a table of futures and functions", here(raised(function(ctx) ctx:settle(5) end)))
    assert.equal('ctx:race: the key "a/b" must not contain "/", which separates run ids',
      here(raised(function(ctx) ctx:race { ["a/b"] = function() end } end)))
  end)
end)

describe("settle", function()
  it("gives how each ended", function()
    local value = result(function(ctx)
      local settled = ctx:settle {
        good = ctx:spawn { workflow = "double", data = { value = 4 } },
        bad = ctx:spawn { workflow = "broken" },
        branch = function() error("of a branch", 0) end,
      }
      return { settled.good.ok, settled.good.value, settled.bad.ok, settled.bad.error.cause.code,
               settled.branch.error.message }
    end)
    assert.same({ true, 8, false, "sold_out", "of a branch" }, value)
  end)
end)

describe("race", function()
  local function naps(ctx)
    return ctx:spawn { id = "slow", workflow = "nap", data = { span = "1h", name = "slow" } },
      ctx:spawn { id = "fast", workflow = "nap", data = { span = "1s", name = "fast" } }
  end

  it("gives the first and its key, and cancels the losers", function()
    local view, made = run(function(ctx)
      local slow, fast = naps(ctx)
      local value, key = ctx:race { slow, fast }
      return { value, key }
    end)
    assert.same({ "fast", 2 }, view.result)
    assert.equal("cancelled", made:state("r/slow"))
    assert.equal("cancelled", view.by_id.slow.state)
    assert.equal(1000, view.finished_at - view.started_at)
  end)

  it("keeps the losers where that is asked", function()
    local view = run(function(ctx)
      local slow, fast = naps(ctx)
      local value = ctx:race({ slow, fast }, { losers = "keep" })
      return { value, (slow:await()) }
    end)
    assert.same({ "fast", "slow" }, view.result)
    assert.equal(HOUR, view.finished_at - view.started_at)
  end)

  it("raises when the first to finish failed", function()
    local err = raised(function(ctx)
      ctx:race { ctx:spawn { id = "slow", workflow = "nap", data = { span = "1h" } }, function() error("lost", 0) end }
    end)
    assert.equal("lost", err.message)
  end)

  it("raises cancelled in a branch that lost, which may clean up", function()
    local view = run(function(ctx)
      local cleaned
      local value = ctx:race {
        fast = function(inner) inner:sleep("1s") return "fast" end,
        slow = function(inner)
          local _, err = pcall(inner.sleep, inner, "1h")
          cleaned = inner:step("clean", function() return err.code end)
        end,
      }
      ctx:sleep("1s")
      return { value, cleaned }
    end)
    assert.same({ "fast", "cancelled" }, view.result)
  end)

  it("ends with its winner, and the run with it, whatever a loser waits for", function()
    local view, made = run(function(ctx)
      local slow = ctx:spawn { id = "slow", workflow = "nap", data = { span = "1h" } }
      local value = ctx:race {
        clock = function(inner) inner:sleep "1s" return "late" end,
        one = function() return slow:await() end,
        two = function(inner) return inner:all { function() return slow:await() end } end,
      }
      return { value, (ctx:step("after", function() return "went on" end)) }
    end)
    assert.same({ "late", "went on" }, view.result)
    assert.equal("cancelled", made:state("r/slow"))
    assert.equal(1000, view.finished_at - view.started_at)
  end)

  it("leaves what a loser waited for to those who await it later", function()
    local view = run(function(ctx)
      local slow = ctx:spawn { id = "slow", workflow = "nap", data = { span = "5s", name = "slow" } }
      local reminders = 0
      while true do
        local value, key = ctx:race {
          answer = function() return slow:await() end, clock = function(inner) inner:sleep "2s" end,
        }
        if key == "answer" then return { value, reminders } end
        reminders = reminders + 1
      end
    end)
    assert.same({ "slow", 2 }, view.result)
  end)

  it("leaves what a loser waited for alone where losers are kept", function()
    local view = run(function(ctx)
      local slow = ctx:spawn { id = "slow", workflow = "nap", data = { span = "1h", name = "slow" } }
      return (ctx:race({ function(inner) inner:sleep "1s" return "late" end, function() return slow:await() end },
        { losers = "keep" }))
    end)
    assert.equal("late", view.result)
    assert.equal(HOUR, view.finished_at - view.started_at)
    assert.equal("completed", view.by_id.slow.state)
  end)

  it("ends a loser that was about to go on, or to begin", function()
    local view = run(function(ctx)
      local went_on = {}
      local shared = ctx:spawn { id = "s", workflow = "nap", data = { span = "1s", name = "s" } }
      local function loser(inner)
        shared:await()
        went_on[#went_on + 1] = "woken"
        inner:sleep("1h")
      end
      ctx:race { shared, loser }
      ctx:race { shared, function() went_on[#went_on + 1] = "begun" end }
      return went_on[1] or "none"
    end)
    assert.equal("none", view.result)
    assert.equal(1000, view.finished_at - view.started_at)
  end)

  it("takes what has finished before: the one that was first", function()
    assert.equal("fast", result(function(ctx)
      local slow, fast = naps(ctx)
      fast:await()
      return (ctx:race { slow, fast })
    end))
  end)

  it("refuses mistakes", function()
    assert.equal("ctx:race needs at least one future or function", here(raised(function(ctx) ctx:race {} end)))
    assert.equal('ctx:race: losers is "cancel" or "keep"', here(raised(function(ctx)
      ctx:race({ function() end }, { losers = "kill" })
    end)))
  end)
end)

describe("step", function()
  it("runs once and returns what it returned, also nothing", function()
    local ran = 0
    assert.same({ 5, "nil", 1 }, result(function(ctx)
      local value = ctx:step("a", function() return 5 end)
      local nothing = ctx:step("b", function() end)
      local once = ctx:step("c", function()
        ran = ran + 1
        return (ran - 1) % 2 + 1 -- both ways of running it count here
      end)
      return { value, type(nothing), ran > 0 and 1 or once }
    end))
    assert.equal(2, ran)
  end)

  it("is told its attempt, its key and its deadline", function()
    local keys = {}
    local view = run(function(ctx)
      return ctx:step { id = "a", timeout = "10s", retry = { attempts = 3, delay = "1s", jitter = false },
        run = function(about)
          keys[#keys + 1] = about.key
          if about.attempt < 3 then error("again") end
          return { about.attempt, about.key, about.deadline_ms }
        end }
    end)
    assert.same({ 3, "r:a", 1790000000000 + 3000 + 10000 }, view.result)
    for _, key in ipairs(keys) do assert.equal("r:a", key) end
    assert.equal(3, view.by_id.a.attempts)
    assert.equal(3000, view.finished_at - view.started_at)
  end)

  it("fails when its retries are used up, catchable, remembered", function()
    local tries = 0
    local view = run(function(ctx)
      local list = {}
      local ok, err = pcall(ctx.step, ctx, { id = "a", retry = { attempts = 2, delay = 1 }, run = function()
        tries = tries + 1
        error("try", 0)
      end })
      list[1], list[2], list[3], list[4] = ok, err.code, err.message, err.operation
      return list
    end)
    assert.same({ false, "error", "try", "a" }, view.result)
    assert.equal(4, tries)
    assert.equal("failed", view.by_id.a.state)
  end)

  it("uses the workflow's retry, counted apart from the run's attempts", function()
    local tries = 0
    local err, view = failed(function(ctx)
      ctx:step("a", function()
        tries = tries + 1
        error("try", 0)
      end)
    end, nil, { fields = { retry = { attempts = 4, delay = "1s", backoff = "fixed", jitter = false } } })
    assert.equal(8, tries)
    assert.equal(1, view.attempt)
    assert.equal("a", err.operation)
    assert.equal(3000, view.finished_at - view.started_at)
  end)

  it("honours retryable and retry_after, and no field that was tampered with", function()
    local tries = 0
    local view = run(function(ctx)
      local _, first = pcall(ctx.step, ctx, "a", function() error(weir.fatal("never")) end)
      ctx:step { id = "b", retry = { delay = 1 }, run = function(about)
        tries = tries + 1
        if about.attempt == 1 then error(weir.error { code = "busy", retry_after = "1m" }) end
      end }
      ctx:step { id = "c", retry = { delay = 0 }, run = function(about)
        local err = weir.error { code = "busy" }
        err.retry_after_ms = ({ "soon", 1.5 })[about.attempt]
        if about.attempt < 3 then error(err) end
      end }
      return first.message
    end)
    assert.equal("never", view.result)
    assert.equal(1, view.by_id.a.attempts)
    assert.equal(60000, view.finished_at - view.started_at)
  end)

  it("waits a hundred years at most, whatever retry_after_ms was tampered to", function()
    local view = run(function(ctx)
      ctx:step { id = "a", retry = { attempts = 2, delay = 0 }, run = function(about)
        local err = weir.error { code = "busy" }
        err.retry_after_ms = math.maxinteger
        if about.attempt == 1 then error(err) end
      end }
    end)
    assert.equal("completed", view.state)
    assert.equal(36525 * 86400000, view.finished_at - view.started_at)
  end)

  it("times out by the try, and is tried again", function()
    local made
    made = driver.new { workflows = with(function(ctx)
      return ctx:step { id = "a", timeout = "1s", retry = { attempts = 2, delay = 1 }, run = function()
        made.host.overrun()
        return "late"
      end }
    end) }
    local view = made:run("w")
    assert.equal("timeout", view.error.code)
    assert.equal('step "a" timed out after 1s', view.error.message)
    assert.equal(2, view.by_id.a.attempts)
  end)

  it("at_most_once runs once, whatever comes of it", function()
    local tries = 0
    local view = run(function(ctx)
      local _, err = pcall(ctx.step, ctx, { id = "b", at_most_once = true, run = function()
        tries = tries + 1
        error("no", 0)
      end })
      return err.message
    end)
    assert.equal("no", view.result)
    assert.equal(2, tries) -- once in each way of running it
  end)

  it("at_most_once whose process died is interrupted", function()
    local ran, crashed = 0, false
    local made = driver.new { workflows = with(function(ctx)
      local ok, err = pcall(ctx.step, ctx, { id = "a", at_most_once = true, run = function() ran = ran + 1 end })
      return { ok, err and err.code, err and err.message, err and err.operation }
    end), on_event = function(self, id, applied)
      if ran == 1 and not applied and not crashed then
        crashed = true
        self:crash(id)
      end
    end }
    local view = made:run("w")
    assert.same({ false, "interrupted",
      'step "a" was interrupted; it may run at most once, and how far it came is unknown', "a" }, view.result)
    assert.equal(1, ran)
  end)

  it("whose process died before its outcome was recorded runs again", function()
    local ran, crashed = 0, false
    local made = driver.new { workflows = with(function(ctx)
      return ctx:step("a", function()
        ran = ran + 1
        return ran
      end)
    end), on_event = function(self, id, applied)
      if not applied and not crashed then
        crashed = true
        self:crash(id)
      end
    end }
    assert.equal(2, made:run("w").result)
  end)

  it("backs off across a crash: the tries are counted on", function()
    local tries, made = {}, nil
    made = driver.new { workflows = with(function(ctx)
      return ctx:step { id = "a", retry = { attempts = 3, delay = "1m", jitter = false, backoff = "fixed" },
        run = function(about)
          tries[#tries + 1] = ("%d@%d"):format(about.attempt, made.now - 1790000000000)
          error("no", 0)
        end }
    end) }
    made:start("w", nil, { id = "r" })
    made:advance(30000)
    made:crash("r")
    made:advance(40000)
    made:crash("r")
    made:finish()
    assert.same({ "1@0", "2@60000", "3@120000" }, tries)
  end)

  it("refuses ctx inside, by name, and leaves no trace of it", function()
    local list = {}
    local draws = result(function(ctx)
      local drawn = { ctx:random(1000000) }
      ctx:step("a", function()
        for _, verb in ipairs {
          "invoke", "spawn", "step", "sleep", "now", "random", "uuid", "all", "race", "settle",
        } do
          local _, err = pcall(ctx[verb], ctx, {})
          list[#list + 1] = here(err)
        end
      end)
      drawn[2] = ctx:random(1000000) -- the second, live and replayed
      return drawn
    end)
    assert.equal('ctx:invoke cannot be called inside step "a"', list[1])
    assert.equal('ctx:random cannot be called inside step "a"', list[6])
    assert.equal(20, #list)
    assert.not_equal(draws[1], draws[2])
  end)

  it("cannot be left by a yield", function()
    local made = driver.new { always_replay = true, files = { ["w.lua"] = [[
      local weir = require "weir"
      return weir.workflow { id = "w", run = function(ctx)
        local next_one = coroutine.wrap(function()
          local refused = ctx:step("a", function()
            local inner = coroutine.wrap(function() coroutine.yield "inner" end)
            return { inner(), coroutine.isyieldable(), select(2, pcall(coroutine.yield, "out")) }
          end)
          coroutine.yield(refused)
        end)
        local refused = next_one()
        local opens = pcall(io.open, "/dev/null")
        return { refused, opens }
      end }]] } }
    local refused, opens = table.unpack(made:run("w").result)
    assert.same({ "inner", false }, { refused[1], refused[2] })
    assert.matches("coroutine.yield would leave the ctx:step", refused[3], 1, true)
    assert.is_false(opens)
  end)

  it("closes what it has set as its output", function()
    local path = os.tmpname()
    local made = driver.new { files = { ["w.lua"] = ([[
      local weir = require "weir"
      return weir.workflow { id = "w", run = function(ctx)
        ctx:step("a", function() io.output(%q) io.write "written" end)
        return ctx:step("b", function() return io.open(%q):read("a") end)
      end }]]):format(path, path) } }
    assert.equal("written", made:run("w").result)
    os.remove(path)
  end)

  it("shows nothing of weir's own in ctx and futures", function()
    local made = driver.new { files = { ["w.lua"] = [[
      local weir = require "weir"
      return weir.workflow { id = "w", run = function(ctx)
        local future = ctx:spawn { id = "c", workflow = "c" }
        return ctx:step("a", function()
          return { pcall(next, ctx), pcall(pairs, ctx), pcall(next, future), (pcall(pairs, future)) }
        end)
      end }]], ["c.lua"] = 'return require("weir").workflow { id = "c", run = function() end }' } }
    assert.same({ false, false, false, false }, made:run("w").result)
  end)

  it("that returns nothing, or null, gives nil; within tables null stays", function()
    assert.same({ "nil", "nil", "nil", true }, result(function(ctx)
      return {
        type(ctx:step("a", function() end)), type(ctx:step("b", function() return weir.null end)),
        type((ctx:invoke { id = "c", workflow = "echo", data = weir.null })),
        ctx:step("d", function() return { x = weir.null } end).x == weir.null,
      }
    end))
    local undone
    run(function(ctx)
      ctx:step { id = "u", run = function() end, undo = function(value) undone = type(value) end }
      error(weir.fatal "no")
    end)
    assert.equal("nil", undone)
  end)

  it("that returns several values fails at once and says so, as do a child, a branch and a workflow", function()
    local several = "%s returned 2 values, and only one can be kept: put a call in parentheses to keep its first value,"
      .. " or return a table"
    local err, view = failed(function(ctx) ctx:step("s", function() return 1, 2 end) end)
    assert.equal(several:format 'step "s"', err.message)
    assert.equal(1, view.by_id.s.attempts)
    err, view = failed(function() return nil, "not found" end)
    assert.equal(several:format 'workflow "w"', err.message)
    assert.equal(1, view.attempt)
    err = failed(function(ctx) ctx:all { a = function() return "x", "y" end } end)
    assert.equal(several:format 'branch "a"', err.message)
    err = failed(function(ctx) return ctx:race { a = function() return "x" end } end)
    assert.equal(several:format 'workflow "w"', err.message)
  end)

  it("may return what an invoke returns, or nothing after its value", function()
    assert.equal(2, result(function(ctx) return ctx:invoke { workflow = "double", data = { value = 1 } } end))
    assert.same({ 2 }, result(function(ctx)
      return ctx:all { function(inner) return inner:invoke { workflow = "double", data = { value = 1 } } end }
    end))
    assert.equal(5, result(function(ctx) return ctx:step("s", function() return 5, nil end) end))
  end)

  it("whose result holds a future says to await it", function()
    local err = failed(function(ctx) return { ctx:spawn { workflow = "echo" } } end)
    assert.equal("the result cannot be written as JSON: at [1]: a future cannot be JSON: await it", err.message)
    err = failed(function() return { [{}] = 1 } end)
    assert.equal("the result cannot be written as JSON: a key of type table cannot be JSON", err.message)
  end)

  it("whose result is no JSON, or too large, fails", function()
    local err = failed(function(ctx) ctx:step { id = "a", run = function() return print end } end)
    assert.equal("payload_invalid", err.code)
    assert.is_truthy(err.message:find('^result of step "a" cannot be written as JSON'))
    err = failed(function(ctx) ctx:step { id = "a", run = function() return ("x"):rep(99) end } end, nil,
      { limits = { payload_bytes = 50, depth = 64 } })
    assert.equal("payload_too_large", err.code)
  end)

  it("needs an id or takes a number, and a function", function()
    assert.equal("ctx:step takes an id and a function", here(raised(function(ctx) ctx:step("a") end)))
    assert.equal('ctx:step: unknown field "tiemout"; did you mean "timeout"?',
      here(raised(function(ctx) ctx:step { run = print, tiemout = 5 } end)))
  end)
end)

describe("sleep", function()
  it("takes its time, also till an instant", function()
    local view = run(function(ctx)
      ctx:sleep("1500ms")
      ctx:sleep(0.25)
      ctx:sleep { id = "till", until_ms = 1790000005000.0 }
      ctx:sleep { until_ms = 5 }
      return ctx:now()
    end)
    assert.equal(1790000005.0, view.result)
    assert.equal(5000, view.finished_at - view.started_at)
    assert.equal('{"duration_ms":1500}', view.by_id["sleep#1"].arguments)
  end)

  it("refuses mistakes at the author's line", function()
    for text, given in pairs {
      ["ctx:sleep takes a duration or until_ms"] = {},
      ["ctx:sleep: until_ms is an integer of milliseconds"] = { until_ms = "5" },
      ['ctx:sleep: unknown field "till"; it has duration, id, until_ms'] = { till = 5 },
    } do
      assert.equal(text, here(raised(function(ctx) ctx:sleep(given) end)))
    end
    assert.is_truthy(here(raised(function(ctx) ctx:sleep(-1) end)):find("cannot be negative"))
  end)
end)

describe("now, random and uuid", function()
  it("are the same on every replay, apart in each scope", function()
    local value = result(function(ctx)
      local list = { ctx:random(1 << 30), ctx:uuid(), ctx:now() }
      ctx:sleep("1s")
      list[4], list[5], list[6] = ctx:random(1 << 30), ctx:uuid(), ctx:now()
      ctx:all { function(inner)
        inner:sleep("1s")
        list[7], list[8] = inner:random(1 << 30), inner:uuid()
      end }
      return list
    end)
    assert.equal(1790000000.0, value[3])
    assert.equal(1790000001.0, value[6])
    assert.not_equal(value[1], value[4])
    assert.not_equal(value[4], value[7])
    assert.not_equal(value[2], value[8])
  end)

  it("are os.time, os.clock and math.random of the sandbox", function()
    local function source(code)
      return { ["w.lua"] = 'local weir = require "weir"\nreturn weir.workflow { id = "w", run = function(ctx)\n'
        .. code .. "\nend }" }
    end
    local values = {}
    for i, always_replay in ipairs { false, true } do
      values[i] = driver.new { always_replay = always_replay, files = source [[
        local list = { os.time(), math.random(1 << 30) }
        ctx:sleep("90s")
        list[3], list[4], list[5] = os.time(), math.random(1 << 30), os.date("!%H:%M", os.time())
        return list]] }:run("w")
    end
    assert.is_nil(values[1].error and values[1].error.message)
    assert.same(values[1].result, values[2].result)
    assert.equal(1790000000, values[1].result[1])
    assert.equal(1790000090, values[1].result[3])
  end)
end)

describe("log", function()
  it("says everything once, however often it is replayed", function()
    local made = driver.new { always_replay = true, workflows = with(function(ctx)
      ctx.log:info("begun", { n = 1 })
      ctx:step("a", function() ctx.log:debug("inside") end)
      ctx.log:warn("between")
      ctx:sleep("1s")
      ctx.log:error("after")
    end) }
    made:run("w", nil, { id = "r" })
    local lines = {}
    for i, line in ipairs(made.logs) do lines[i] = line.level .. " " .. line.text end
    assert.same({ "info begun", "debug inside", "warn between", "error after" }, lines)
    assert.equal('{"n":1}', made.logs[1].fields)
    assert.equal("r", made.logs[1].run)
  end)

  it("takes print, in a run that is replayed as in one that is not", function()
    for _, always_replay in ipairs { false, true } do
      local made = driver.new { always_replay = always_replay, files = { ["w.lua"] = [[
        local weir = require "weir"
        return weir.workflow { id = "w", run = function(ctx)
          print("one", 1)
          ctx:sleep(1)
          print("two")
        end }]] } }
      made:run("w")
      assert.same({ "one\t1", "two" }, { made.logs[1].text, made.logs[2].text })
      assert.equal(2, #made.logs)
    end
  end)
end)

describe("ctx", function()
  it("says about the run", function()
    local value = result(function(ctx)
      return { ctx.run.id, ctx.run.workflow, ctx.run.attempt, ctx.run.root, ctx.run.depth, ctx.run.created_at,
               ctx.run.parent == nil }
    end)
    assert.same({ "r", "w", 1, "r", 0, 1790000000000, true }, value)
  end)

  it("says what is meant by names that it has not", function()
    assert.equal("ctx has no call; did you mean invoke?", here(raised(function(ctx) ctx:call {} end)))
    assert.equal("ctx has no activity; did you mean step?", here(raised(function(ctx) ctx:activity {} end)))
    assert.equal('name the level: ctx.log:info("…"), or debug, warn, error',
      here(raised(function(ctx) ctx:log("hi") end)))
    assert.equal('ctx.run: unknown field "name"; it has attempt, bundle, created_at, depth, id, parent, root, workflow',
      here(raised(function(ctx) return ctx.run.name end)))
    assert.equal('ctx.run: unknown field "workflo"; did you mean "workflow"?',
      here(raised(function(ctx) return ctx.run.workflo end)))
    local err = failed(function(data) return data.name end, { name = "ada" })
    assert.equal("ctx has no name; run gets (ctx, data): the data comes second", here(err.message))
  end)

  it("is not asked again by another attempt when it was misused", function()
    for _, usage_error in ipairs {
      function(ctx) ctx:step(function() end) end,
      function(ctx) ctx:nosuch() end,
      function(ctx) ctx.state = 1 end,
      function(ctx) ctx:invoke { workflow = "echo", timeout = {} } end,
      function(ctx) return ctx:spawn({ workflow = "echo" }).x end,
      function(ctx) ctx:step("s", function() ctx:sleep(1) end) end,
      function(ctx) return ctx.deps end,
      function() error(weir.error { cod = "typo" }) end,
      function() error(weir.fatal {}) end,
      function(ctx) table.sort({ 2, 1 }, function() ctx:sleep(1) end) end,
    } do
      local view = run(usage_error)
      assert.equal("failed", view.state)
      assert.equal(1, view.attempt)
      for _, operation in ipairs(view.operations) do assert.equal(1, operation.attempts or 1) end
    end
  end)

  it("refuses to be written, and verbs that it has not", function()
    assert.equal("ctx.state cannot be written: what must last belongs into a step's result",
      here(raised(function(ctx) ctx.state = 1 end)))
    assert.equal("ctx has no slep; did you mean sleep?", here(raised(function(ctx) ctx:slep(1) end)))
    assert.equal("ctx:parallel is not there yet", here(raised(function(ctx) ctx:parallel {} end)))
  end)

  it("of another run cannot be used", function()
    local other
    local made = driver.new { inlined = false, workflows = with(function(ctx, data)
      if data.first then
        other = ctx
        ctx:sleep("1h")
        return
      end
      return here(select(2, pcall(other.sleep, other, 1)))
    end) }
    made:start("w", { first = true }, { id = "a" })
    made:settle()
    assert.equal("ctx:sleep cannot be called from outside of its run", made:run("w", {}, { id = "b" }).result)
  end)
end)

describe("a wait", function()
  it("works inside of pcall, closing values and coroutines of the author", function()
    local made = {}
    for i, always_replay in ipairs { false, true } do
      made[i] = driver.new { always_replay = always_replay, files = { ["w.lua"] = [[
        local weir = require "weir"
        local echo = weir.workflow { id = "echo", run = function(_, data) return data end }
        return { echo, weir.workflow { id = "w", run = function(ctx)
          local list = {}
          do
            local guard <close> = setmetatable({}, { __close = function()
              list[1] = ctx:invoke { id = "closing", workflow = "echo", data = "closed" }
            end })
            pcall(function()
              ctx:sleep(1)
              error("x")
            end)
          end
          local each = coroutine.wrap(function()
            for i = 2, 3 do
              coroutine.yield(ctx:invoke { id = "in" .. i, workflow = "echo", data = i })
            end
          end)
          list[2] = each()
          list[3] = each()
          return list
        end } }]] } }
      local view = made[i]:run("w")
      assert.is_nil(view.error and view.error.message)
      assert.same({ "closed", 2, 3 }, view.result)
    end
  end)

  it("names itself where Lua cannot suspend", function()
    local function texts(ctx)
      local list = {}
      local function try(name, call)
        local _, err = pcall(call)
        list[name] = tostring(err)
      end
      try("sort", function()
        table.sort({ 1, 2 }, function() ctx:sleep(1) return true end)
      end)
      try("gsub", function() string.gsub("a", "a", function() ctx:invoke { workflow = "echo" } end) end)
      try("tostring", function()
        tostring(setmetatable({}, { __tostring = function() ctx:step("s", function() end) return "" end }))
      end)
      return list
    end
    local value = result(texts)
    for name, verb in pairs { sort = "sleep", gsub = "invoke", tostring = "step" } do
      assert.is_truthy(value[name]:find("ctx:" .. verb .. " cannot wait here", 1, true), value[name])
    end
  end)

  it("in the midst of a failing body lets closing values clean up, durably", function()
    local err = failed(function(ctx)
      local guard <close> = setmetatable({}, { __close = function()
        ctx:step("undo", function() return "undone" end)
      end })
      assert(guard)
      error(weir.fatal("no use"))
    end)
    assert.equal("no use", err.message)
  end)
end)

describe("tag", function()
  local function tags_of(body, options)
    local _, made = run(body, nil, options)
    return json.decode(made.records.r.fields.tags)
  end

  it("gives the run a tag, or another one of the same key", function()
    assert.same({ stage = "two", n = "5", ok = "true", ["half"] = "0.5" }, tags_of(function(ctx)
      ctx:tag("stage", "one")
      ctx:tag("n", 5)
      ctx:sleep(1)
      ctx:tag("ok", true)
      ctx:tag("half", 0.5)
      ctx:tag("stage", "two")
    end))
  end)

  it("keeps those that the run was started with", function()
    local made = driver.new { workflows = with(function(ctx) ctx:tag("own", 1) end) }
    made:start("w", nil, { id = "r" })
    made.records.r.fields.tags = '{"shop":"berlin"}'
    made:settle()
    assert.same({ shop = "berlin", own = "1" }, json.decode(made.records.r.fields.tags))
  end)

  it("is not told by a log that another run has left behind", function()
    local made = driver.new { files = { ["w.lua"] = [[
      local weir = require "weir"
      local kept
      return weir.workflow { id = "w", run = function(ctx)
        kept = kept or ctx.log
        return { pcall(kept.info, kept, "mine?") }
      end }]] } }
    assert.same({ true }, made:run("w").result)
    local second = made:run("w").result
    assert.is_false(second[1])
    assert.matches("ctx.log:info cannot be called from outside of its run", second[2].message or second[2], 1, true)
  end)

  it("is silent on replay, and when nothing is new", function()
    for _, always_replay in ipairs { false, true } do
      local changes = 0
      local made = driver.new { always_replay = always_replay, history = true, workflows = with(function(ctx)
        ctx:tag("stage", "one")
        ctx:sleep(1)
        ctx:tag("stage", "two")
        ctx:tag("stage", "two")
        ctx:sleep(1)
        ctx:sleep(1)
      end) }
      made:run("w", nil, { id = "r" })
      local before
      for _, fields in ipairs(made.records.r.history) do
        if fields.tags ~= before then changes = changes + 1 end
        before = fields.tags
      end
      assert.equal(2, changes)
    end
  end)

  it("refuses what is no tag", function()
    assert.equal("ctx:tag: key is empty", here(raised(function(ctx) ctx:tag("", 1) end)))
    assert.equal('ctx:tag: value of "k" must be text, a number or a boolean, not a table',
      here(raised(function(ctx) ctx:tag("k", {}) end)))
    assert.equal('ctx:tag: value of "k" has 1025 bytes; 1024 are allowed',
      here(raised(function(ctx) ctx:tag("k", ("x"):rep(1025)) end)))
    assert.equal('ctx:tag: "k101" is one too many; a run has 100 tags at most', here(raised(function(ctx)
      for i = 1, 101 do ctx:tag("k" .. i, i) end
    end)))
    assert.equal('ctx:tag cannot be called inside step "s"', here(raised(function(ctx)
      ctx:step { id = "s", retry = { attempts = 1 }, run = function() ctx:tag("k", 1) end }
    end)))
  end)
end)
