-- workflows/map-reduce.lua: a graph that fans in.

local testing = require "weir.testing"

describe("map-reduce", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("counts the words of all parts", function()
    local result = runner:run("map-reduce", { text = "the weir holds the river and lets the river through" })
    assert.equal(3, result.result.reduce.the)
    assert.equal(2, result.result.reduce.river)
    assert.called(runner, "count-words", 3)
  end)
end)
