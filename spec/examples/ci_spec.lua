-- workflows/ci.lua: what runs when a node fails.

local testing = require "weir.testing"

describe("ci", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("deploys when all is well", function()
    local result = runner:run("ci", { repo = "https://example.org/weir.git" })
    assert.completed(result)
    assert.equal("completed", result:operation("notify").state)
  end)

  it("does not deploy what is broken, and reports", function()
    local result = runner:run("ci", { broken = "unit-tests" })
    assert.equal("failed", result.state)
    assert.equal("pending", result:operation("deploy").state)
    assert.equal("unit-tests: ", result:operation("report").result[1]:sub(1, 12))
    assert.equal("integration-tests: ok", result:operation("report").result[2])
  end)
end)
