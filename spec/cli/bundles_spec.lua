local clients = require "spec.support.clients"
local json = require "weir.json"

describe("weir bundles", function()
  local written

  before_each(function()
    written = ""
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
      is_terminal = function() return false end,
      write = function(_, text) written = written .. text end,
    }
  end)

  after_each(clients.unload)

  it("prints a table, or lines of JSON", function()
    require("weir.cli.bundles").print()
    assert.equal("BUNDLE  NEWEST  UNFINISHED  HOSTS   WORKFLOWS\nbb      1.00s ago  0  host-1  w1 w2 w3 +1\n",
      (written:gsub("\naa.*", "\n"):gsub("NEWEST +", "NEWEST  "):gsub("ago +", "ago  "):gsub("0 +h", "0  h")))
    written = ""
    require("weir.cli.bundles").print(true)
    local last = json.decode(written:match "[^\n]*\n$")
    assert.same({ "cc", json.null, json.null, 1 }, { last.bundle, last.version, last.announced_at, last.attempts })
  end)
end)
