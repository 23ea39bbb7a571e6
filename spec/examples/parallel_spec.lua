-- workflows/parallel.lua: children side by side.

local testing = require "weir.testing"

describe("parallel", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("waits for both", function()
    runner:mock("task-b", testing.after("2m", 20))
    runner:mock("task-c", testing.after("3m", "HELLO"))
    local result = runner:run("parallel", { number = 10, text = "hello" })
    assert.same({ doubled = 20, uppercased = "HELLO" }, result.result)
    assert.equal(testing.duration "3m", result.finished_at - result.started_at) -- not five
  end)

  it("runs branches, each with its own ids", function()
    local result = runner:run("parallel-branches", { number = 10, text = "hello" })
    assert.same({ quadrupled = 40, uppercased = "HELLO" }, result.result)
    assert.equal(20, result:operation("all#1:quadrupled:first").result)
  end)
end)
