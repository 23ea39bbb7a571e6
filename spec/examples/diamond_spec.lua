-- workflows/diamond.lua: a node that fails, and what is begun again.

local testing = require "weir.testing"

describe("diamond", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("joins both ways", function()
    assert.same({ merge = { sum = 35 } }, runner:run("diamond", { n = 5 }).result)
  end)

  it("never merges when one way is closed", function()
    local result = runner:run("diamond", { n = 5, fail = true })
    assert.failed_with(result, "child_failed")
    assert.equal("completed", result:operation("path-a").state)
    assert.equal("pending", result:operation("merge").state)
    runner:mock("double-or-fail", 10)
    assert.same({ merge = { sum = 35 } }, runner:retry(result.id).result)
    assert.called(runner, "square", 1)
  end)
end)
