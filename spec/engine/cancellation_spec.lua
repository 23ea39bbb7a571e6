-- Runs that are cancelled, and clean up.

local driver = require "spec.support.driver"
local modes = require "spec.support.modes"
local weir = require "weir"

local workflow = driver.workflow

local each_mode, view_of = modes.each, modes.view_of
local nap = modes.nap

describe("cancel", function()
  local function cancel_after(ms)
    return function(made)
      made:advance(ms)
      made:cancel("r")
    end
  end

  it("of a run that never began ends it at once", function()
    local made = driver.new { workflows = { workflow("w", error) } }
    made:start("w", nil, { id = "r", delay_ms = 5000 })
    made:cancel("r")
    assert.equal("cancelled", made:state("r"))
    assert.equal("cancelled by hand", made:view("r").error.message)
    assert.is_false(made:step())
  end)

  it("is raised where the run waits, when its children have ended, and the run ends cancelled", function()
    local seen
    each_mode(function(ctx)
      local child = ctx:spawn { id = "a", workflow = "careful" }
      local _, err = pcall(child.await, child)
      seen = { err.code, err.message, ctx:now() - ctx.run.created_at / 1000 }
      return "whatever"
    end, function(made)
      cancel_after(1000)(made)
      local view = made:finish("r")
      assert.equal("cancelled", view.state)
      assert.equal("cancelled", view.error.code)
      assert.equal("cancelled by hand", view.error.message)
      assert.equal("cancelled", made:state("r/a"))
      assert.equal(2000, view.finished_at - view.started_at)
      assert.same({ "cancelled", "cancelled by hand", 1.0 }, seen)
    end)
  end)

  it("says its reason once, however deep it goes", function()
    each_mode({
      workflow("w", function(ctx) return ctx:invoke { id = "a", workflow = "middle" } end),
      workflow("middle", function(ctx) return ctx:invoke { id = "b", workflow = "nap", data = {} } end),
    }, function(made)
      cancel_after(1000)(made)
      made:finish("r")
      for _, id in ipairs { "r", "r/a", "r/a/b" } do
        assert.equal("cancelled by hand", made:view(id).error.message)
      end
    end)
  end)

  it("is raised once: after that everything works, invoke too", function()
    local view = view_of({ workflow("w", function(ctx)
      pcall(ctx.sleep, ctx, "1h")
      ctx:sleep("2s")
      local undone = ctx:invoke { id = "undo", workflow = "echo", data = "undone" }
      ctx:step("note", function() return undone end)
    end), workflow("echo", function(_, data) return data end) }, cancel_after(1000))
    assert.equal("cancelled", view.state)
    assert.equal("completed", view.by_id.undo.state)
    assert.equal('"undone"', view.by_id.note.value)
    assert.equal(3000, view.finished_at - view.started_at)
  end)

  it("reaches every branch that waits", function()
    local codes = {}
    local view = view_of(function(ctx)
      local function branch(inner)
        local _, err = pcall(inner.sleep, inner, "1h")
        codes[#codes + 1] = err.code
      end
      ctx:settle { branch, branch, branch }
    end, cancel_after(10))
    assert.equal("cancelled", view.state)
    assert.is_true(#codes >= 3 * #modes.ALL)
    for _, code in ipairs(codes) do assert.equal("cancelled", code) end
  end)

  it("starts no child between its record and its delivery", function()
    for _, inlined in ipairs { true, false } do
      local made
      made = driver.new { inlined = inlined, workflows = { nap, workflow("w", function(ctx)
        ctx:step("first", function() made:cancel("r") end)
        local _, err = pcall(ctx.invoke, ctx, { id = "late", workflow = "nap" })
        return err.code
      end) } }
      made:start("w", nil, { id = "r" })
      local view = made:finish("r")
      assert.equal("cancelled", view.state)
      assert.is_nil(made.records["r/late"])
    end
  end)

  it("that is recorded while the run invokes refuses the child: the run ends all the same", function()
    local made = driver.new { inlined = false, workflows = { nap, workflow("w", function(ctx)
      local future = ctx:spawn { id = "a", workflow = "nap" }
      pcall(future.await, future)
      local settled = future:settle()
      ctx:step("note", function() return settled.error.code end)
    end) }, on_event = function(self, id, applied)
      if id == "r" and not applied and self.events == 1 then self:cancel("r") end
    end }
    made:start("w", nil, { id = "r" })
    local view = made:finish("r")
    assert.equal("cancelled", view.state)
    assert.equal("refused", view.by_id.a.state)
    assert.equal('"cancelled"', view.by_id.note.value)
    assert.is_nil(made.records["r/a"])
  end)

  it("comes before a completion or a failure that was on its way", function()
    for _, body in ipairs { function() return "done" end, function() error(weir.fatal("no")) end,
                            function() error("once more") end } do
      local made = driver.new { workflows = { workflow("w", body) }, on_event = function(self)
        if self.events == 1 then self:cancel("r") end
      end }
      made:start("w", nil, { id = "r" })
      assert.equal("cancelled", made:finish("r").state)
    end
  end)

  it("comes too late for a run that has ended", function()
    local made = driver.new { workflows = { workflow("w", function() return 1 end) } }
    made:run("w", nil, { id = "r" })
    made:cancel("r")
    assert.equal("completed", made:state("r"))
  end)

  it("ends a run that backs off, and one that runs another attempt", function()
    local view = view_of({ workflow("w", function() error("x") end, { retry = { delay = "1h" } }) }, cancel_after(10))
    assert.equal("cancelled", view.state)
    assert.equal(1, view.attempt)
  end)

  it("keeps what clean-up raised as the cause", function()
    local view = view_of(function(ctx)
      pcall(ctx.sleep, ctx, "1h")
      error("clean-up failed", 0)
    end, cancel_after(10))
    assert.equal("cancelled", view.state)
    assert.equal("cancelled", view.error.code)
    assert.equal("clean-up failed", view.error.cause.message)
  end)

  it("gives clean-up its grace, not more, however often it is replayed", function()
    for _, run in ipairs {
      function(ctx)
        pcall(ctx.sleep, ctx, "1h")
        pcall(ctx.sleep, ctx, "1h")
        while true do ctx:sleep("3s") end
      end,
      function(ctx) -- its main branch has ended, another has not
        ctx:race({ function() return 1 end, function(inner)
          pcall(inner.sleep, inner, "1h")
          inner:sleep("1h")
        end }, { losers = "keep" })
      end,
    } do
      local view = view_of({ workflow("w", run, { cancel_grace = "5s" }) }, cancel_after(1000))
      assert.equal("cancelled", view.state)
      assert.equal(6000, view.finished_at - view.started_at)
    end
  end)

  it("delivers nothing that was recorded when its grace had ended: a replay ends where the run ended", function()
    local went_on = false
    local effects = driver.replay({ workflow("w", function(ctx)
      pcall(ctx.sleep, ctx, { id = "a", duration = "1h" })
      ctx:sleep { id = "clean", duration = "1h" }
      went_on = true
    end, { cancel_grace = 0.001 }) }, { -- the n-th outcome is of the n-th millisecond
      operations = { { "a", "sleep" }, { "clean", "sleep" } },
      outcomes = { { "", "cancelled", "by hand" }, { "clean" } },
    })
    assert.is_false(went_on)
    assert.same({ "fail", "cancelled" }, table.move(effects[1], 1, 2, 1, {}))
  end)

  it("is what the branches of a body that failed meanwhile get, live as in a replay", function()
    local messages = {}
    local function run(ctx)
      ctx:step("first", function() return 1 end)
      ctx:all { function() error("again") end, function(inner)
        local _, err = pcall(inner.sleep, inner, { id = "nap", duration = "1h" })
        messages[#messages + 1] = err.message
      end }
    end
    local made = driver.new { workflows = { workflow("w", run) }, on_event = function(self)
      if self.events == 3 then self:cancel("r") end -- what follows the step is on its way
    end }
    made:start("w", nil, { id = "r" })
    assert.equal("cancelled", made:finish("r").state)
    local effects = driver.replay({ workflow("w", run) }, {
      operations = { { "first", "step" }, { "all#1:2:nap", "sleep", "", "", 1 } },
      outcomes = { { "first", nil, "1" }, { "", "cancelled", "cancelled by hand" } },
    })
    assert.same({ "fail", "cancelled" }, table.move(effects[1], 1, 2, 1, {}))
    assert.same({ "cancelled by hand", "cancelled by hand" }, messages)
  end)

  it("counts its grace from when the children had ended", function()
    local view = view_of({ workflow("w", function(ctx)
      pcall(ctx.invoke, ctx, { id = "a", workflow = "careful" })
      ctx:sleep("1h")
    end, { cancel_grace = "5s" }) }, cancel_after(1000))
    assert.equal(7000, view.finished_at - view.started_at)
  end)

  it("takes a child that was abandoned too", function()
    each_mode(function(ctx)
      pcall(ctx.invoke, ctx, { id = "a", workflow = "careful", timeout = "1s", on_timeout = "abandon" })
      ctx:sleep("1h")
    end, function(made)
      cancel_after(2000)(made)
      local view = made:finish("r")
      assert.equal("cancelled", made:state("r/a"))
      assert.equal(3000, view.finished_at - view.started_at)
    end)
  end)

  it("goes down a whole tree and comes up again", function()
    each_mode({ workflow("w", function(ctx, data)
      local depth = data.depth or 3
      if depth == 0 then return ctx:sleep("1h") end
      ctx:all {
        ctx:spawn { id = "l", workflow = "w", data = { depth = depth - 1 } },
        ctx:spawn { id = "r", workflow = "w", data = { depth = depth - 1 } },
      }
    end) }, function(made)
      cancel_after(1000)(made)
      made:settle()
      for _, id in ipairs(made.order) do
        assert.equal("cancelled", made:state(id))
        assert.equal(1790000001000, made.records[id].finished_at)
      end
      assert.equal(15, #made.order)
    end)
  end)
end)
