-- workflows/retries.lua: retries, by mocks that fail first.

local testing = require "weir.testing"
local weir = require "weir"

describe("retries", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("tries by hand", function()
    local result = runner:run("retry-by-hand", { works_on = 3 })
    assert.same({ status = "success", result = { answer = 42 }, attempts = 3 }, result.result)
    assert.equal("failed", result:operation("attempt_1").state)
    assert.equal("sleep", result:operation("wait_2").kind)
  end)

  it("gives up by hand", function()
    runner:mock("unreliable-function", weir.error { code = "unavailable", message = "closed" })
    local result = runner:run("retry-by-hand", { works_on = 1 })
    assert.same({ status = "failed", error = "Child execution failed: closed", attempts = 3 }, result.result)
  end)

  it("lets a policy try", function()
    local result = runner:run("retry-by-policy", { works_on = 3 })
    assert.equal(3, result.result.attempts)
    assert.equal(40 + 80, result.finished_at - result.started_at)
    assert.failed_with(runner:run("retry-by-policy", { works_on = 4 }), "unavailable")
  end)
end)
