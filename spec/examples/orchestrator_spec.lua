-- workflows/orchestrator.lua: an orchestrator and its timeout.

local testing = require "weir.testing"

describe("orchestrator", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("goes through its steps", function()
    assert.same({ success = true }, runner:run("orchestrator", { email = " Ada@Example.com " }).result)
    assert.equal("ada@example.com", runner:calls("notify")[1].data.result.email)
  end)

  it("stops at the first that fails", function()
    assert.failed_with(runner:run("orchestrator", { email = "nobody" }), "child_failed")
    assert.called(runner, "process", 0)
  end)

  it("gives an outside call half a minute", function()
    runner:mock("external-api-call", testing.after("31s", { status = 200 }))
    assert.failed_with(runner:run("orchestrator-with-timeout"), "timeout")
    runner:mock("external-api-call", testing.after("29s", { status = 200 }))
    assert.equal(200, runner:run("orchestrator-with-timeout").result.status)
  end)
end)
