-- workflows/enrich.lua: map.

local testing = require "weir.testing"
local weir = require "weir"

describe("enrich", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("stores those that were found, and tells which were not", function()
    local result = runner:run("enrich", { customers = { "Ada", "", "Bob" } })
    assert.same({ stored = { "1: Ada", "3: Bob" }, failed = { 2 } }, result.result)
    assert.equal("3: Bob", result:operation("customers:3:store").result)
    assert.same({ stored = {}, failed = {} }, runner:run("enrich", { customers = {} }).result)
  end)

  it("fails when more fail than it tolerates, and retries only those", function()
    local result = runner:run("enrich", { customers = { "", "", "Ada", "", "" } })
    assert.failed_with(result, "too_many_failures")
    assert.same({ failed = 4, tolerate = 3 }, result.error.details)
  end)

  it("looks up ten at a time", function()
    runner:mock("look-up", testing.after("1m", { name = "x" }))
    local customers = {}
    for i = 1, 25 do customers[i] = "c" .. i end
    local result = runner:run("enrich", { customers = customers })
    assert.equal(25, #result.result.stored)
    assert.equal(testing.duration "3m", result.finished_at - result.started_at)
  end)

  it("reads page after page", function()
    runner:mock_step("enrich-pages", "page-2", { "c", "d" })
    assert.same({ "A1", "B1", "C", "D" }, runner:run("enrich-pages", { pages = 2 }).result)
    runner:mock_step("enrich-pages", "page-2", function() error(weir.fatal "no page 2") end)
    assert.equal("no page 2", runner:run("enrich-pages", { pages = 2 }).error.message)
  end)
end)
