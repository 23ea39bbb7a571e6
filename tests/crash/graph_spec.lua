-- Crash everywhere over a graph: a node of it fails, it is repaired and retried; another run of it is cancelled while
-- a node waits. A fault at the n-th call to Redis changes nothing of how all that ends.

local harness = require "tests.crash.harness"
local support = require "tests.support"

local at_most_twice, once, any_number = harness.at_most_twice, harness.once, harness.any_number

local function is(id, state)
  return function(case) return case.facts:state(id) == state end
end

local PLAY = {
  { begin = function(case) case.facts:start("r", "graph", { notes = case.notes }) end, over = is("r", "failed") },
  {
    forgets = true,
    begin = function(case)
      support.write(case.notes .. ".repaired", "")
      local turn = case.facts:run("r").turn
      assert.equal("retried", case.facts:say("retry", 1, "r", turn, "unhandled")[1])
    end,
    over = is("r", "completed"),
  },
  {
    begin = function(case) case.facts:start("c", "graph", { notes = case.notes, hold = true }) end,
    over = function(case)
      return case.facts:state "c/load" == "completed" and case.facts:state "c/hold" == "waiting"
    end,
  },
  {
    begin = function(case) case.facts:say("cancel", "c", "by hand") end,
    over = function(case) return harness.all_ended(case, "c") end,
  },
}

describe("a graph that fails, is retried, and is cancelled", function()
  local stage

  lazy_setup(function()
    stage = harness.new({ "r", "c" }, PLAY)
    stage:undisturbed()
  end)

  after_each(function() stage:clear() end)

  lazy_teardown(function() stage:stop() end)

  it("executes each step once, but for what was retried", function()
    local twice = { ["r/right look"] = 2 }
    for key, count in pairs(stage.executed) do assert.equal(twice[key] or 1, count, key) end
    assert.equal(1, stage.executed["c/hold undo hold"])
    assert.is_nil(stage.executed["r/hold undo hold"])
    assert.equal("completed", stage.expected.r["r/always~2"].state)
  end)

  it("ends the same when the host dies before any of its calls", function()
    stage:everywhere("abort-before", at_most_twice, 40)
  end)

  it("ends the same when the host dies right after any of its calls", function()
    stage:everywhere("abort", at_most_twice, 40)
  end)

  it("ends the same, each step executed once, when a call is carried out and its reply lost", function()
    stage:everywhere("cut-before", once, 40)
  end)

  it("ends the same, each step executed once, when a connection is cut after any reply", function()
    stage:everywhere("cut-after", once, 40)
  end)

  it("ends the same when the host dies, or connections are cut, again and again", function()
    stage:again_and_again("abort", { 11, 17 }, any_number)
    stage:again_and_again("cut-before", { 2, 3, 5 }, once)
    stage:again_and_again("cut-after", { 1, 2, 5 }, once)
  end)
end)
