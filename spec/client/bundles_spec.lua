local bundles_in_use = require "spec.support.bundles_in_use"
local commands = require "spec.support.commands"

describe("the bundles in use", function()
  before_each(function() bundles_in_use(commands.new()) end)

  after_each(commands.unload)

  it("are told newest first, with what they serve and where", function()
    local list, now = require("weir.client.bundles").list()
    assert.equal(100000, now)
    assert.same({
      { bundle = "bb", version = 7, announced_at = 99000, attempts = 0, workflows = { "w1", "w2", "w3", "w4" },
        hosts = { "host-1" } },
      { bundle = "aa", version = 3, announced_at = 96000, attempts = 2, workflows = { "old" }, hosts = { "host-1" } },
      { bundle = "cc", attempts = 1, workflows = {}, hosts = {} },
    }, list)
  end)
end)
