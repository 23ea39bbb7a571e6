-- workflows/hierarchy.lua: grandchildren.

local testing = require "weir.testing"

describe("hierarchy", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("adds up what is found two levels below", function()
    local result = runner:run("project", { project_id = "apollo" })
    assert.same({ report = "apollo: 34 in all" }, result.result)
    assert.same({ 3, 4, 5 }, result.children.collect_data:operation("issues").result)
  end)

  it("is mocked at any depth", function()
    runner:mock("collect-source", function(data) return data.source == "issues" and { 1 } or { 2 } end)
    assert.same({ report = "apollo: 3 in all" }, runner:run("project", { project_id = "apollo" }).result)
    assert.called(runner, "collect-source", 2)
  end)
end)
