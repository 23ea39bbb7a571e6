-- workflows/batch.lua: a graph that is made of its data.

local testing = require "weir.testing"

describe("batch", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("processes each item, then all", function()
    local result = runner:run("batch", { items = { "a", "b", "c" } })
    assert.same({ "1:A", "2:B", "3:C" }, result.result.aggregate.results)
    assert.equal(4, #result.operations)
  end)
end)
