-- workflows/export.lua: poll.

local testing = require "weir.testing"

describe("export", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("asks until the file is there, more and more rarely", function()
    local result = runner:run("export", { ready_after = 4 })
    assert.same({ asked = 4, file = "export-7.csv" }, result.result)
    assert.equal((2 + 4 + 8) * 1000, result.finished_at - result.started_at)
    assert.equal(4, result:operation("job").attempts)
  end)

  it("gives up after a day", function()
    assert.failed_with(runner:run("export", { ready_after = 1e9 }), "timeout")
  end)

  it("takes the answer of a mock as the last state", function()
    runner:mock_step("export", "job", { asked = 1, file = "mocked.csv" })
    assert.equal("mocked.csv", runner:run("export", { ready_after = 1 }).result.file)
  end)

  it("goes on wherever it crashes", function()
    runner:crash_everywhere(function(one) one:run("export", { ready_after = 3 }) end)
  end)
end)
