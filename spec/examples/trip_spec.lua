-- workflows/trip.lua: compensation, also of a run that is cancelled.

local testing = require "weir.testing"

describe("trip", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("takes back what was booked, newest first", function()
    local result = runner:run("trip", { to = "Vienna", sold_out = true })
    assert.equal("failed", result.state)
    assert.equal(-500, runner:calls("pay-trip")[2].data.amount)
    local said = {}
    for i, line in ipairs(result.log) do said[i] = line.text end
    assert.same({ "giving back hotel-Vienna", "giving back flight-Vienna" }, said)
  end)

  it("does so when it is cancelled while it waits", function()
    runner:mock("pay-trip", testing.after("1h", { paid = 500 }))
    local id = runner:start("trip", { to = "Vienna" })
    runner:advance("1m")
    local result = runner:cancel(id)
    assert.cancelled(result)
    assert.equal("completed", result:operation("undo:flight:step").state)
  end)

  it("does so whatever dies", function()
    runner:crash_everywhere(function(one) one:run("trip", { to = "Vienna", sold_out = true }) end)
  end)
end)
