-- workflows/import.lua: progress and status.

local testing = require "weir.testing"
local weir = require "weir"

describe("import", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("tells how far it is", function()
    local id = runner:start("import", { rows = { "a", "b" }, index_takes = "1h" })
    assert.same({ done = 2, total = 2, status = "waits for the index" }, runner:result(id).progress)
    runner:advance "1h"
    local result = runner:result(id)
    assert.same({ "A", "B" }, result.result)
    assert.equal("done", result.progress.status)
  end)

  it("tells where it stopped", function()
    runner:mock_step("import", "row-2", function() error(weir.fatal "no such column") end)
    assert.same({ done = 1, total = 3, text = "row b" },
      runner:run("import", { rows = { "a", "b", "c" } }).progress)
  end)
end)
