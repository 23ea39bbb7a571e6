local clients = require "spec.support.clients"

describe("the bundles in use", function()
  before_each(function()
    local answers = {
      bundles = { "bundles", "aa", "3", "1000", "2", "bb", "7", "4000", "0", "cc", "", "", "1" },
      registry = { "registry", "old", '{"bundle":"aa"}', "w1", '{"bundle":"bb"}', "w2", '{"bundle":"bb"}',
                   "w3", '{"bundle":"bb"}', "w4", '{"bundle":"bb"}', "weir.data", '{"bundle":"bb"}' },
      hosts = { "hosts", "1", "host-1", "9000", "2", 0, "*", "bb aa", "", "", "", "",
        "2", "dead", "0", "2", 0, "*", "bb", "", "", "", "" },
    }
    clients.load {
      call = function(...)
        local replies = {}
        for i, group in ipairs { ... } do replies[i] = answers[group[1]] end
        return { "ok", 5000, 7, replies }
      end,
    }
  end)

  after_each(clients.unload)

  it("are told newest first, with what they serve and where", function()
    local list, now = require("weir.client.bundles").list()
    assert.equal(5000, now)
    assert.same({
      { bundle = "bb", version = 7, announced_at = 4000, attempts = 0, workflows = { "w1", "w2", "w3", "w4" },
        hosts = { "host-1" } },
      { bundle = "aa", version = 3, announced_at = 1000, attempts = 2, workflows = { "old" }, hosts = { "host-1" } },
      { bundle = "cc", attempts = 1, workflows = {}, hosts = {} },
    }, list)
  end)
end)
