-- Crash everywhere: one workflow that does one of everything, and one fault at the n-th call to
-- Redis, for n = 1, 2, … until it has ended before the fault comes. However it was interrupted, the
-- run, each run below it and each operation end as they do undisturbed.

local harness = require "tests.crash.harness"

local RUN = "r"
local at_most_twice, once, any_number = harness.at_most_twice, harness.once, harness.any_number

describe("a workflow that does one of everything", function()
  local stage

  lazy_setup(function()
    stage = harness.new({ RUN }, { {
      begin = function(case) case.facts:start(RUN, "everything", { notes = case.notes }) end,
      over = function(case) return harness.all_ended(case, RUN) end,
    } })
    stage:undisturbed()
  end)

  after_each(function() stage:clear() end)

  lazy_teardown(function() stage:stop() end)

  it("executes each step once", function()
    for key, count in pairs(stage.executed) do
      assert.equal(key == RUN .. " flaky" and 3 or 1, count, key)
    end
  end)

  it("ends the same when the host dies before any of its calls", function()
    stage:everywhere("abort-before", at_most_twice, 50)
  end)

  it("ends the same when the host dies right after any of its calls", function()
    stage:everywhere("abort", at_most_twice, 50)
  end)

  it("ends the same, each step executed once, when a call is carried out and its reply lost", function()
    stage:everywhere("cut-before", once, 50)
  end)

  it("ends the same, each step executed once, when a connection is cut after any reply", function()
    stage:everywhere("cut-after", once, 50)
  end)

  it("ends the same when the host dies again and again", function()
    stage:again_and_again("abort-before", { 11, 17, 23 }, any_number)
    stage:again_and_again("abort", { 11, 17, 23 }, any_number)
  end)

  it("ends the same, each step executed once, when connections are cut again and again", function()
    stage:again_and_again("cut-before", { 2, 3, 5 }, once)
    stage:again_and_again("cut-after", { 1, 2, 5 }, once)
  end)
end)
