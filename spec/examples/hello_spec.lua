-- workflows/hello.lua: the first spec: run, look at the result.

local testing = require "weir.testing"

describe("hello", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("greets", function()
    assert.equal("Hello, Ada!", runner:run("hello", { name = "Ada" }).result)
    assert.equal("Hello, world!", runner:run("hello").result)
  end)
end)
