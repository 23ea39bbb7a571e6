-- workflows/serialization.lua: what travels, and what the workflow sees.

local testing = require "weir.testing"

describe("serialization", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("puts payload and result in an envelope", function()
    local result = runner:run("custom-serialization", { complex = "data" })
    assert.same({ complex = "DATA" }, result.result)
    assert.same({ custom = { complex = "data" } }, runner:calls("custom-function")[1].data)
    assert.same({ custom = { complex = "DATA" } }, result:operation("custom").result)
  end)
end)
