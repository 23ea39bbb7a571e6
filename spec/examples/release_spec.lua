-- workflows/release.lua: parallel and scope.

local testing = require "weir.testing"

describe("release", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("builds twice with one helper, and publishes side by side", function()
    local result = runner:run("release", { version = "1.4" })
    assert.same({
      packages = { "built for amd64", "built for arm64" },
      published = { mirror = "mirror has 1.4", announce = "told of 1.4" },
    }, result.result)
    assert.equal("built for arm64", result:operation("arm64:build").result)
    assert.equal("told of 1.4", result:operation("publish:announce:mail").result)
  end)

  it("publishes nothing more when one way fails", function()
    local result = runner:run("release", { version = "1.4", silent = true })
    assert.equal("there is no one to tell", result.error.message)
    for _, operation in ipairs(result.operations) do assert.not_equal("publish:mirror:upload", operation.id) end
  end)
end)
