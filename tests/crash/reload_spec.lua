-- Crash everywhere over a reload: the files change while a run waits, and again to mend a run that failed. A fault at
-- the n-th call to Redis changes nothing of which code each attempt runs, nor of how all ends.

local harness = require "tests.crash.harness"
local json = require "weir.json"

local at_most_twice, once, any_number = harness.at_most_twice, harness.once, harness.any_number

-- Each version of the file says its number in all that it does; "buggy" fails in the second one only.
local FILE = [[
local weir = require "weir"
local VERSION = %d

local function step(ctx, data, id)
  return ctx:step(id, function(about)
    local file <close> = assert(io.open(data.notes, "a"))
    file:write(("%%s\t%%s\t%%d\n"):format(ctx.run.id, id, about.attempt))
    return VERSION
  end)
end

return {
  weir.workflow { id = "order", retry = { attempts = 1 }, run = function(ctx, data)
    local before = step(ctx, data, "before")
    pcall(ctx.invoke, ctx, { id = "hold", workflow = "hold" })
    local fresh = ctx:invoke { id = "fresh", workflow = "fresh", data = data }
    return { VERSION, before, step(ctx, data, "after"), fresh }
  end },
  weir.workflow { id = "hold", retry = { attempts = 1 }, run = function(ctx)
    ctx:sleep { id = "long", duration = "1d" }
  end },
  weir.workflow { id = "fresh", run = function(ctx, data) return step(ctx, data, "only") end },
  weir.workflow { id = "buggy", retry = { attempts = 1 }, run = function(ctx, data)
    local kept = step(ctx, data, "kept")
    local other = ctx:invoke { id = "other", workflow = "fresh", data = data }
    if VERSION == 2 then error "a bug" end
    return { VERSION, kept, other, step(ctx, data, "mended") }
  end },
}
]]

local function bundle_of(case, workflow)
  local reply = case.facts:say "registry"
  for i = 2, #reply, 2 do
    if reply[i] == workflow then return json.decode(reply[i + 1]).bundle end
  end
end

-- The files change: over when new attempts run them.
local function saves(version)
  return {
    begin = function(case)
      case.before = bundle_of(case, "order")
      harness.save(case, "flows.lua", FILE:format(version))
    end,
    over = function(case) return bundle_of(case, "order") ~= case.before end,
  }
end

local PLAY = {
  {
    begin = function(case) case.facts:start("r", "order", { notes = case.notes }) end,
    over = function(case) return case.facts:state "r/hold" == "waiting" and case.facts:state "r" == "waiting" end,
  },
  saves(2),
  {
    begin = function(case) case.facts:start("f", "buggy", { notes = case.notes }) end,
    over = function(case) return case.facts:state "f" == "failed" end,
  },
  saves(3),
  {
    forgets = true,
    begin = function(case)
      assert.equal("retried", case.facts:say("retry", 1, "f", case.facts:run("f").turn, "unhandled")[1])
      case.facts:say("cancel", "r/hold", "by hand")
    end,
    over = function(case)
      return harness.all_ended(case, "r") and case.facts:state "f" == "completed"
    end,
  },
}

describe("runs whose files change in their middle", function()
  local stage

  lazy_setup(function()
    stage = harness.new({ "r", "f" }, PLAY, { files = { ["flows.lua"] = FILE:format(1) }, stride = 11 })
    stage:undisturbed()
  end)

  after_each(function() stage:clear() end)

  lazy_teardown(function() stage:stop() end)

  it("run the code with which their attempt began, and new attempts the newest", function()
    assert.equal("[1,1,1,3]", stage.expected.r.r.result)
    assert.equal("[3,2,2,3]", stage.expected.f.r.result)
    for key, count in pairs(stage.executed) do assert.equal(1, count, key) end
  end)

  it("end the same when the host dies before any of its calls", function()
    stage:everywhere("abort-before", at_most_twice, 25)
  end)

  it("end the same when the host dies right after any of its calls", function()
    stage:everywhere("abort", at_most_twice, 25)
  end)

  it("end the same, each step executed once, when a call is carried out and its reply lost", function()
    stage:everywhere("cut-before", once, 25)
  end)

  it("end the same, each step executed once, when a connection is cut after any reply", function()
    stage:everywhere("cut-after", once, 25)
  end)

  it("end the same when the host dies, or connections are cut, again and again", function()
    stage:again_and_again("abort", { 11, 17 }, any_number)
    stage:again_and_again("cut-before", { 2, 5 }, once)
    stage:again_and_again("cut-after", { 2, 5 }, once)
  end)
end)
