-- workflows/fan-out.lua: that children run at the same time, by the clock.

local testing = require "weir.testing"

describe("fan-out", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  local names = { "service-a", "service-b", "service-c" }

  local function took(workflow)
    for _, name in ipairs(names) do runner:mock(name, testing.after("1m", name)) end
    local result = runner:run(workflow, { question = "how much?" })
    assert.same(names, result.result.results)
    return result.finished_at - result.started_at
  end

  it("asks one after another", function() assert.equal(testing.duration "3m", took "fan-out") end)

  it("asks all at once", function() assert.equal(testing.duration "1m", took "fan-out-parallel") end)
end)
