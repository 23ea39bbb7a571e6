-- workflows/sequential.lua: a sequence, with the second of three mocked.

local testing = require "weir.testing"

describe("sequential", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("hands each result to the next", function()
    runner:mock("enrich-user-data", function(user) return { name = user.name, initials = "XY" } end)
    local result = runner:run("orchestrate-workflow", { user_id = "u1" })
    assert.completed(result)
    assert.is_truthy(result.result.title:find("(XY)", 1, true))
  end)

  it("does as the host does without mocks", function()
    local result = runner:run("orchestrate-workflow", { user_id = "u1" })
    assert.same({ "fetch_user", "enrich_user", "generate_report" },
      { result.operations[1].id, result.operations[2].id, result.operations[3].id })
    assert.is_truthy(result.result.title:find("^Report on "))
  end)
end)
