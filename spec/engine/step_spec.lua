-- ctx:step, run to its end in memory: its tries, its errors, and refusals of mistakes.

local driver = require "spec.support.driver"
local verbs = require "spec.support.verbs"
local weir = require "weir"

local failed, here, raised = verbs.failed, verbs.here, verbs.raised
local result, run, with = verbs.result, verbs.run, verbs.with

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
    assert.same({ 3, "r/a", 1790000000000 + 3000 + 10000 }, view.result)
    for _, key in ipairs(keys) do assert.equal("r/a", key) end
    assert.equal(3, view.by_id.a.attempts)
    assert.equal(3000, view.finished_at - view.started_at)
  end)

  it("has a key that no step of another run has", function()
    local keys = {}
    for run_id, id in pairs { ["a:b"] = "c", a = "b:c" } do
      local made = driver.new { workflows = with(function(ctx)
        return ctx:step(id, function(about) return about.key end)
      end) }
      keys[#keys + 1] = made:run("w", nil, { id = run_id }).result
    end
    assert.are_not.equal(keys[1], keys[2])
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
