-- A run that ended begins again: what is reset, what is kept, and what the children do.

local driver = require "spec.support.driver"
local modes = require "spec.support.modes"
local select_reset = require "weir.reset.select"
local weir = require "weir"

local workflow = driver.workflow

-- Counts acts outside of all runs, as the outside world would see them.
local done, broken

local function act(name)
  done[name] = (done[name] or 0) + 1
end

-- Does a step of its own, then fails for as long as its name is among the broken.
local flaky = workflow("flaky", function(ctx, data)
  ctx:step("before", function() act(data.name .. " before") end)
  return ctx:step { id = "work", retry = { attempts = 1 }, run = function()
    act(data.name)
    if broken[data.name] then error("broken " .. data.name) end
    return data.name
  end }
end, { retry = { attempts = 1 } })

local long = workflow("long", function(ctx) ctx:sleep "1h" end)

-- Plays on a run "r" of workflow "w" with this body, in each mode.
local function each_mode(body, play, fields)
  modes.each({ flaky, long, workflow("w", body, fields) }, play, function() done, broken = {}, {} end)
end

local function child(ctx, name, data)
  return ctx:spawn { id = name, workflow = "flaky", data = data or { name = name } }
end

describe("a retry by the rule", function()
  it("resets the failure that ended the run; its child goes on with its own journal", function()
    each_mode(function(ctx)
      local a = child(ctx, "a"):await()
      return { a, (child(ctx, "b"):await()) }
    end, function(made)
      broken.b = true
      local view = made:finish("r")
      assert.equal("failed", view.state)
      broken = {}
      made:retry("r", "unhandled")
      view = made:finish("r")
      assert.same({ "a", "b" }, view.result)
      assert.same({ ["a before"] = 1, a = 1, ["b before"] = 1, b = 2 }, done)
      assert.equal(2, view.attempt)
      assert.equal("completed", made:state("r/b"))
      assert.is_nil(made.records["r/b~2"])
    end)
  end)

  it("keeps a failure that was caught and led to something", function()
    local fixed
    each_mode(function(ctx)
      local a = child(ctx, "a"):settle()
      local b = not a.ok and ctx:step("fallback", function()
        act("fallback")
        return "b"
      end)
      if not fixed then error("a bug") end
      return b
    end, function(made)
      broken.a, fixed = true, false
      assert.equal("a bug", made:finish("r").error.message:match("a bug"))
      broken, fixed = {}, true
      made:retry("r", "unhandled")
      assert.equal("b", made:finish("r").result)
      assert.same({ ["a before"] = 1, a = 1, fallback = 1 }, done)
    end, { retry = { attempts = 1 } })
  end)

  it("resets a failure that came first and was awaited last", function()
    each_mode(function(ctx)
      local a, b = child(ctx, "a"), child(ctx, "b")
      ctx:sleep("1s")
      local value = b:await()
      ctx:step("between", function() act("between") end)
      return { a:await(), value }
    end, function(made)
      broken.a = true
      assert.equal("failed", made:finish("r").state)
      broken = {}
      made:retry("r", "unhandled")
      assert.same({ "a", "b" }, made:finish("r").result)
      assert.equal(2, done.a)
      assert.equal(1, done.between)
      assert.equal(1, done.b)
    end)
  end)

  it("looks at the branch that got the failure, and at those around it", function()
    each_mode(function(ctx)
      return ctx:all {
        one = function(c) return child(c, "a"):await() end,
        two = function(c)
          c:sleep("1s")
          c:step("late", function() act("late") end)
          return "two"
        end,
      }
    end, function(made)
      broken.a = true
      assert.equal("failed", made:finish("r").state)
      broken = {}
      made:retry("r", "unhandled")
      assert.same({ one = "a", two = "two" }, made:finish("r").result)
      assert.equal(2, done.a)
    end)
  end)

  it("leaves what a race passed over", function()
    local fixed
    each_mode(function(ctx)
      local first = ctx:race { slow = function(c)
        c:sleep("1h")
        act("slow")
      end, a = child(ctx, "a") }
      if not fixed then error("a bug") end
      return first
    end, function(made)
      fixed = false
      assert.equal("failed", made:finish("r").state)
      fixed = true
      made:retry("r", "unhandled")
      assert.equal("a", made:finish("r").result)
      assert.same({ ["a before"] = 1, a = 1 }, done)
    end, { retry = { attempts = 1 } })
  end)

  it("does again the children that were cancelled only because the run was ending", function()
    each_mode(function(ctx)
      local slow = ctx:spawn { id = "slow", workflow = "w", data = { span = "1h" } }
      local a = child(ctx, "a"):await()
      return { a, (slow:await()) }
    end, function(made)
      made:deploy { workflows = { flaky, workflow("w", function(ctx)
        local slow = ctx:spawn { id = "slow", workflow = "sleeper" }
        local a = child(ctx, "a"):await()
        return { a, (slow:await()) }
      end), workflow("sleeper", function(ctx)
        ctx:step("first", function() act("first") end)
        ctx:sleep("1h")
        return "slept"
      end) } }
      broken.a = true
      assert.equal("failed", made:finish("r").state)
      assert.equal("cancelled", made:state("r/slow"))
      broken = {}
      made:retry("r", "unhandled")
      assert.same({ "a", "slept" }, made:finish("r").result)
      assert.equal(1, done.first)
    end)
  end)

  it("resets the run's own cancel, and what it did to clean up", function()
    each_mode(function(ctx)
      local ok, err = pcall(ctx.sleep, ctx, { id = "nap", duration = "1h" })
      if not ok then
        ctx:step("clean", function() act("clean") end)
        error(err)
      end
      return "woken"
    end, function(made)
      made:settle()
      made:advance(1000)
      made:cancel("r")
      made:advance(1000)
      assert.equal("cancelled", made:state("r"))
      made:retry("r", "unhandled")
      local again = made.now
      local view = made:finish("r")
      assert.equal("woken", view.result)
      assert.equal(3600000, view.finished_at - again) -- all timers count from the retry
      assert.equal(1, done.clean)
      made:start("w", {}, { id = "r2" })
      assert.is_nil(view.by_id.clean)
    end)
  end)

  it("counts attempts and the timeout from the retry", function()
    each_mode(function(ctx)
      ctx:sleep("10s")
      act("attempt")
      error("always")
    end, function(made)
      assert.equal("failed", made:finish("r").state)
      assert.equal(2, done.attempt)
      made:retry("r", "unhandled")
      local view = made:finish("r")
      assert.equal("always", view.error.message:match("always"))
      assert.equal(4, done.attempt)
      assert.equal(4, view.attempt)
    end, { retry = { attempts = 2, delay = "1s" }, timeout = "1m" })
  end)

  it("begins a new generation of a child that is asked something else", function()
    local asked
    each_mode(function(ctx)
      return child(ctx, "a", { name = asked }):await()
    end, function(made)
      asked, broken.x = "x", true
      assert.equal("failed", made:finish("r").state)
      asked = "y"
      made:retry("r", "unhandled")
      assert.equal("y", made:finish("r").result)
      assert.equal("failed", made:state("r/a"))
      assert.equal("completed", made:state("r/a~2"))
      assert.equal(2, made:view("r").by_id.a.generation)
    end)
  end)

  it("ends all generations of a child when the run is cancelled before it knows which", function()
    local asked
    each_mode(function(ctx)
      ctx:spawn { id = "a", workflow = "flaky", data = { name = asked } }
      ctx:sleep("1h")
    end, function(made)
      made:deploy { workflows = { workflow("flaky", function(ctx) ctx:sleep("1d") end), workflow("w", function(ctx)
        ctx:spawn { id = "a", workflow = "flaky", data = { name = asked } }
        ctx:sleep("1h")
      end) } }
      for generation, name in ipairs { "x", "y", "y" } do
        asked = name
        if generation > 1 then made:retry("r", "unhandled") end
        made:advance(1000)
        made:cancel("r")
        made:advance(1000)
        assert.equal("cancelled", made:state("r"))
      end
      assert.equal("cancelled", made:state("r/a"))
      assert.equal("cancelled", made:state("r/a~2"))
      assert.is_nil(made.records["r/a~3"])
    end)
  end)

  it("survives a crash at any event", function()
    local function body(ctx)
      local a = child(ctx, "a")
      local b = child(ctx, "b"):settle()
      return { a:await(), b.ok }
    end
    for crash_at = 1, 60 do
      done, broken = {}, { a = true }
      local made = driver.new { workflows = { flaky, workflow("w", body) }, inlined = false, crash_at = crash_at }
      made:start("w", {}, { id = "r" })
      assert.equal("failed", made:finish("r").state)
      broken = {}
      made:retry("r", "unhandled")
      assert.same({ "a", true }, made:finish("r").result)
    end
  end)

  it("loses no cancel that comes before the run has begun again", function()
    for _, termination in ipairs { false, true } do
      each_mode(function(ctx)
        ctx:sleep "1s"
        return child(ctx, "a"):await()
      end, function(made)
        made:settle()
        made:cancel("r")
        assert.equal("cancelled", made:finish("r").state)
        made:retry("r", "unhandled")
        made:cancel("r", nil, termination)
        assert.equal("cancelled", made:finish("r").state)
        made:retry("r", "unhandled")
        assert.equal("a", made:finish("r").result)
      end)
    end
  end)

  it("resets a refusal, too, that was recorded with the run's end", function()
    local asked
    each_mode(function(ctx)
      if not asked then ctx:sleep "1h" end
      return child(ctx, "a"):await()
    end, function(made)
      asked = false
      made:settle()
      made:cancel("r")
      made:finish("r")
      asked = true
      made:retry("r", "unhandled")
      made:cancel("r")
      assert.equal("cancelled", made:finish("r").state)
      assert.equal("refused", made:view("r").by_id.a.state)
      made:retry("r", "unhandled")
      assert.equal("a", made:finish("r").result)
    end)
  end)

  it("loses no crashes in the turn in which the run begins again", function()
    each_mode(function(ctx) return child(ctx, "a"):await() end, function(made)
      broken.a = true
      assert.equal("failed", made:finish("r").state)
      made:retry("r", "unhandled")
      for _ = 1, 5 do
        made:step()
        made:crash("r")
      end
      assert.equal("crash_loop", made:finish("r").error.code)
    end)
  end)

  it("keeps what a failure led to, should an attempt between fail before it comes there", function()
    local bug
    each_mode(function(ctx)
      if bug == "before" then error("before") end
      local a = child(ctx, "a"):settle()
      if bug == "between" then error("between") end
      local b = not a.ok and ctx:step("fallback", function()
        act("fallback")
        return "b"
      end)
      if bug then error("after") end
      return b
    end, function(made)
      broken.a, bug = true, "after"
      for _, at in ipairs { "before", "between" } do
        assert.equal("failed", made:finish("r").state)
        bug = at
        made:retry("r", "unhandled")
      end
      assert.equal("failed", made:finish("r").state)
      bug, broken = nil, {}
      made:retry("r", "unhandled")
      assert.equal("b", made:finish("r").result)
      assert.same({ ["a before"] = 1, a = 1, fallback = 1 }, done)
    end, { retry = { attempts = 1 } })
  end)

  it("takes children that only attempts before began for no doing of this one", function()
    local newer
    each_mode(function(ctx)
      if newer then return child(ctx, "a"):await() end
      child(ctx, "old"):await()
      error "again"
    end, function(made)
      broken.a, newer = true, false
      made:advance(500)
      newer = true
      assert.equal("failed", made:finish("r").state)
      broken = {}
      made:retry("r", "unhandled")
      assert.equal("a", made:finish("r").result)
    end, { retry = { attempts = 2, delay = "1s" } })
  end)

  it("does not do such children again after a cancel", function()
    local newer
    each_mode(function(ctx)
      if newer then ctx:sleep { id = "nap", duration = "1h" } end
      local old = child(ctx, "old"):await()
      return newer and old or error "again"
    end, function(made)
      newer = false
      made:advance(500)
      newer = true
      made:advance(5000)
      made:cancel "r"
      assert.equal("cancelled", made:finish("r").state)
      made:retry("r", "unhandled")
      assert.equal("old", made:finish("r").result)
      assert.equal(1, done.old)
    end, { retry = { attempts = 2, delay = "1s" } })
  end)

  it("executes undone operations again, also when no code saw the end", function()
    local fixed
    each_mode(function(ctx)
      ctx:undo("x", function(own) own:sleep "1h" end)
      ctx:step { id = "book", run = function() act "book" end, undo = function() act "unbook" end }
      return fixed or error "a bug"
    end, function(made)
      fixed = false
      made:settle()
      made:drop "r"
      made:cancel("r", nil, true)
      made:finish "r"
      assert.equal(1, done.unbook)
      assert.is_nil(made.records.r.fields.redo)
      fixed = true
      made:retry("r", "unhandled")
      assert.is_true(made:finish("r").result)
      assert.equal(2, done.book)
    end, { retry = { attempts = 1 } })
  end)
end)

describe("a retry of more", function()
  local function body(ctx)
    local list = weir.array {}
    for _, name in ipairs { "a", "b", "c" } do list[#list + 1] = child(ctx, name):await() end
    return list
  end

  it("from an operation on: a new generation of it and of all that began after it", function()
    each_mode(body, function(made)
      assert.equal("completed", made:finish("r").state)
      made:retry("r", "from\tb")
      assert.same({ "a", "b", "c" }, made:finish("r").result)
      assert.equal(1, done.a)
      assert.equal(2, done.b)
      assert.equal(2, done.c)
      assert.equal("completed", made:state("r/b~2"))
      assert.is_nil(made.records["r/a~2"])
    end)
  end)

  it("from scratch", function()
    each_mode(body, function(made)
      assert.equal("completed", made:finish("r").state)
      made:retry("r", "all")
      made:finish("r")
      made:retry("r", "all")
      assert.same({ "a", "b", "c" }, made:finish("r").result)
      assert.equal(3, done.a)
      assert.equal("completed", made:state("r/a~3"))
      assert.equal("3", made.records.r.fields.generation)
    end)
  end)

  it("of a child: the runs above it begin again for it", function()
    each_mode(function(ctx)
      local a, b = child(ctx, "a"), child(ctx, "b")
      return { (a:await()), (b:await()) }
    end, function(made)
      broken.a = true
      assert.equal("failed", made:finish("r").state)
      broken = {}
      made:retry("r", "children\ta", "r/a", "all")
      assert.same({ "a", "b" }, made:finish("r").result)
      assert.equal(2, done["a before"])
      assert.equal(1, done["b before"])
    end)
  end)

  it("of a child does again what the run's end had ended or undone", function()
    each_mode(function(ctx)
      ctx:step { id = "book", run = function() act "book" end, undo = function() act "unbook" end }
      local slow = ctx:spawn { id = "slow", workflow = "w", data = { nap = true } }
      local b = child(ctx, "b"):settle()
      return { (child(ctx, "a"):await()), (slow:await()), b.ok }
    end, function(made)
      local run = made.bundles.b1.workflows.w.run
      made:deploy { workflows = { flaky, workflow("w", function(ctx, data)
        if not data.nap then return run(ctx, data) end
        ctx:sleep "1h"
        return "slept"
      end) } }
      broken.a, broken.b = true, true
      assert.equal("failed", made:finish("r").state)
      assert.equal("cancelled", made:state "r/slow")
      broken = {}
      made:retry("r", "children\ta", "r/a", "unhandled")
      assert.same({ "a", "slept", false }, made:finish("r").result)
      assert.same({ 2, 1, 2, 1 }, { done.book, done.unbook, done.a, done.b })
    end)
  end)

  it("of a child is over when the run ends before it has asked for it", function()
    each_mode(function(ctx)
      local a, b = child(ctx, "a"), child(ctx, "b")
      return { (a:await()), (b:await()) }
    end, function(made)
      broken.a = true
      made:finish "r"
      made:retry("r", "children\ta", "r/a", "all")
      made:cancel("r")
      assert.equal("cancelled", made:finish("r").state)
      broken = {}
      made:retry("r", "unhandled")
      assert.same({ "a", "b" }, made:finish("r").result)
      assert.equal(1, done["a before"])
    end)
  end)

  it("keeps to the generation that was begun when it is refused", function()
    local mode
    each_mode(function(ctx)
      if mode == "refused" then return ctx:invoke { id = "a", workflow = "nobody" } end
      if mode == "late" then ctx:sleep "1s" end
      return child(ctx, "a"):await()
    end, function(made)
      mode = nil
      made:finish "r"
      for generation, again in ipairs { "unhandled", "from\ta" } do
        mode = "refused"
        made:retry("r", "all")
        assert.equal("failed", made:finish("r").state)
        mode = "late"
        made:retry("r", again)
        assert.equal("a", made:finish("r").result)
        assert.equal(generation + 1, done.a)
      end
    end)
  end)

  it("is quick also for thousands of operations, when no code saw the end", function()
    local operations = {}
    for i = 1, 10000 do
      local id = "all#1:" .. i .. ":x"
      operations[i] = { id = id, scope = "all#1:" .. i .. "\t", kind = "invoke", number = i, after = 0, failed = true }
    end
    local began = os.clock()
    local _, ids = select_reset.choose({ operations = operations }, "unhandled")
    assert.equal(10000, #ids)
    assert.is_true(os.clock() - began < 1)
  end)

  it("without the journal having seen the end, takes no id with a colon for one of a branch, or of an undo", function()
    local marks = select_reset.choose({ operations = {
      { id = "charge:7", kind = "step", number = 1, after = 0, failed = true },
      { id = "refund", kind = "step", number = 2, after = 1 },
      { id = "undo:x:step", kind = "step", number = 3, after = 2 },
      { id = "x", kind = "step", number = 4, after = 2 },
      { id = "eu:pay", scope = "eu\t", kind = "step", number = 5, after = 4, failed = true },
      { id = "eu:west:pay", scope = "eu:west\t", kind = "step", number = 6, after = 5 },
      { id = "y", kind = "step", number = 7, after = 2 },
      { id = "undo:y:step", scope = "undo:y\n", kind = "step", number = 8, after = 2 },
    } }, "unhandled")
    assert.same({ ["eu:pay"] = "drop", ["undo:y:step"] = "drop", y = "drop" }, marks)
  end)

  it("without the journal having seen the end, goes by what began after", function()
    local marks, ids = select_reset.choose({ operations = {
      { id = "a", kind = "invoke", number = 1, after = 0, failed = true },
      { id = "b", kind = "step", number = 2, after = 1 },
      { id = "c", kind = "invoke", number = 3, after = 2, failed = true },
      { id = "d", kind = "sleep", after = 2 },
    } }, "unhandled")
    assert.same({ c = "reuse", d = "drop" }, marks)
    assert.same({ "d", "c" }, ids)
  end)

  it("of a graph: what failed, and anew what depends on it", function()
    local ended = { operations = {
      { id = "extract", kind = "invoke", number = 1, after = 0 },
      { id = "transform", kind = "invoke", number = 3, after = 1, failed = true },
      { id = "other", kind = "invoke", number = 2, after = 1 },
      { id = "report", kind = "invoke", number = 4, after = 3 },
    }, graph = { nodes = {
      { key = "extract" },
      { key = "transform", depends_on = { "extract" } },
      { key = "other", depends_on = { "extract" } },
      { key = "load", depends_on = { "transform" } },
      { key = "report", depends_on = { "load", "transform" } },
    } } }
    assert.same({ transform = "reuse", report = "restart" }, (select_reset.choose(ended, "unhandled")))
    assert.same({ other = "reuse" }, (select_reset.choose(ended, "children\tother")))
    assert.same({ extract = "restart", transform = "restart", other = "restart", report = "restart" },
      (select_reset.choose(ended, "from\textract")))
  end)
end)

describe("a child that was let go for another generation", function()
  it("is not ended by the time or the cancel of that", function()
    for _, how in ipairs { "timeout", "cancel" } do
      local generation
      each_mode(function(ctx)
        local first = generation == 1
        return (ctx:invoke { id = "c", workflow = "long", data = { generation = generation },
          timeout = first and "1s" or "1m",
          on_timeout = first and "abandon" or nil })
      end, function(made)
        generation = 1
        made:advance(2000)
        assert.equal("failed", made:state "r")
        generation = 2
        made:retry("r", "unhandled")
        made:advance(1000)
        if how == "cancel" then made:cancel "r" end
        assert.equal(how == "cancel" and "cancelled" or "failed", made:finish("r").state)
        assert.same({ "waiting", "cancelled" }, { made:state "r/c", made:state "r/c~2" })
        assert.equal("completed", made:finish("r/c").state)
      end, { retry = { attempts = 1 } })
    end
  end)
end)

describe("a cancel at once", function()
  it("ends a run whose clean-up takes its time, and all below it", function()
    local function body(ctx)
      ctx:spawn { id = "below", workflow = "below" }
      local ok, err = pcall(ctx.sleep, ctx, "1h")
      if not ok then
        ctx:sleep { id = "clean", duration = "30s" }
        act("cleaned")
        error(err)
      end
    end
    local below = workflow("below", function(ctx)
      local ok, err = pcall(ctx.sleep, ctx, "1h")
      if not ok then
        ctx:sleep { id = "clean", duration = "20s" }
        error(err)
      end
    end)
    for _, mode in ipairs(modes.ALL) do
      for _, first in ipairs { "asked before", "at once", "delivered" } do
        done = {}
        local made = modes.new(mode, { below, workflow("w", body) })
        made:start("w", {}, { id = "r" })
        made:advance(1000)
        if first ~= "at once" then made:cancel("r") end
        made:advance(first == "delivered" and 25000 or 1000)
        made:cancel("r", nil, true)
        made:settle()
        assert.equal("cancelled", made:state("r"))
        assert.equal("cancelled", made:state("r/below"))
        assert.is_nil(done.cleaned)
        assert.is_nil(made:fault())
        assert.equal("cancelled", made:view("r").error.code)
      end
    end
  end)

  it("takes along children whose time was over, also when the run is taken up again for it", function()
    local stubborn = workflow("stubborn", function(ctx)
      local ok, err = pcall(ctx.sleep, ctx, "1h")
      if ok then return end
      ctx:sleep { id = "clean", duration = "30s" }
      error(err)
    end)
    for _, on_timeout in ipairs { "cancel", "abandon" } do
      for _, mode in ipairs(modes.ALL) do
        for _, cold in ipairs { false, true } do
          local made = modes.new(mode, { stubborn, workflow("w", function(ctx)
            pcall(ctx.invoke, ctx, { id = "c", workflow = "stubborn", timeout = "1s", on_timeout = on_timeout })
            ctx:sleep "2h"
          end) })
          made:start("w", {}, { id = "r" })
          made:advance(2000)
          if cold then made:drop "r" end
          made:cancel("r", nil, true)
          made:settle()
          assert.equal("cancelled", made:state "r/c")
          assert.equal("cancelled", made:state "r")
          assert.is_nil(made:fault())
        end
      end
    end
  end)
end)
