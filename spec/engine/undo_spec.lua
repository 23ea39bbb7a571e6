-- Undos: what a run that fails or is cancelled takes back.

local driver = require "spec.support.driver"
local modes = require "spec.support.modes"

local workflow = driver.workflow

local done

local function act(name) table.insert(done, name) end

local leaf = workflow("leaf", function(ctx, data)
  ctx:step("work", function() act(data.name) end)
  if data.fail then error "no" end
  return data.name
end, { retry = { attempts = 1 } })

local function each_mode(body, play, fields)
  local definitions = { leaf, workflow("w", body, fields or { retry = { attempts = 1 } }) }
  modes.each(definitions, play, function() done = {} end)
end

local function book(ctx, name, fails)
  return ctx:step { id = name, run = function()
    act(name)
    return { of = name }
  end, undo = function(result)
    act("undo " .. result.of)
    if fails then error "cannot be undone" end
  end }
end

describe("a run that fails", function()
  it("undoes its steps, newest first, each once", function()
    each_mode(function(ctx)
      book(ctx, "flight")
      book(ctx, "hotel")
      ctx:invoke { id = "car", workflow = "leaf", data = { name = "car", fail = true } }
    end, function(made)
      local view = made:finish "r"
      assert.equal("failed", view.state)
      assert.same({ "flight", "hotel", "car", "undo hotel", "undo flight" }, done)
      assert.equal("completed", view.by_id["undo:hotel:step"].state)
    end)
  end)

  it("runs what ctx:undo was given, which may invoke and sleep", function()
    each_mode(function(ctx)
      ctx:invoke { id = "pay", workflow = "leaf", data = { name = "pay" } }
      ctx:undo("pay", function(own)
        own:sleep "1m"
        own:invoke { id = "refund", workflow = "leaf", data = { name = "refund" } }
      end)
      error "no"
    end, function(made)
      local view = made:finish "r"
      assert.equal("failed", view.state)
      assert.same({ "pay", "refund" }, done)
      assert.equal("completed", made:state "r/undo:pay:refund")
    end)
  end)

  it("goes on with an undo that invokes after its coroutine was lost", function()
    each_mode(function(ctx)
      ctx:undo("pay", function(own)
        own:invoke { id = "refund", workflow = "leaf", data = { name = "refund" } }
        own:step("tell", function() act "told" end)
      end)
      error "no"
    end, function(made)
      while made:step() do
        local child = made.records["r/undo:pay:refund"]
        if child and child.state == "running" then made:drop "r" end
      end
      assert.equal("failed", made:state "r")
      assert.equal("completed", made:state "r/undo:pay:refund")
      assert.same({ "refund", "told" }, done)
      assert.equal(0, #made.logs)
    end)
  end)

  it("undoes the others when one cannot be undone, and keeps its own failure", function()
    each_mode(function(ctx)
      book(ctx, "flight")
      book(ctx, "hotel", true)
      error "no"
    end, function(made)
      local view = made:finish "r"
      assert.matches("no$", view.error.message)
      assert.equal("undo flight", done[#done])
      local said = {}
      for _, line in ipairs(made.logs) do said[line.text:match "^[^:]+"] = true end
      assert.truthy(said['undo of "hotel" failed'])
    end)
  end)

  it("undoes nothing before its last attempt, and nothing when it completes", function()
    each_mode(function(ctx)
      book(ctx, "flight")
      if ctx.run.attempt < 3 then error "not yet" end
      return "there"
    end, function(made)
      assert.equal("there", made:finish("r").result)
      assert.same({ "flight" }, done)
    end, { retry = { attempts = 3 } })
  end)

  it("undoes what ended branches did, after all of them have ended", function()
    each_mode(function(ctx)
      ctx:all {
        a = function(own)
          book(own, "flight")
          own:sleep "1s"
          error "no"
        end,
        b = function(own)
          book(own, "hotel")
          local function close() own:step("closed", function() act "closed" end) end
          local _ <close> = setmetatable({}, { __close = close })
          own:sleep "1h"
        end,
      }
    end, function(made)
      assert.equal("failed", made:finish("r").state)
      assert.same({ "flight", "hotel", "closed", "undo hotel", "undo flight" }, done)
    end)
  end)
end)

describe("a run that is cancelled", function()
  local function booked(ctx)
    book(ctx, "flight")
    ctx:sleep "1h"
  end

  it("undoes, within its grace", function()
    each_mode(booked, function(made)
      made:advance(1000)
      made:cancel "r"
      assert.equal("cancelled", made:finish("r").state)
      assert.same({ "flight", "undo flight" }, done)
    end)
  end)

  it("undoes nothing when it is to end at once, or its grace is over", function()
    each_mode(booked, function(made)
      made:advance(1000)
      made:cancel("r", nil, true)
      assert.equal("cancelled", made:finish("r").state)
      assert.same({ "flight" }, done)
    end)
    each_mode(function(ctx)
      book(ctx, "flight")
      ctx:undo("slow", function(own) own:sleep "1h" end)
      ctx:sleep "1h"
    end, function(made)
      made:advance(1000)
      made:cancel "r"
      assert.equal("cancelled", made:finish("r").state)
      assert.same({ "flight" }, done)
    end)
  end)

  it("goes on undoing when the cancel comes while it undoes", function()
    each_mode(function(ctx)
      book(ctx, "flight")
      ctx:undo("pay", function(own)
        own:sleep "10s"
        act "paid back"
      end)
      error "no"
    end, function(made)
      made:advance(1000)
      made:cancel "r"
      local view = made:finish "r"
      assert.equal("cancelled", view.state)
      assert.same({ "flight", "paid back", "undo flight" }, done)
    end)
  end)
end)

describe("a retry", function()
  it("does again what was undone", function()
    local broken
    each_mode(function(ctx)
      book(ctx, "flight")
      ctx:invoke { id = "pay", workflow = "leaf", data = { name = "pay" } }
      ctx:undo("pay", function() act "paid back" end)
      if broken then error "no" end
      return "there"
    end, function(made)
      broken = true
      assert.equal("failed", made:finish("r").state)
      broken = false
      made:retry("r", "unhandled")
      assert.equal("there", made:finish("r").result)
      assert.same({ "flight", "pay", "paid back", "undo flight", "flight", "pay" }, done)
    end)
  end)
end)

it("refuses a second undo of the same id, and what is no function", function()
  each_mode(function(ctx)
    ctx:undo("a", function() end)
    return { select(2, pcall(ctx.undo, ctx, "a", function() end)).code, (pcall(ctx.undo, ctx, "b", 1)),
             (pcall(ctx.step, ctx, { id = "s", run = function() end, undo = 1 })) }
  end, function(made)
    assert.same({ "duplicate_id", false, false }, made:finish("r").result)
  end)
end)
