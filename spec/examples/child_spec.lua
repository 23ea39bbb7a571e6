-- workflows/child.lua: what a failed child does to its parent.

local testing = require "weir.testing"

describe("child", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("adds to what its child returned", function()
    assert.same({ result = 42 }, runner:run("parent-workflow", { value = 16 }).result)
  end)

  it("fails if its child does", function()
    local result = runner:run("parent-workflow", { value = -1 })
    assert.failed_with(result, "child_failed")
    assert.equal("Child execution failed: the input must not be negative", result.error.message)
    assert.equal(1, result:operation("process-step").attempts)
  end)
end)
