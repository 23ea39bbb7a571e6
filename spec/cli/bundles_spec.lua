local bundles_in_use = require "spec.support.bundles_in_use"
local commands = require "spec.support.commands"
local json = require "weir.json"

describe("weir bundles", function()
  local side

  before_each(function()
    side = commands.new()
    bundles_in_use(side)
  end)

  after_each(commands.unload)

  it("prints a table, or lines of JSON", function()
    local _, text = side.run "bundles"
    assert.equal("BUNDLE  NEWEST  UNFINISHED  HOSTS   WORKFLOWS\nbb      1.00s ago  0  host-1  w1 w2 w3 +1\n",
      (text:gsub("\naa.*", "\n"):gsub("NEWEST +", "NEWEST  "):gsub("ago +", "ago  "):gsub("0 +h", "0  h")))
    side.printed = {}
    _, text = side.run("bundles", { json = true })
    local last = json.decode(text:match "[^\n]*\n$")
    assert.same({ "cc", json.null, json.null, 1 }, { last.bundle, last.version, last.announced_at, last.attempts })
  end)
end)
