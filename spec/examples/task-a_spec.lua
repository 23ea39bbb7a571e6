-- workflows/task-a.lua: results of real children, and of mocked ones.

local testing = require "weir.testing"

describe("task-a", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("uses both results", function()
    local result = runner:run("task-a", { value = 10, message = "hello" })
    assert.same({ doubled = 20, uppercased = "HELLO" }, result.result)
  end)

  it("passes each of them its part", function()
    runner:mock("task-b", 1)
    runner:mock("task-c", "c")
    assert.same({ doubled = 1, uppercased = "c" }, runner:run("task-a", { value = 10, message = "hello" }).result)
    assert.same({ number = 10 }, runner:calls("task-b")[1].data)
    assert.same({ text = "hello" }, runner:calls("task-c")[1].data)
  end)
end)
