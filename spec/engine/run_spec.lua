-- Attempts, cancels, ends: what becomes of a run and of all below it, in memory.

local bundle = require "weir.code.bundle"
local driver = require "spec.support.driver"
local failure = require "weir.base.failure"
local modes = require "spec.support.modes"
local weir = require "weir"

local workflow = driver.workflow

local each_mode, view_of = modes.each, modes.view_of
local careful, nap = modes.careful, modes.nap

describe("an attempt", function()
  it("that fails by its own code is followed by another, the journal kept", function()
    local ran = 0
    local view = view_of({ workflow("w", function(ctx)
      local value = ctx:step("once", function()
        ran = ran + 1
        return "kept"
      end)
      if ctx.run.attempt < 3 then error("attempt " .. ctx.run.attempt) end
      return value
    end, { retry = { delay = "1s", backoff = "linear", jitter = false } }) })
    assert.equal("kept", view.result)
    assert.equal(3, view.attempt)
    assert.equal(3000, view.finished_at - view.started_at)
    assert.equal(#modes.ALL, ran)
  end)

  it("is the last when all are used up: the run fails with its own file and line", function()
    local view = view_of({ workflow("w", function() error("boom") end, { retry = { attempts = 2, delay = 1 } }) })
    assert.equal("failed", view.state)
    assert.equal("error", view.error.code)
    assert.equal(2, view.attempt)
    assert.is_truthy(view.error.message:find("^spec/engine/run_spec.lua:%d+: boom$"))
    assert.is_truthy(view.error.traceback:find("spec/engine/run_spec.lua:%d+"))
    assert.is_nil(view.error.traceback:find("weir/"))
    assert.equal("w", view.error.workflow)
    assert.equal("r", view.error.run)
  end)

  it("waits as chance and retry_after say", function()
    local view = view_of({ workflow("w", function(ctx)
      if ctx.run.attempt == 1 then error(weir.error { code = "busy", retry_after = "1m" }) end
    end) })
    assert.equal(60000, view.finished_at - view.started_at)
    view = view_of({ workflow("w", function(ctx) if ctx.run.attempt == 1 then error("x") end end) })
    local pause = view.finished_at - view.started_at
    assert.is_true(pause >= 1000 and pause < 1500)
  end)

  it("is not followed by another after what no attempt would cure", function()
    for code, run in pairs {
      error = function() error(weir.fatal("no")) end,
      payload_invalid = function() return print end,
      child_failed = function(ctx) ctx:invoke { id = "a", workflow = "bad" } end,
      own = function() error(weir.error { code = "own", retryable = false }) end,
    } do
      local view = view_of { workflow("w", run), workflow("bad", function() error(weir.fatal("bad")) end) }
      assert.equal("failed", view.state)
      assert.equal(code, view.error.code)
      assert.equal(1, view.attempt)
    end
  end)

  it("is not followed by another when an operation's failure is raised again as it was", function()
    local view = view_of(function(ctx)
      local settled = ctx:settle { ctx:spawn { id = "a", workflow = "missing" } }
      error(settled[1].error)
    end)
    assert.equal("unknown_workflow", view.error.code)
    assert.equal(1, view.attempt)
  end)

  it("keeps failures as well: they are raised again", function()
    local tries = 0
    local view = view_of(function(ctx)
      local _, err = pcall(ctx.step, ctx, { id = "a", retry = { attempts = 1 }, run = function()
        tries = tries + 1
        error("first", 0)
      end })
      if ctx.run.attempt == 1 then error("again") end
      return err.message
    end)
    assert.equal("first", view.result)
    assert.equal(#modes.ALL, tries)
  end)

  it("takes whatever is raised", function()
    local cases = {
      { function() error { code = "x", message = "a table" } end, "a table" },
      { function() error() end, "raised nil" },
      { function() error(setmetatable({}, { __tostring = function() error "no" end })) end, "table" },
      { function() error("x", 0) end, "x" },
      { function() local t = nil; t.x = 1 end, "attempt to index" }, -- luacheck: ignore
    }
    for _, case in ipairs(cases) do
      local view = view_of({ workflow("w", case[1], { retry = { attempts = 1 } }) })
      assert.equal("failed", view.state)
      assert.is_truthy(view.error.message:find(case[2], 1, true), view.error.message)
    end
  end)

  it("that recurses without end fails soon, with a traceback that can be read", function()
    local function deeper(n) return 1 + deeper(n + 1) end
    local began = os.clock()
    local endless = workflow("w", function() return deeper(1) end, { retry = { attempts = 1 } })
    local made = driver.new { workflows = { endless } }
    local err = made:run("w").error
    assert.is_truthy(err.message:find("stack overflow"))
    assert.is_true(#err.traceback < 10000)
    assert.is_true(os.clock() - began < 5)
  end)

  it("runs the newest code, told from that of the one before", function()
    local function code(line) return { ["w.lua"] = [[
      local weir = require "weir"
      return weir.workflow { id = "w", retry = { delay = 1, jitter = false },
        run = function(ctx) ]] .. line .. " end }" }
    end
    local made = driver.new { files = code 'ctx:step("a", function() return 1 end) error("bug")' }
    made:start("w", nil, { id = "r" })
    made:settle()
    assert.equal("retrying", made:state("r"))
    made:deploy { files = code 'return ctx:step("a", error) + 1' }
    assert.equal(2, made:finish("r").result)

    made = driver.new { files = code 'ctx:step("a", function() return 1 end) error("bug")' }
    made:start("w", nil, { id = "r" })
    made:settle()
    made:deploy { files = code 'ctx:sleep { id = "a", duration = 1 }' }
    local err = made:finish("r").error
    assert.equal("replay_mismatch", err.code)
    assert.equal('operation "a" was step at w.lua:3 (bundle b1), now sleep at w.lua:3 (bundle b2); safe are changes '
      .. "that keep the recorded operations and begin new ones behind them. To go on: keep the old operation under "
      .. "this id and give the new one another, then weir retry r; or do it again: weir retry r --from a", err.message)
    assert.same({ was = { line = "w.lua:3", bundle = "b1" }, now = { line = "w.lua:3", bundle = "b2" } }, err.details)
  end)

  it("ends the children that it does not begin again", function()
    local view
    each_mode({ workflow("w", function(ctx)
      if ctx.run.attempt == 1 then
        ctx:spawn { id = "old", workflow = "careful" }
        ctx:spawn { id = "let-go", workflow = "nap", detached = true }
        error("again")
      end
      error(weir.fatal("no"))
    end) }, function(made)
      view = made:finish("r")
      assert.equal("cancelled", made:state("r/old"))
      assert.is_true(made.records["r/old"].finished_at <= view.finished_at)
      assert.equal("waiting", made:state("r/let-go"))
    end)
    view = view_of({ workflow("w", function(ctx)
      if ctx.run.attempt == 1 then
        ctx:spawn { id = "old", workflow = "nap", data = { span = "10s" } }
        error("again")
      end
      return "done"
    end) })
    assert.equal("done", view.result)
    assert.equal(10000, view.finished_at - view.started_at)
  end)
end)

describe("data", function()
  local schema = { type = "object", required = { "n" }, properties = { n = { type = "integer" } } }

  it("that breaks the schema fails the run before its code, every violation named", function()
    local ran = false
    local made = driver.new { workflows = { workflow("w", function() ran = true end, { schema = schema }) } }
    local err = made:run("w", { n = "x" }).error
    assert.is_false(ran)
    assert.equal("invalid_data", err.code)
    assert.is_truthy(err.message:find('^data of workflow "w" is not valid: '))
    assert.equal(1, #err.details)
    assert.equal("failed", made:run("w", {}).state)
    assert.equal("completed", made:run("w", { n = 1 }).state)
  end)

  it("goes through a schema that is a function, again on replay; what was sent is what is stored", function()
    local made = driver.new { always_replay = true, workflows = { workflow("w", function(ctx, data)
      ctx:sleep(1)
      return data
    end, { schema = function(data) return { n = data.n + 1 } end }) } }
    assert.same({ n = 6 }, made:run("w", { n = 5 }, { id = "r" }).result)
    assert.equal('{"n":5}', made.records.r.fields.data)
  end)

  it("that a schema function refuses fails the run", function()
    local made = driver.new { workflows = { workflow("w", error, { retry = { attempts = 1 },
      schema = function() error(weir.fatal("too few")) end }) } }
    assert.equal("too few", made:run("w").error.message)
  end)

  it("of a result too large fails the run", function()
    local made = driver.new { limits = { payload_bytes = 50, depth = 64 },
      workflows = { workflow("w", function() return ("x"):rep(60) end) } }
    local view = made:run("w")
    assert.equal("payload_too_large", view.error.code)
    assert.equal("the result has 62 bytes as JSON; 50 are allowed", view.error.message)
  end)

  it("of many bytes is told in parts", function()
    local large = ("x"):rep(750000)
    for _, always_replay in ipairs { false, true } do
      local made = driver.new { always_replay = always_replay, workflows = {
        workflow("w", function(ctx)
          local futures = {}
          for i = 1, 4 do
            futures[i] = ctx:spawn { id = "a" .. i, workflow = "size", data = { text = large } }
          end
          local sum = 0
          for _, size in ipairs(ctx:all(futures)) do sum = sum + size end
          return sum
        end),
        workflow("size", function(ctx, data) ctx:sleep(1) return #data.text end),
      } }
      assert.equal(3000000, made:run("w").result)
      for _, turn in ipairs(made.told) do assert.is_true(#table.concat(turn.effects, " ") < 3 * 1024 * 1024) end
    end
  end)

  it("of many children is told in parts", function()
    local made = driver.new { inlined = false, workflows = { nap, workflow("w", function(ctx)
      local futures = {}
      for i = 1, 400 do futures[i] = ctx:spawn { workflow = "nap", data = { span = 0, name = i } } end
      return #ctx:all(futures)
    end) } }
    assert.equal(400, made:run("w").result)
    for _, turn in ipairs(made.told) do assert.is_true(#turn.effects <= 2600) end
  end)

  it("of many children is cancelled in parts", function()
    for _, always_replay in ipairs { false, true } do
      local made = driver.new { always_replay = always_replay, workflows = { nap, workflow("w", function(ctx)
        local futures = {}
        for i = 1, 600 do futures[i] = ctx:spawn { workflow = "nap", data = {} } end
        return #ctx:all(futures)
      end) } }
      made:start("w", nil, { id = "r" })
      made:advance(1000)
      made:cancel("r")
      assert.equal("cancelled", made:finish("r").state)
      for i = 1, 600 do assert.equal("cancelled", made:state("r/invoke#" .. i)) end
      for _, turn in ipairs(made.told) do assert.is_true(#driver.split(turn.effects) <= 120) end
    end
  end)
end)

describe("a run whose many children are not done in time", function()
  -- In each part of a turn: what it tells, and whether it leaves the end of a child to the next one.
  local function check_parts(made)
    for _, turn in ipairs(made.told) do
      assert.is_true(#turn.effects <= 1300, #turn.effects)
      local effects = driver.split(turn.effects)
      local last = effects[#effects]
      assert.is_false(last[1] == "resolve" and last[3] == "timeout")
    end
  end

  it("tells them to end in parts, each with its own timeout, and waits for the last of them", function()
    for _, mode in ipairs { {}, { always_replay = true }, { crash_at = 1520 } } do
      mode.workflows, mode.max_events = { careful, workflow("w", function(ctx)
        local futures = {}
        for i = 1, 500 do
          futures[i] = ctx:spawn { workflow = "careful", timeout = "1s", on_timeout = i <= 8 and "abandon" or nil }
        end
        ctx:settle(futures)
        return "done"
      end) }, 100000
      local made = driver.new(mode)
      made:start("w", nil, { id = "r" })
      local view = made:finish("r")
      assert.same({ "completed", 2000 }, { view.state, view.finished_at - view.started_at })
      for i = 9, 500 do assert.equal("cancelled", made:state("r/invoke#" .. i)) end
      check_parts(made)
      assert.is_nil(made:fault())
    end
  end)

  it("ends when they have, in few turns", function()
    local made = driver.new { workflows = { workflow("slow", function(ctx)
      local ok, raised = pcall(ctx.sleep, ctx, "1h")
      if not ok then ctx:sleep(1 + tonumber(ctx.run.id:match "%d+$") / 10) error(raised) end
    end), workflow("w", function(ctx)
      local futures = {}
      for i = 1, 100 do futures[i] = ctx:spawn { workflow = "slow", timeout = "1s" } end
      ctx:settle(futures)
    end) } }
    assert.equal("completed", made:run("w", nil, { id = "r" }).state)
    local completes = 0
    for _, name in ipairs(made:effects_of "r") do completes = completes + (name == "complete" and 1 or 0) end
    assert.equal(2, completes)
  end)
end)

describe("a run that fails", function()
  it("cancels its children, and ends after them", function()
    local view
    each_mode(function(ctx)
      ctx:spawn { id = "a", workflow = "careful" }
      ctx:sleep("1s")
      error(weir.fatal("no use"))
    end, function(made)
      view = made:finish("r")
      assert.equal("cancelled", made:state("r/a"))
      assert.equal(2000, view.finished_at - view.started_at)
    end)
    assert.equal("no use", view.error.message)
  end)

  it("ends its branches, which may clean up", function()
    local codes = {}
    local view = view_of(function(ctx)
      ctx:all {
        bad = function(inner) inner:sleep("1s") error(weir.fatal("bad")) end,
        long = function(inner)
          local _, err = pcall(inner.sleep, inner, "1h")
          inner:step("undo", function() codes[#codes + 1] = err.code end)
        end,
      }
    end)
    assert.equal("bad", view.error.message)
    assert.same({ "cancelled", "cancelled", "cancelled", "cancelled" }, codes)
    assert.equal("completed", view.by_id["all#1:long:undo"].state)
    assert.equal(1000, view.finished_at - view.started_at)
  end)

  it("waits for a child that timed out and still lives, also when it is replayed", function()
    local view = view_of(function(ctx)
      pcall(ctx.invoke, ctx, { id = "a", workflow = "careful", timeout = "1s" })
      return "done"
    end)
    assert.equal("done", view.result)
    assert.equal(2000, view.finished_at - view.started_at)
  end)

  it("that returned waits for its branches, in which the sandbox stays", function()
    for _, always_replay in ipairs { false, true } do
      local made = driver.new { always_replay = always_replay, files = { ["w.lua"] = [[
        local weir = require "weir"
        return weir.workflow { id = "w", run = function(ctx)
          ctx:race({ function() return 1 end, function(inner)
            inner:sleep("1s")
            counter = os.time()
            inner:step("after", function() return counter end)
          end }, { losers = "keep" })
          return "done"
        end }]] } }
      local view = made:run("w")
      assert.equal("done", view.result)
      assert.equal("1790000001", view.by_id["race#1:2:after"].value)
      assert.equal(1000, view.finished_at - view.started_at)
    end
  end)
end)

describe("a run's timeout", function()
  it("ends it as expired, from its creation, attempts and waits included", function()
    local view = view_of { workflow("w", function(ctx)
      if ctx.run.attempt == 1 then error("once") end
      local _, err = pcall(ctx.sleep, ctx, "1h")
      ctx:step("note", function() return err.code end)
    end, { timeout = "10s" }) }
    assert.equal("failed", view.state)
    assert.equal("expired", view.error.code)
    assert.equal('"expired"', view.by_id.note.value)
    assert.equal(10000, view.finished_at - view.started_at)
  end)

  it("is child_failed with that cause to the parent", function()
    local view = view_of { workflow("w", function(ctx)
      local _, err = pcall(ctx.invoke, ctx, { id = "a", workflow = "short" })
      return { err.code, err.cause.code, err:is("expired") }
    end), workflow("short", function(ctx) ctx:sleep("1h") end, { timeout = "1s" }) }
    assert.same({ "child_failed", "expired", true }, view.result)
  end)
end)

describe("a limit", function()
  it("that is hit ends the run without its code, children and all", function()
    for _, code in ipairs { "memory_limit", "cpu_limit" } do
      local went_on = false
      local made = driver.new { workflows = { careful, workflow("w", function(ctx)
        pcall(function() ctx:invoke { id = "a", workflow = "careful" } end)
        went_on = true
      end) } }
      made:start("w", nil, { id = "r" })
      made:advance(1000)
      made.records["r/a"].fields.note = nil
      made:cancel("r/a") -- what the run waits for comes in the same turn
      made:kill("r", code, "too much")
      local view = made:finish("r")
      assert.equal("failed", view.state)
      assert.equal(code, view.error.code)
      assert.is_false(went_on)
      assert.equal("cancelled", made:state("r/a"))
      assert.is_nil(made:fault())
    end
  end)

  it("that is hit in a turn whose effects are lost leaves nothing to wait for", function()
    local made = driver.new { inlined = false, workflows = { careful, workflow("w", function(ctx)
      ctx:spawn { id = "a", workflow = "careful" }
      ctx:sleep("1h")
    end) }, on_event = function(self, id, applied)
      if id == "r" and not applied and self.events == 1 then self:kill("r", "cpu_limit", "for too long") end
    end }
    made:start("w", nil, { id = "r" })
    local view = made:finish("r")
    assert.equal("cpu_limit", view.error.code)
    assert.equal(view.started_at, view.finished_at)
    assert.is_nil(made.records["r/a"])
  end)

  it("that is hit in a turn that tells a part of many effects leaves nothing to wait for", function()
    for turn = 1, 6 do
      local made = driver.new { inlined = false, workflows = { careful, workflow("w", function(ctx)
        for i = 1, 300 do ctx:spawn { id = "c" .. i, workflow = "careful" } end
        ctx:sleep("1h")
      end) }, on_event = function(self, id, applied)
        local record = self.records.r
        if id == "r" and not applied and record.turn == turn - 1 and not record.was_killed then
          record.was_killed = true
          self:kill("r", "memory_limit", "too much")
        end
      end }
      made:start("w", nil, { id = "r" })
      assert.equal("memory_limit", made:finish("r").error.code)
      assert.is_nil(made:fault())
    end
  end)

  it("of a run whose last turn the store refused ends it all the same", function()
    local made = driver.new { workflows = { workflow("w", function() error("x") end) }, on_event = function(self)
      if self.events == 1 then self:kill("r", "error", "refused") end
    end }
    made:start("w", nil, { id = "r" })
    local view = made:finish("r")
    assert.equal("refused", view.error.message)
    assert.equal(1, view.attempt)
  end)

  it("of crashes: one child is tried apart, then all go in its turns again", function()
    local made = driver.new { workflows = {
      workflow("echo", function(_, data) return data end),
      workflow("w", function(ctx)
        for i = 1, 200 do ctx:invoke { id = "i" .. i, workflow = "echo" } end
      end),
    } }
    made:start("w", nil, { id = "r" })
    made:step()
    made:crash "r"
    assert.equal("completed", made:finish("r").state)
    assert.is_true(made.turns < 20, made.turns)
  end)

  it("of crashes: it is lost, its children end, its code runs no more", function()
    local ran, crashes = 0, 0
    local made = driver.new { max_crashes = 3, inlined = false, workflows = { nap, careful, workflow("w", function(ctx)
      ran = ran + 1
      local long = ctx:spawn { id = "long", workflow = "careful" }
      ctx:invoke { id = "short", workflow = "nap", data = { span = "1s" } }
      long:await()
    end) }, on_event = function(self, id, applied)
      if id == "r" and not applied and self:state("r/short") == "completed" and crashes < 3 then
        crashes = crashes + 1
        self:crash("r")
      end
    end }
    made:start("w", nil, { id = "r" })
    local view = made:finish("r")
    assert.equal("failed", view.state)
    assert.equal("crash_loop", view.error.code)
    assert.equal("crash_loop: 3 processes died while they ran it", view.error.message)
    assert.equal("cancelled", made:state("r/long"))
    assert.equal(3, ran)
    assert.is_nil(made:fault())
  end)
end)

describe("a run without its code", function()
  it("fails with what it was killed by", function()
    local runs = require "weir.engine.run"
    runs.host = {}
    finally(function() runs.host = nil end)
    local run = runs.begin(nil, "r", 0, {}, true)
    run:kill("error", "bundle b7 cannot be loaded")
    local effects = driver.split(run:turn(1790000000000, {}))
    assert.same({ "fail", "failed" }, table.move(effects[1], 1, 2, 1, {}))
    assert.equal("bundle b7 cannot be loaded", failure.decode(effects[1][3]).message)
    assert.equal(1, #effects)
    effects = driver.split(run:turn(1790000000000, { "1\t\tcancelled\t1790000000001\t0\tby hand" }))
    assert.equal("cancelled", effects[1][2])
  end)
end)

describe("describe", function()
  it("says in a line what a run waits for", function()
    local made = driver.new { workflows = { nap, workflow("w", function(ctx)
      ctx:all { ctx:spawn { id = "a", workflow = "nap" }, function(inner) inner:sleep("1h") end }
    end) } }
    made:start("w", nil, { id = "r" })
    made:settle()
    assert.is_truthy(made.live.r.run:describe():find(
      '^workflow "w", attempt 1, waits for invoke "a" at spec/engine/run_spec.lua:%d+, sleep '))
  end)

  local function described(body)
    local made = driver.new { workflows = { nap, workflow("w", body) } }
    made:start("w", nil, { id = "r" })
    made:settle()
    return made.live.r.run:describe()
  end

  it("says that a step waits for its next try", function()
    assert.matches('waits for the next try of step "call" at spec/engine/run_spec.lua:%d+$', described(function(ctx)
      ctx:step { id = "call", retry = { attempts = 2, delay = "1h" }, run = function() error "no" end }
    end))
  end)

  it("names five operations, and counts the others", function()
    assert.matches('"all#1:5:b5" at [^,]+:%d+ and 2 more$', described(function(ctx)
      local branches = {}
      for i = 1, 7 do branches[i] = function(inner) inner:sleep { id = "b" .. i, duration = "1h" } end end
      ctx:all(branches)
    end))
  end)
end)

describe("a crash at any event", function()
  it("changes nothing of what comes out", function()
    local definitions = {
      nap,
      workflow("echo", function(_, data) return data end),
      workflow("bad", function() error(weir.fatal("bad")) end),
      workflow("w", function(ctx)
        local list = {}
        list[1] = ctx:step("one", function() return "stepped" end)
        ctx:sleep("1s")
        list[2] = select(2, pcall(ctx.invoke, ctx, { id = "bad", workflow = "bad" })).code
        list[3] = ctx:race { ctx:spawn { id = "slow", workflow = "nap" },
                             ctx:spawn { id = "fast", workflow = "nap", data = { span = "1s", name = "fast" } } }
        list[4] = ctx:invoke { id = "echo", workflow = "echo", data = "echoed" }
        list[5] = ctx:all { ctx:spawn { id = "x", workflow = "echo", data = "x" }, function(inner)
          return inner:invoke { id = "y", workflow = "echo", data = "y" }
        end }
        list[6] = ctx:spawn({ id = "late", workflow = "nap", timeout = "2s" }):settle().error.code
        return list
      end),
    }
    local function play(crash_at)
      local made = driver.new { workflows = definitions, crash_at = crash_at, inlined = crash_at % 2 == 0 }
      local view = made:run("w", nil, { id = "r" })
      made:finish()
      assert.is_nil(made:fault())
      return view, made
    end
    local plain = play(-1)
    assert.same({ "stepped", "child_failed", "fast", "echoed", { "x", "y" }, "timeout" }, plain.result)
    local crash_at, view, made = 0
    repeat
      crash_at = crash_at + 1
      view, made = play(crash_at)
      assert.same(plain.result, view.result)
      assert.equal(#plain.operations, #view.operations)
      for id, operation in pairs(plain.by_id) do
        assert.equal(operation.state, view.by_id[id].state)
        assert.equal(operation.kind, view.by_id[id].kind)
        if operation.kind ~= "step" then assert.equal(operation.value, view.by_id[id].value) end
      end
    until made.events < crash_at
    assert.is_true(crash_at > 30)
  end)
end)

describe("data from outside that is larger than a payload may be", function()
  it("fails the run for good, before its code sees it", function()
    local ran = false
    local made = driver.new { limits = { payload_bytes = 10, depth = 64 }, workflows = {
      workflow("w", function() ran = true end),
    } }
    made:start("w", { text = "longer than that" }, { id = "r" })
    local view = made:finish("r")
    assert.same({ "failed", "payload_too_large", 1 }, { view.state, view.error.code, view.attempt })
    assert.is_false(ran)
  end)
end)

describe("workflows of files", function()
  it("are loaded, required and run as in the host", function()
    assert(bundle)
    local made = driver.new { files = {
      ["shared/prices.lua"] = "return { tea = 3 }",
      ["order.lua"] = [[
        local weir = require "weir"
        local prices = require "shared.prices"
        return weir.workflow { id = "order", run = function(ctx, data)
          return ctx:step("price", function() return prices[data.item] end)
        end }]],
    } }
    assert.equal(3, made:run("order", { item = "tea" }).result)
    assert.equal("order.lua:3", made:view("run-1").by_id.price.line)
  end)
end)
