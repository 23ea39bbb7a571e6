-- `weir cancel`: several runs, one exit status.

local commands = require "spec.support.commands"

describe("weir cancel", function()
  local side, answers, run

  before_each(function()
    side = commands.new()
    answers, run = side.answers, side.run
  end)

  after_each(commands.unload)

  it("cancel goes through all, and the worst decides", function()
    answers.cancel = function(id)
      return id == "a" and { "cancelled", "waiting" } or id == "b" and { "ended", "completed" } or { "missing" }
    end
    assert.equal(0, (run("cancel", "a")))
    assert.equal(1, (run("cancel", "b", "a")))
    assert.equal(66, (run("cancel", "c", "b", "a")))
    assert.equal("weir: run b has ended: it is completed\n", side.said[1])
  end)
end)
