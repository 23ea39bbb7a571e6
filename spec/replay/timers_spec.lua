local entry = require "weir.record.entry"
local journals = require "spec.support.journals"

local begin, new, outcome = journals.begin, journals.new, journals.outcome

describe("timers", function()
  it("count from when the store recorded their operation", function()
    local made, acted = new(), {}
    local a = begin(made, "a", "sleep")
    made:arm(a, 100, function() table.insert(acted, "a") end)
    assert.same({ nil, 100 }, { made:wake() })
    made:recorded_at(2000)
    assert.same({ 2100 }, { made:wake() })
    made:due(2099)
    assert.same({}, acted)
    made:due(2100)
    assert.same({ "a" }, acted)
    assert.same({}, { made:wake() })
  end)

  it("of an operation that the journal holds count from its entry", function()
    local made = new { ["o:a"] = "\t1500\t" .. entry.write("sleep", 0, 1, "w.lua:1", "", "") }
    made:arm(begin(made, "a", "sleep"), 100, error)
    assert.same({ 1600 }, { made:wake() })
  end)

  it("do nothing for what has its outcome", function()
    local made = new()
    local a = begin(made, "a", "sleep")
    made:arm(a, 100, error)
    made:recorded_at(2000)
    made:learn { outcome(1, "a") }
    assert.same({}, { made:wake() })
    made:due(9000)
  end)
end)
