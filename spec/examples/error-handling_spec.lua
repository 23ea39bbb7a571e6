-- workflows/error-handling.lua: errors that the workflow handles.

local testing = require "weir.testing"

describe("error-handling", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("handles the error, and does not try again what failed", function()
    local result = runner:run("error-handling", { dividend = 6, divisor = 0 })
    assert.completed(result)
    assert.same({ quotient = 6.0, instead_of = "Child execution failed: cannot divide by zero" }, result.result)
    assert.equal("failed", result:operation("risky-operation").state)
    assert.equal("risky-operation failed", result.log[1].text)
    assert.called(runner, "risky-workflow", 2)
  end)

  it("says that it failed instead of failing", function()
    runner:mock("risky-function", function() error "no route to the bank" end)
    local result = runner:run("error-status", { amount = 5, balance = 10 })
    assert.completed(result)
    assert.equal("failed", result.result.status)
    assert.is_truthy(result.result.error:find("no route to the bank", 1, true))
    assert.called(runner, "risky-function", 3) -- an ordinary error is tried again
  end)

  it("knows an error by its code", function()
    local result = runner:run("error-status", { amount = 50, balance = 10 })
    assert.same({ status = "refused", missing = 40 }, result.result)
  end)
end)
