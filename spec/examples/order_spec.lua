-- workflows/order.lua: how an order is tested: its payment mocked, its errors and timeouts looked at.

local testing = require "weir.testing"
local weir = require "weir"

describe("order", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("completes when it is paid", function()
    runner:mock("process-payment", function(data) return { transaction_id = "t-" .. data.order_id } end)
    local result = runner:run("process-order", { order_id = "order-123", amount = 100.0 })
    assert.completed(result)
    assert.equal("completed", result.result.status)
    assert.equal("t-order-123", result.result.transaction_id)
  end)

  it("invokes two workflows, in this order", function()
    local result = runner:run("process-order", { order_id = "order-123", amount = 100.0 })
    local invokes = {}
    for _, operation in ipairs(result.operations) do
      if operation.kind == "invoke" then invokes[#invokes + 1] = operation.id end
    end
    assert.same({ "validate", "pay" }, invokes)
    assert.equal("completed", result:operation("validate").state)
    assert.same({ order_id = "order-123", amount = 100.0 }, runner:calls("process-payment")[1].data)
  end)

  it("is rejected without being paid", function()
    runner:mock("validate-order", { valid = false, reason = "no such order" })
    local result = runner:run("process-order", { order_id = "x", amount = 5 })
    assert.same({ status = "rejected", reason = "no such order" }, result.result)
    assert.called(runner, "process-payment", 0)
  end)

  it("is pending when the payment takes too long, which is cancelled", function()
    runner:mock("process-payment", testing.after("1h", { transaction_id = "late" }))
    local result = runner:run("process-order", { order_id = "order-1", amount = 5 })
    assert.equal("pending", result.result.status)
    assert.equal("timeout", result:operation("pay").error.code)
    assert.cancelled(result.children.pay)
    assert.equal(testing.duration "30s", result.finished_at - result.started_at)
  end)

  it("fails with what the payment failed with, and goes on from there when it is retried", function()
    runner:mock("process-payment", testing.sequence { weir.fatal "the card is blocked", { transaction_id = "t2" } })
    local result = runner:run("process-order", { order_id = "order-1", amount = 5 })
    assert.failed_with(result, "child_failed")
    assert.equal("the card is blocked", result.error.cause.message)
    assert.equal("t2", runner:retry(result.id).result.transaction_id)
    assert.called(runner, "validate-order", 1)
  end)

  it("refuses data that is none", function()
    assert.failed_with(runner:run("process-order", { order_id = "order-1", amount = -1 }), "invalid_data")
  end)

  it("is paid once, whatever dies", function()
    runner:crash_everywhere(function(one)
      assert.completed(one:run("process-order", { order_id = "order-1", amount = 20000, patience = "2h" }))
      assert.called(one, "process-payment", 1)
    end)
  end)
end)
