-- workflows/parallel-processing.lua: a graph that fans out, by the clock.

local testing = require "weir.testing"

describe("parallel-processing", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("processes side by side", function()
    runner:mock("process-numbers", function(data) return testing.after("1m", data.type) end)
    local result = runner:run("parallel-processing", { url = "https://example.org/data" })
    assert.same({ ["process-a"] = "a", ["process-b"] = "b", ["process-c"] = "c" }, result.result)
    assert.equal(testing.duration "1m", result.finished_at - result.started_at)
  end)

  it("gives each the result of the one before", function()
    local result = runner:run("parallel-processing", { url = "https://example.org/data" })
    assert.same({ ["process-a"] = 10, ["process-b"] = 4, ["process-c"] = 4 }, result.result)
  end)
end)
