-- ctx:all, ctx:settle, ctx:race, ctx:any and future:cancel, run to their ends in memory.

local json = require "weir.json"
local verbs = require "spec.support.verbs"
local weir = require "weir"

local here, raised, result, run = verbs.here, verbs.raised, verbs.result, verbs.run
local HOUR = 3600000

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

describe("any", function()
  it("gives the first that succeeds and its key, and cancels the others", function()
    local view, made = run(function(ctx)
      local value, key = ctx:any {
        bad = ctx:spawn { id = "bad", workflow = "broken" },
        slow = ctx:spawn { id = "slow", workflow = "nap", data = { span = "1h", name = "slow" } },
        good = function(inner)
          inner:sleep "1s"
          return "good"
        end,
      }
      return { value, key }
    end)
    assert.same({ "good", "good" }, view.result)
    assert.equal("cancelled", made:state "r/slow")
    assert.equal(1000, view.finished_at - view.started_at)
  end)

  it("takes what has succeeded before: the one that was first", function()
    assert.same({ "b", 2 }, result(function(ctx)
      local a = ctx:spawn { id = "a", workflow = "nap", data = { span = 2, name = "a" } }
      local b = ctx:spawn { id = "b", workflow = "nap", data = { span = 1, name = "b" } }
      local bad = ctx:spawn { id = "bad", workflow = "broken" }
      ctx:settle { a, b, bad }
      local value, key = ctx:any { a, b, bad }
      return { value, key }
    end))
  end)

  it("gives nil for nothing, and keeps the losers where that is asked", function()
    assert.same({ "nil", 1, "slow" }, result(function(ctx)
      local slow = ctx:spawn { id = "slow", workflow = "nap", data = { span = "1s", name = "slow" } }
      local value, key = ctx:any({ function() end, slow }, { losers = "keep" })
      return { type(value), key, (slow:await()) }
    end))
  end)

  it("raises every failure if none succeeds", function()
    local err = raised(function(ctx)
      ctx:any { a = ctx:spawn { id = "bad", workflow = "broken", data = { what = "milk" } },
                b = function() error(weir.error { code = "mine", message = "no b", retryable = false }) end }
    end)
    assert.equal("all_failed", err.code)
    assert.equal("ctx:any: none of 2 succeeded: a: Child execution failed: no milk; b: no b", err.message)
    assert.same({ "child_failed", "bad", "mine" },
      { err.details.a.code, err.details.a.operation, err.details.b.code })
    assert.equal("child_failed", err.cause.code)
    assert.is_false(err.retryable)
  end)

  it("lets its run try again where a failure is one of the code", function()
    local view = run(function(ctx)
      local value = ctx:any { function(inner)
        if inner.run.attempt == 1 then error "flaky" end
        return "went well"
      end }
      return value
    end)
    assert.same({ 2, "went well" }, { view.attempt, view.result })
    assert.equal(1, run(function(ctx) ctx:any { function() error(weir.fatal "no") end } end).attempt)
  end)

  it("refuses mistakes", function()
    assert.equal("ctx:any needs at least one future or function", here(raised(function(ctx) ctx:any {} end)))
    assert.equal('ctx:any: losers is "cancel" or "keep"',
      here(raised(function(ctx) ctx:any({ function() end }, { losers = "kill" }) end)))
    assert.equal("ctx:any: [1] is a number, not a future or a function (ctx:spawn makes one)",
      here(raised(function(ctx) ctx:any { 1 } end)))
  end)
end)

describe("cancel", function()
  it("ends the child of a future, and the run goes on", function()
    local view, made = run(function(ctx)
      local slow = ctx:spawn { id = "slow", workflow = "nap", data = { span = "1h", name = "slow" } }
      ctx:sleep "1s"
      slow:cancel()
      slow:cancel()
      return "went on"
    end)
    assert.equal("went on", view.result)
    assert.equal("cancelled", made:state "r/slow")
    assert.equal("cancelled: it was cancelled by future:cancel", made:view "r/slow".error.message)
    assert.equal(1000, view.finished_at - view.started_at)
  end)

  it("leaves an outcome to be awaited", function()
    assert.same({ "child_failed", "cancelled", "fast" }, result(function(ctx)
      local slow = ctx:spawn { id = "slow", workflow = "nap", data = { span = "1h", name = "slow" } }
      local fast = ctx:spawn { id = "fast", workflow = "nap", data = { span = "1s", name = "fast" } }
      ctx:sleep "2s"
      slow:cancel()
      fast:cancel()
      local ended = slow:settle()
      return { ended.error.code, ended.error.cause.code, (fast:await()) }
    end))
  end)

  it("is no failure that a retry of the run repeats, nor one to warn of", function()
    local texts = {}
    local view, made = run(function(ctx)
      local slow = ctx:spawn { id = "slow", workflow = "nap", data = { span = "1h", name = "slow" } }
      ctx:sleep "1s"
      slow:cancel()
      error(weir.fatal "stop")
    end)
    for _, line in ipairs(made.log or {}) do texts[#texts + 1] = line.text end
    assert.equal("failed", view.state)
    assert.equal("\t", made.records.r.fields.redo)
    assert.is_nil(table.concat(texts):find "not awaited")
  end)

  it("refuses mistakes", function()
    assert.equal("call future:cancel with a colon",
      here(raised(function(ctx) ctx:spawn { id = "a", workflow = "echo" }.cancel() end)))
  end)
end)
