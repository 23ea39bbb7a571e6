-- workflows/timeout.lua: timeouts, without waiting for them.

local testing = require "weir.testing"

describe("timeout", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("falls back when the time is over", function()
    local result = runner:run("timeout-handling", { takes = "1d" })
    assert.completed(result)
    assert.equal("timeout", result.result.status)
    assert.cancelled(result.children.slow)
    assert.equal(testing.duration "30s", result.finished_at - result.started_at)
    assert.equal("warn", result.log[1].level)
  end)

  it("takes the answer that comes in time", function()
    runner:mock("slow-function", testing.after("29s", { answer = 42 }))
    assert.equal(42, runner:run("timeout-handling").result.result.answer)
  end)

  it("fails when the code does not catch it", function()
    assert.failed_with(runner:run("timeout-configured", { takes = "10m" }), "timeout")
    assert.completed(runner:run("timeout-configured", { takes = "1m" }))
  end)

  it("lets an abandoned child go on", function()
    local result = runner:run("timeout-abandoning", { takes = "1h", patience = "1m" })
    assert.equal(result.id .. "/slow", result.result.see)
    assert.completed(runner:result(result.result.see))
  end)
end)
