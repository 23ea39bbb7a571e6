local kinds = require "weir.record.kinds"

describe("the kinds of operations", function()
  it("say what a journal holds", function()
    assert.equal('invoke of "pay"', kinds.invoke.describe "pay")
    assert.equal("sleep", kinds.sleep.describe "")
    assert.equal(3, kinds.step.tries '{"failures":3}')
    assert.is_nil(kinds.step.tries "{}")
    assert.equal(3, kinds.poll.tries '{"calls":3,"failures":1}')
    assert.is_nil(kinds.sleep.tries '{"failures":3}')
  end)

  it("have a label in trees of runs", function()
    assert.equal("pay", kinds.invoke.label("pay", "{}"))
    assert.equal("sleep 5s", kinds.sleep.label(nil, '{"duration_ms":5000}'))
    assert.equal("sleep", kinds.sleep.label(nil, '{"until_ms":5000}'))
    assert.equal("step", kinds.step.label(nil, '{"failures":3}'))
    assert.equal("receive", kinds.receive.label(nil, nil))
  end)

  it("make a child's own failure the cause, and no other", function()
    local cause = { code = "sold_out", message = "none left" }
    local failed = kinds.invoke.failure("pay", "payment", "failed", cause)
    assert.same({ "child_failed", "Child execution failed: none left", "pay", "payment" },
      { failed.code, failed.message, failed.operation, failed.workflow })
    assert.equal(cause, failed.cause)
    local refused = { code = "unknown_workflow", message = "no workflow" }
    assert.equal(refused, kinds.invoke.failure("pay", "payment", "refused", refused))
    assert.equal("pay", refused.operation)
    assert.equal("write", kinds.step.failure("write", nil, "failed", cause).operation)
  end)

  it("of a newer version are as the plainest", function()
    assert.equal("receive", kinds.receive.describe "x")
    assert.is_false(kinds.receive.owns_child)
    assert.is_true(kinds.receive.is_recorded_first)
  end)
end)
