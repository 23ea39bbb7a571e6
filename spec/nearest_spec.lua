local nearest = require "weir.nearest"

describe("nearest.find", function()
  local names = { "validate-order", "process-order", "process-payment", "ship" }

  it("finds a mistyped name", function()
    assert.equal("process-order", nearest.find("proces-order", names))
    assert.equal("process-order", nearest.find("process_order", names))
    assert.equal("process-payment", nearest.find("process-paymnet", names))
    assert.equal("ship", nearest.find("shp", names))
    assert.equal("ship", nearest.find("hsip", names))
  end)

  it("does not count capitals", function()
    assert.equal("validate-order", nearest.find("Validate-Order", names))
  end)

  it("finds nothing where nothing is near", function()
    assert.is_nil(nearest.find("refund", names))
    assert.is_nil(nearest.find("ship", {}))
    assert.is_nil(nearest.find("", names))
    assert.is_nil(nearest.find("ab", { "xy" }))
  end)

  it("takes the first by bytes among equals, however they are listed", function()
    assert.equal("task-a", nearest.find("task-x", { "task-b", "task-a", "task-c" }))
    assert.equal("task-a", nearest.find("task-x", { "task-a", "task-c", "task-b" }))
  end)
end)
