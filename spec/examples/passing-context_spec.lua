-- workflows/passing-context.lua: what children are given.

local testing = require "weir.testing"

describe("passing-context", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("gives the context to each", function()
    local result = runner:run("passing-context", { locale = "fr", data = "Ada" })
    assert.same({ text = "Bonjour, Ada!", locale = "fr" }, result.result)
    assert.equal("Bonjour", runner:calls("finalize")[1].data.context.greeting)
  end)
end)
