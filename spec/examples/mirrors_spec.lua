-- workflows/mirrors.lua: any and future:cancel.

local testing = require "weir.testing"

describe("mirrors", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("takes the first that succeeds, and cancels the others", function()
    local result = runner:run("download", { mirrors = {
      { name = "broken", fails = true }, { name = "near", takes = "1m" }, { name = "far", takes = "1h" },
    } })
    assert.same({ file = "the file, from near", mirror = "near" }, result.result)
    assert.cancelled(result.children.far)
  end)

  it("tells of every failure if none succeeds", function()
    local result = runner:run("download", { mirrors = { { name = "a", fails = true }, { name = "b", fails = true } } })
    assert.failed_with(result, "all_failed")
    assert.equal("Child execution failed: b does not answer", result.error.details.b.message)
  end)

  it("ends the reserve when it is not needed, and takes it when it is", function()
    local result = runner:run("download-hedged",
      { first = { name = "first" }, reserve = { name = "reserve", takes = "1h" } })
    assert.equal("the file, from first", result.result)
    assert.cancelled(result.children.reserve)
    result = runner:run("download-hedged",
      { first = { name = "first", takes = "1h" }, reserve = { name = "reserve", takes = "1m" } })
    assert.equal("the file, from reserve", result.result)
    assert.cancelled(result.children.first)
  end)
end)
