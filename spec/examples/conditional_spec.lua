-- workflows/conditional.lua: that a child is not invoked.

local testing = require "weir.testing"

describe("conditional", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("invokes its child only when it is needed", function()
    local data = { needs_processing = true, text = "  a  b " }
    assert.same({ text = "a b" }, runner:run("conditional", data).result)
    assert.called(runner, "processor", 1)
    data.needs_processing = false
    local result = runner:run("conditional", data)
    assert.same({ text = "  a  b " }, result.result)
    assert.equal(0, #result.operations)
    assert.called(runner, "processor", 1)
  end)
end)
