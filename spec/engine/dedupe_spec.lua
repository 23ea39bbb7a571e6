-- Operations for which an earlier run stands: what the workflow sees of that, warm and replayed alike.

local plan = require "weir.reset.plan"
local driver = require "spec.support.driver"
local weir = require "weir"

local MINUTE = 60000

local work = weir.workflow {
  id = "work",
  run = function(ctx, data)
    ctx:sleep(data.span or "1m")
    if data.fail then error(weir.fatal("no")) end
    return { by = ctx.run.id }
  end,
}

local function asks(options)
  return function(ctx, data)
    local result, info = ctx:invoke {
      id = "c", workflow = "work", data = data, timeout = options.timeout,
      dedupe = { key = "k", within = options.within },
    }
    return { result = result, id = info.id }
  end
end

-- Calls `act` with a driver that keeps coroutines, and with one that replays every turn.
local function both(definitions, act)
  for _, always_replay in ipairs { false, true } do
    local workflows = { work }
    table.move(definitions, 1, #definitions, 2, workflows)
    act(driver.new { workflows = workflows, always_replay = always_replay })
  end
end

describe("dedupe", function()
  it("gives all that ask with the key the result of one run", function()
    both({ weir.workflow { id = "w", run = asks {} } }, function(made)
      made:start("w", {}, { id = "p" })
      made:settle()
      made:start("w", {}, { id = "q" })
      local q = made:finish "q"
      assert.same({ result = { by = "p/c" }, id = "p/c" }, q.result)
      assert.same({ result = { by = "p/c" }, id = "p/c" }, made:finish("p").result)
      assert.is_nil(made:state "q/c")
      made:start("w", {}, { id = "late" })
      assert.equal("p/c", made:finish("late").result.id)
      assert.is_nil(made:fault())
    end)
  end)

  it("starts another when the time is over, an hour unless told otherwise", function()
    both({ weir.workflow { id = "w", run = asks {} }, weir.workflow { id = "short", run = asks { within = "2m" } } },
      function(made)
        made:run("w", {}, { id = "p" })
        made:advance(58 * MINUTE)
        assert.equal("p/c", made:run("w", {}, { id = "q" }).result.id)
        made:advance(MINUTE)
        assert.equal("r/c", made:run("short", {}, { id = "r" }).result.id)
        made:advance(MINUTE)
        assert.equal("s/c", made:run("short", {}, { id = "s" }).result.id)
      end)
  end)

  it("hands on the failure of the run it waits for", function()
    both({ weir.workflow { id = "w", run = asks {} } }, function(made)
      made:start("w", { fail = true }, { id = "p" })
      made:settle()
      local q = made:run("w", {}, { id = "q" })
      assert.same({ "failed", "child_failed", "no" }, { q.state, q.error.code, q.error.cause.message })
      assert.equal("r/c", made:run("w", {}, { id = "r" }).result.id)
    end)
  end)

  it("ends a wait by its own timeout, and lets the other run go on", function()
    both({ weir.workflow { id = "w", run = asks {} }, weir.workflow { id = "hasty", run = asks { timeout = "10s" } } },
      function(made)
        made:start("w", {}, { id = "p" })
        made:settle()
        local q = made:run("hasty", {}, { id = "q" })
        assert.same({ "failed", "timeout" }, { q.state, q.error.code })
        assert.equal("completed", made:finish("p").state)
        assert.is_nil(made:fault())
      end)
  end)

  it("ends a wait by a cancel, and lets the other run go on", function()
    both({ weir.workflow { id = "w", run = asks {} } }, function(made)
      made:start("w", {}, { id = "p" })
      made:settle()
      made:start("w", {}, { id = "q" })
      made:settle()
      made:cancel "q"
      local q = made:finish "q"
      assert.same({ "cancelled", "cancelled" }, { q.state, q.by_id.c.state })
      assert.equal("completed", made:finish("p").state)
      assert.is_nil(made:fault())
    end)
  end)

  it("asks anew when a run is retried that got the failure of another", function()
    both({ weir.workflow { id = "w", run = asks {} } }, function(made)
      made:start("w", { fail = true }, { id = "p" })
      made:settle()
      made:run("w", {}, { id = "q" })
      made:retry("q", "unhandled")
      assert.same({ result = { by = "q/c" }, id = "q/c" }, made:finish("q").result)
      assert.is_nil(made:fault())
    end)
  end)

  it("lets the run itself begin again when it is retried, and all in its parent that it stands for", function()
    local fixed
    local flaky = weir.workflow { id = "flaky", retry = { attempts = 1 }, run = function(ctx)
      ctx:sleep "1s"
      return fixed and ctx.run.id or error(weir.fatal("no"))
    end }
    local twice = weir.workflow { id = "twice", retry = { attempts = 1 }, run = function(ctx)
      local function ask(id) return ctx:spawn { id = id, workflow = "flaky", dedupe = { key = "k" } } end
      return ctx:all { ask "one", ask "two" }
    end }
    both({ flaky, twice }, function(made)
      fixed = false
      made:start("twice", {}, { id = "p" })
      assert.equal("failed", made:finish("p").state)
      fixed = true
      local planned = assert(plan.of(function(id) return made:read(id) end, "p/one", {}))
      assert.equal("one\ttwo", planned[1].child)
      made:retry("p", planned[1].reset .. "\t" .. planned[1].child, "p/one", planned[2].reset)
      assert.same({ "p/one", "p/one" }, made:finish("p").result)
      assert.is_nil(made:state "p/two")
    end)
  end)

  it("waits again when a run is retried that was cut off while it waited", function()
    both({ weir.workflow { id = "w", run = asks {} } }, function(made)
      made:start("w", {}, { id = "p" })
      made:settle()
      made:start("w", {}, { id = "q" })
      made:settle()
      made:cancel("q", "stop", true)
      made:settle()
      assert.equal("cancelled", made:state "q")
      made:retry("q", "unhandled")
      assert.equal("p/c", made:finish("q").result.id)
      assert.is_nil(made:state "q/c")
      assert.is_nil(made:fault())
    end)
  end)

  it("refuses to wait for itself", function()
    local own = weir.workflow { id = "own", run = function(ctx, data)
      return ctx:invoke { id = "c", workflow = "own", data = data, dedupe = { key = "k" } }
    end }
    both({ own }, function(made)
      local run = made:run("own", {})
      assert.equal("failed", run.state)
      assert.truthy(tostring(run.error.message):find("neither could ever end: ", 1, true), run.error.message)
    end)
  end)

  -- Runs of it are known by `own`, and ask in a second for what is known by `asks`.
  local one = weir.workflow { id = "one", retry = { attempts = 1 }, run = function(ctx, data)
    ctx:sleep "1s"
    return data.asks and (ctx:invoke { id = "asked", workflow = "one", dedupe = { key = data.asks } }) or data.own
  end }
  local begin = weir.workflow { id = "begin", run = function(ctx, data)
    return (ctx:invoke { id = "x", workflow = "one", data = data, dedupe = { key = data.own } })
  end }

  it("refuses to close a circle of trees that wait for each other", function()
    both({ one, begin }, function(made)
      for i, id in ipairs { "a", "b", "c" } do
        made:start("begin", { own = id, asks = ("bca"):sub(i, i) }, { id = id })
      end
      local run = made:finish "c"
      assert.truthy(run.error.message:find("neither could ever end: c/x waits for a/x waits for b/x waits for c/x", 1,
        true), run.error.message)
      assert.same({ "failed", "failed" }, { made:finish("a").state, made:finish("b").state })
      assert.is_nil(made:fault())
    end)
  end)

  it("lets runs wait for the same one on two ways", function()
    local twice = weir.workflow { id = "twice", run = function(ctx)
      return ctx:all {
        ctx:spawn { id = "one", workflow = "one", dedupe = { key = "b" } },
        ctx:spawn { id = "two", workflow = "one", dedupe = { key = "c" } },
      }
    end }
    both({ one, begin, twice }, function(made)
      for _, id in ipairs { "b", "c" } do made:start("begin", { own = id, asks = "a" }, { id = id }) end
      made:start("begin", { own = "a" }, { id = "a" })
      made:start("twice", {}, { id = "d" })
      assert.same({ "a", "a" }, made:finish("d").result)
      assert.is_nil(made:fault())
    end)
  end)

  it("refuses to await a child again that has lived on, and waits for its run by now", function()
    local fixed
    local above = weir.workflow { id = "above", retry = { attempts = 1 }, run = function(ctx)
      if fixed then ctx:sleep { id = "meanwhile", duration = "2m" } end
      ctx:invoke { id = "x", workflow = "below", timeout = not fixed and "1s" or nil, on_timeout = "abandon" }
    end }
    local top = weir.workflow { id = "top", retry = { attempts = 1 }, run = function(ctx)
      return (ctx:invoke { id = "y", workflow = "above", dedupe = { key = "above" } })
    end }
    local below = weir.workflow { id = "below", retry = { attempts = 1 }, run = function(ctx)
      ctx:sleep "1m"
      return (ctx:invoke { id = "up", workflow = "above", dedupe = { key = "above" } })
    end }
    both({ above, top, below }, function(made)
      fixed = false
      made:start("top", {}, { id = "t" })
      made:advance(2000)
      assert.equal("failed", made:state "t")
      fixed = true
      made:retry("t", "unhandled", "t/y", "unhandled")
      made:finish()
      assert.same({ "refused", "failed" }, { made:view("t/y").by_id.x.state, made:view("t/y/x").by_id.up.state })
      assert.truthy(made:view("t/y").error.message:find("t/y waits for t/y/x waits for t/y", 1, true))
      assert.is_nil(made:fault())
    end)
  end)

  it("gives a detached invoke the id", function()
    local let_go = weir.workflow { id = "w", run = function(ctx)
      local ids = {}
      for i = 1, 2 do
        ids[i] = ctx:invoke { id = "c" .. i, workflow = "work", detached = true, dedupe = { key = "k" } }
      end
      return ids
    end }
    both({ let_go }, function(made)
      assert.same({ "p/c1", "p/c1" }, made:run("w", {}, { id = "p" }).result)
    end)
  end)

  it("refuses what is no dedupe, saying what one is", function()
    for options, fault in pairs {
      [{ 7 }] = 'dedupe: unknown field "1"; it has key, within', [{}] = "dedupe: key is missing",
      [{ key = "a\n" }] = "has a control character", [{ key = "k", within = "soon" }] = '"soon" is no duration',
    } do
      local run = driver.new { workflows = { work, weir.workflow { id = "w", retry = { attempts = 1 },
        run = function(ctx) return ctx:invoke { id = "c", workflow = "work", dedupe = options } end } } }:run("w")
      assert.truthy(run.error.message:find(fault, 1, true), run.error.message)
    end
  end)
end)
