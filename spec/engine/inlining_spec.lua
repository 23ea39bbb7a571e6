-- Children that run in their parent's turn, and turns that speculate on their outcomes.

local driver = require "spec.support.driver"

local workflow = driver.workflow

describe("an inlined child", function()
  local function fused_run(child, fields)
    local made = driver.new { workflows = { workflow("w", function(ctx)
      return ctx:invoke { id = "a", workflow = "child", data = 5 }
    end), workflow("child", child, fields) } }
    local view = made:run("w", nil, { id = "inlined" })
    return view, made.records["inlined/a"].was_inlined == true, made
  end

  it("is born completed in its parent's turn", function()
    local view, inlined, made = fused_run(function(_, data) return data + 1 end)
    assert.equal(6, view.result)
    assert.is_true(inlined)
    assert.same({ "speculate", "invoke", "complete" }, made:effects_of("inlined"))
  end)

  it("goes the long way when it wants anything of the world, and runs nothing twice", function()
    local steps = 0
    for _, child in ipairs {
      function(ctx) return ctx:step("a", function() steps = steps + 1 return 1 end) end,
      function(ctx) ctx:sleep(0) return 1 end,
      function(ctx) return ctx:now() > 0 and 1 end,
      function(ctx) ctx.log:info("x") return 1 end,
      function(ctx) ctx:tag("k", "v") return 1 end,
      function(ctx) return ctx.run.attempt end,
    } do
      local view, inlined = fused_run(child)
      assert.equal(1, view.result)
      assert.is_false(inlined)
    end
    assert.equal(1, steps)
  end)

  it("logs once, print as well", function()
    local made = driver.new { files = { ["w.lua"] = [[
      local weir = require "weir"
      return {
        weir.workflow { id = "w", run = function(ctx) return ctx:invoke { id = "a", workflow = "child" } end },
        weir.workflow { id = "child", run = function() print("here") return 1 end },
      }]] } }
    assert.equal(1, made:run("w").result)
    assert.equal(1, #made.logs)
  end)

  it("fails the long way, and is retried", function()
    local view, inlined = fused_run(function(ctx)
      if ctx.run.attempt == 1 then error("once") end
      return "second"
    end)
    assert.equal("second", view.result)
    assert.is_false(inlined)
  end)

  it("fuses no children of its own", function()
    local depths = 0
    local made = driver.new { workflows = { workflow("w", function(ctx, data)
      depths = depths + 1
      local n = data.n or 12
      if n == 0 then return 1 end
      return ctx:invoke { id = "a", workflow = "w", data = { n = n - 1 } }
        + ctx:invoke { id = "b", workflow = "w", data = { n = n > 9 and n - 1 or 0 } }
    end) } }
    assert.equal("completed", made:run("w").state)
    assert.is_true(depths < 4000)
  end)
end)

describe("what is said after an outcome that was speculated", function()
  local function said(ending)
    local told
    local made = driver.new { workflows = {
      workflow("two", function() return 2 end),
      workflow("w", function(ctx)
        local two = ctx:invoke { workflow = "two" }
        ctx.log:info("it is " .. two)
        return ending(ctx)
      end),
    }, on_event = function(self, id, applied)
      if id == "r" and not applied and not told then told = #self.logs end
    end }
    made:start("w", nil, { id = "r" })
    return made:finish("r"), told, made.logs
  end

  it("waits for its record, at the end, before a sleep and before a retry", function()
    for _, ending in ipairs {
      function() return "done" end,
      function(ctx) ctx:sleep "1s" end,
      function(ctx) if ctx.run.attempt == 1 then error "again" end end,
    } do
      local view, told, logs = said(ending)
      assert.equal("completed", view.state)
      assert.equal(0, told)
      assert.equal("it is 2", logs[1].text)
    end
  end)
end)
