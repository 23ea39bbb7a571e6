-- workflows/etl.lua: a graph, with its first node mocked.

local testing = require "weir.testing"
local weir = require "weir"

describe("etl", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("extracts, transforms and loads", function()
    local result = runner:run("etl", { source = "s3://bucket/data.csv" })
    assert.completed(result)
    assert.same({ load = { table_name = "people", rows = 2 } }, result.result)
  end)

  it("starts nothing that depends on what failed, and goes on from there", function()
    runner:mock("extract", testing.sequence { weir.fatal "no such bucket", { rows = { { "Ada", 36 } } } })
    local result = runner:run("etl", { source = "s3://nowhere" })
    assert.failed_with(result, "child_failed")
    assert.equal("pending", result:operation("transform").state)
    assert.same({ load = { table_name = "people", rows = 1 } }, runner:retry(result.id).result)
  end)
end)
