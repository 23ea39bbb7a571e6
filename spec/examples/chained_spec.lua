-- workflows/chained.lua: a chain, and what each link was given.

local testing = require "weir.testing"

describe("chained", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("hands each result on", function()
    local result = runner:run("chained", "The cat saw the dog")
    assert.same({ words = 5, most_common = "the", count = 2 }, result.result)
    assert.same({ "the", "cat", "saw", "the", "dog" }, runner:calls("analyzer")[1].data)
    assert.equal(5, result:operation("step-2").result.total)
  end)
end)
