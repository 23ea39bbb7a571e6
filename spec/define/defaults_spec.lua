local defaults = require "weir.define.defaults"
local duration = require "weir.base.duration"

describe("a default", function()
  it("that is written twice is the same", function()
    assert.equal(defaults.cancel_grace_ms, duration.ms(defaults.cancel_grace))
  end)
end)
