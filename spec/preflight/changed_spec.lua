local changed = require "weir.preflight.changed"

local function touched(before, now)
  local paths = {}
  for path in pairs(changed.files(before, now)) do paths[#paths + 1] = path end
  table.sort(paths)
  return paths
end

describe("the files that a change touches", function()
  local before = {
    ["order.lua"] = 'local pay = require "lib.pay"', ["lib/pay.lua"] = "return function() require('lib.tax') end",
    ["lib/tax.lua"] = "return 1", ["other.lua"] = "return 2",
  }

  local function with(path, source)
    local now = {}
    for name, text in pairs(before) do now[name] = text end
    now[path] = source
    if source == nil then now[path] = nil end
    return now
  end

  it("are those that changed, and those that require them", function()
    assert.same({}, touched(before, before))
    assert.same({ "other.lua" }, touched(before, with("other.lua", "return 3")))
    assert.same({ "lib/pay.lua", "lib/tax.lua", "order.lua" }, touched(before, with("lib/tax.lua", "return 3")))
  end)

  it("are also those that require a file that was removed, or is new", function()
    assert.same({ "lib/pay.lua", "order.lua" }, touched(before, with "lib/tax.lua"))
    assert.same({ "lib/pay.lua", "lib/tax/init.lua", "order.lua" },
      touched(before, with("lib/tax/init.lua", "return 3")))
  end)

  it("are also those that require by a computed name, once anything has changed", function()
    before["any.lua"] = "return require('lib.' .. name)"
    assert.same({}, touched(before, before))
    assert.same({ "any.lua", "other.lua" }, touched(before, with("other.lua", "return 3")))
    before["any.lua"] = nil
  end)
end)
