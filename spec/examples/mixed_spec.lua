-- workflows/mixed.lua: plain functions and durable workflows.

local testing = require "weir.testing"

describe("mixed", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("welcomes a user", function()
    runner:mock("fetch-user-data", { user_id = "u9", name = "Grace Hopper" })
    local result = runner:run("onboard-user", { user_id = "u9" })
    assert.same({ status = "completed", notification_sent = true }, result.result)
    assert.equal("grace.hopper", result.children.process_user:operation("choose-login").result)
    assert.equal("grace.hopper", runner:calls("send-notification")[1].data.data.login)
  end)
end)
